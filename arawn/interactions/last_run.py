"""The note of the retention in the log directory: when it last ran, and which files it is about to remove."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import msgspec

from arawn.interactions.filesystem import Filesystem
from arawn.interactions.retention import LastRun
from arawn.interactions.whole_file import read_small, write_whole

__all__ = ["read_last_run", "write_last_run"]

_NAME = ".last-housekeeping"
_LONGEST = 1 << 22  # names of a hundred thousand files


def read_last_run(filesystem: Filesystem, directory: Path) -> LastRun | None:
    """Return what the last run left; None for the first one.

    Raises:
        OSError: It cannot be read.
    """
    data = read_small(filesystem, directory / _NAME, _LONGEST)
    try:
        return None if data is None else msgspec.json.decode(data, type=LastRun)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return LastRun(date.min)  # nothing is known: as if the clock had jumped


def write_last_run(filesystem: Filesystem, directory: Path, run: LastRun) -> list[str]:
    """Keep `run` for the next one; return why it could not be kept, nothing if it is on the disk."""
    try:
        write_whole(filesystem, directory / _NAME, msgspec.json.encode(run))
    except OSError as error:
        return [f"cannot write `{_NAME}`: {error.strerror}"]
    return []
