"""Which files are past their time, by the date in the name, and the note in the log directory of what goes when."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path

import msgspec

from arawn.interactions.files import day_of_name
from arawn.interactions.filesystem import Filesystem
from arawn.interactions.whole_file import read_small, write_whole

__all__ = ["LastRun", "Verdict", "expired", "judge", "read_last_run", "write_last_run"]

_NOTE = ".last-housekeeping"
_LONGEST_NOTE = 1 << 22  # names of a hundred thousand files


class LastRun(msgspec.Struct, frozen=True):
    """What is kept between runs: the UTC day of the last one, and until when nothing is deleted after a jump.

    `removing` names the files that a run is about to remove, until the log says which of them are gone.
    """

    day: date
    held_until: date | None = None
    removing: tuple[str, ...] = ()


class Verdict(msgspec.Struct, frozen=True):
    """What a run has to delete, what it has to keep in mind, and what the run `before` it had left.

    `jumped`: it found that the clock had jumped.
    """

    delete: list[str]
    last_run: LastRun
    before: LastRun | None
    jumped: bool = False

    @property
    def to_mark(self) -> tuple[str, ...]:
        """The files that go, and those that a run that was cut short may have removed without a word."""
        return tuple(dict.fromkeys([*(self.before.removing if self.before else ()), *self.delete]))


def judge(names: Iterable[str], today: date, retention_days: int, before: LastRun | None) -> Verdict:
    """Decide what one run deletes.

    A clock that jumped ahead by more than `retention_days` since the last run may be wrong, and a wrong clock must not
    empty the log: nothing is deleted then, nor on the days after, until the new time has lasted for `retention_days`.
    A clock that is set back ends that.

    Args:
        names: The names in the log directory; those of other files are passed over.
        today: The present UTC day; it and later days are always kept.
        retention_days: How many days before today are kept; 0 keeps all.
        before: What the last run left; None for the first one.
    """
    if retention_days == 0:
        return Verdict([], LastRun(today), before)
    if before is not None and (today - before.day).days > retention_days:
        held_until = today + timedelta(days=min(retention_days, (date.max - today).days))
        return Verdict([], LastRun(today, held_until), before, jumped=True)
    if before is not None and before.held_until is not None and before.day <= today < before.held_until:
        return Verdict([], LastRun(today, before.held_until), before)
    return Verdict(expired(names, today, retention_days), LastRun(today), before)


def expired(names: Iterable[str], today: date, retention_days: int) -> list[str]:
    """Return the names of all files of days more than `retention_days`, >= 1, before today, sorted."""
    return sorted(
        name for name in names if (day := day_of_name(name)) is not None and (today - day).days > retention_days
    )


def read_last_run(filesystem: Filesystem, directory: Path) -> LastRun | None:
    """Return what the last run left; None for the first one.

    Raises:
        OSError: It cannot be read.
    """
    data = read_small(filesystem, directory / _NOTE, _LONGEST_NOTE)
    try:
        return None if data is None else msgspec.json.decode(data, type=LastRun)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return LastRun(date.min)  # nothing is known: as if the clock had jumped


def write_last_run(filesystem: Filesystem, directory: Path, run: LastRun) -> list[str]:
    """Keep `run` for the next one; return why it could not be kept, nothing if it is on the disk."""
    try:
        write_whole(filesystem, directory / _NOTE, msgspec.json.encode(run))
    except OSError as error:
        return [f"cannot write `{_NOTE}`: {error.strerror}"]
    return []
