"""Where the standard logging of a command goes."""

from __future__ import annotations

import logging

__all__ = ["show_from", "silence"]


def silence() -> None:
    """Keep log messages off the terminal: what matters reaches a person as an answer or an error."""
    logging.getLogger().addHandler(logging.NullHandler())  # without any handler, warnings would go to stderr


def show_from(level: int) -> None:
    """Print log messages of this level and above on stderr."""
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(max(level, logging.WARNING))  # its INFO is a line for every request
