"""What a command logs, and where."""

from __future__ import annotations

import logging

from arawn.unseen import one_line, set_off

__all__ = ["OneLine", "quiet_retries", "show_from", "silence"]


class OneLine(logging.Formatter):
    """Makes each message one line: what a client or a provider wrote can be part of it, and must forge no other.

    The lines of a traceback stay, set off: the error that it ends with can have lines of any kind. Colours, titles and
    the like are left out of both, also where no terminal is: the file that they go to is read on one.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of `record`, and below it its traceback if it has one."""
        return set_off(map(one_line, super().format(record).split("\n")))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # logging's name
        """Return the line alone."""
        return one_line(super().formatMessage(record))


def silence() -> None:
    """Keep log messages off the terminal: what matters reaches a person as an answer or an error."""
    logging.getLogger().addHandler(logging.NullHandler())  # without any handler, warnings would go to stderr


def show_from(level: int) -> None:
    """Print log messages of this level and above on stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[handler])
    logging.getLogger("httpx").setLevel(max(level, logging.WARNING))  # its INFO is a line for every request


def quiet_retries() -> None:
    """Keep the retries' own log lines out: a backend logs its attempts itself. For commands that run backends."""
    from stamina.instrumentation import set_on_retry_hooks  # slow to load

    set_on_retry_hooks([])
