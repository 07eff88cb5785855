"""Whether the disk of the log has room, told as the log is opened: a full one may still take the first line."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

__all__ = ["warn_without_room"]

_LOG = logging.getLogger("arawn.log")
_LEAST_BYTES = 16 << 20  # some thousand records: less is gone before anybody looks


def warn_without_room(directory: Path) -> None:
    """Log a warning if the disk of `directory`, which exists, has next to no room left."""
    try:
        free = shutil.disk_usage(directory).free
    except OSError as error:
        _LOG.warning("interaction log: cannot see how much room the disk of `%s` has: %s", directory, error.strerror)
        return
    if free < _LEAST_BYTES:
        _LOG.warning(
            "interaction log: the disk of `%s` is nearly full, %d MiB are free; make room: without it calls wait for "
            "the log, and what is not written at the stop is lost",
            directory,
            free >> 20,
        )
