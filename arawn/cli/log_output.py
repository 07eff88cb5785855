"""What a command logs, and where."""

from __future__ import annotations

import logging

__all__ = ["quiet_retries", "show_from", "silence"]


def silence() -> None:
    """Keep log messages off the terminal: what matters reaches a person as an answer or an error."""
    logging.getLogger().addHandler(logging.NullHandler())  # without any handler, warnings would go to stderr


def show_from(level: int) -> None:
    """Print log messages of this level and above on stderr."""
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(max(level, logging.WARNING))  # its INFO is a line for every request


def quiet_retries() -> None:
    """Keep the retries' own log lines out: a backend logs its attempts itself. For commands that run backends."""
    from stamina.instrumentation import set_on_retry_hooks  # slow to load

    set_on_retry_hooks([])
