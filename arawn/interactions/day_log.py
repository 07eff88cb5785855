"""The files of the log, synchronously: which line goes where, what is kept until it is safe, what follows a failure.

Lines move in one direction: taken (encoded, numbered) -> pending -> written -> synced. A failed write leaves them
pending; a failed sync, or a descriptor that cannot be trusted, makes them pending again, for a new part.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from math import inf

from arawn.errors import LogWriteFailed
from arawn.interactions.directory import ClaimedDirectory, LockGone, let_go, misplaced
from arawn.interactions.filesystem import Filesystem
from arawn.interactions.lock_file import note_unwritten
from arawn.interactions.part import NewPart, Part, PartBroken, PartFull, PartTooLong, create_part
from arawn.interactions.pending import Line, Numbering, Pending
from arawn.interactions.record import LogLine, MarkLine, timestamp_text
from arawn.interactions.sync_jobs import SyncJob, SyncOutcome, make_sync_jobs, run_sync_jobs

__all__ = ["DayLog"]

_SYNC_ATTEMPTS_AT_CLOSE = 3
_WRITE_BYTES = 4 << 20  # one write takes so much, or one line: what is encoded again for it is a copy


class DayLog:
    """The sole owner of a log directory and of its open files. Not for sharing between threads or forked processes.

    Use `open_day_log` to make one. A synchronous owner needs `append` and `sync`; the writer uses the steps within.
    `pending` are the lines that are taken and not yet written.
    """

    def __init__(
        self,
        filesystem: Filesystem,
        directory: ClaimedDirectory,
        *,
        writer: str,
        keeps_unsynced: bool,
        clock: Callable[[], datetime],
        newest_day: str = "",
    ) -> None:
        """Start with nothing open.

        Args:
            filesystem: The operating system, or a simulation of it.
            directory: The directory, claimed; `close` lets it go.
            writer: Written into every line beside its number.
            keeps_unsynced: Whether lines are kept in memory until they are synced.
            clock: Returns the time of day, with its zone.
            newest_day: No line goes into the file of an earlier day. It grows with what is written.
        """
        self.writer = writer
        self.newest_day = newest_day
        self._numbering = Numbering(writer)
        self._filesystem = filesystem
        self._directory = directory
        self._keeps_unsynced = keeps_unsynced
        self._clock = clock
        self._part: Part | None = None
        self._retired: list[Part] = []  # parts of earlier days with lines not yet synced
        self.pending = Pending()
        self._worthless: list[str] = []  # files that failed before anything in them was safe

    def __repr__(self) -> str:
        file, pending, unsynced = self._part and self._part.file.name, len(self.pending), self.unsynced_bytes
        return f"<DayLog {self.writer} seq={self._numbering.last} {file=!s} {pending=} {unsynced=} B>"

    @property
    def unsynced_bytes(self) -> int:
        """How many bytes are written, not yet synced, and kept in memory until they are."""
        return sum(part.unsynced_bytes for part in self._parts())

    def append(self, lines: Sequence[LogLine]) -> None:
        """Take `lines` and write everything that is pending.

        Raises:
            LogWriteFailed: Not everything could be written; the rest is kept. Call `flush` until it succeeds.
        """
        self.take(lines)
        self.flush()

    def take(self, lines: Iterable[LogLine], *, up_to: float = inf) -> bool:
        """Number, encode and keep pending `lines`, until `up_to` bytes are; return whether they were. Cannot fail."""
        pending, numbered = self.pending, self._numbering.line
        for line in lines:
            pending.add(numbered(line))
            if pending.total_bytes >= up_to:
                return True
        return False

    def day_to_open(self) -> str | None:
        """Return the day of the file that the next `flush` needs and that is not open, if any."""
        if not self.pending:
            return None
        day = max(self.pending.first_day, self.newest_day)
        return None if self._part is not None and self._part.file.day >= day else day

    def create_part(self, day: str) -> NewPart:
        """Make the next file of `day`, in a directory that is held. Changes nothing here, so any thread may run it.

        Raises:
            LogWriteFailed: The file cannot be made, or another process has taken the directory; try again later.
        """
        try:
            return create_part(self._filesystem, self._directory, day, keeps_unsynced=self._keeps_unsynced)
        except OSError as error:
            place = f"for {day} in `{self._directory.path}`"
            raise LogWriteFailed(f"cannot make a new file {place}: {error.strerror}") from error

    def adopt_new(self, new: NewPart) -> None:
        """Write to a new part from now on, under the claim that it was made under; to none that was made too late."""
        if new.under is not self._directory:  # claimed anew meanwhile, for another part
            self._close(new.part)
            if new.now is not new.under:
                let_go(self._filesystem, new.now)
            return
        if new.now is not new.under:
            self._worthless.clear()  # files of another directory
            self._directory = new.now
            let_go(self._filesystem, new.under)
        self.adopt(new.part)

    def adopt(self, part: Part) -> None:
        """Write to `part` from now on; the part before it stays open until its lines are synced."""
        before, self._part = self._part, part
        self._worthless = [name for name in self._worthless if name != part.file.name]
        self.newest_day = max(self.newest_day, part.file.day)
        if before is not None:
            self._retired.append(before)
            self._close_synced()

    def flush(self) -> None:
        """Write everything that is pending, one write a file.

        Raises:
            LogWriteFailed: Not everything could be written; the rest is kept, and the file ends with a whole line.
        """
        while self.pending:
            if (day := self.day_to_open()) is not None:
                self.adopt_new(self.create_part(day))
            self.write()

    def write(self) -> None:
        """Write the next pending lines into the open file; there is one when `day_to_open` returns None.

        Returns with lines still pending if there are too many for one write, if they belong to a later day, or if the
        file had to be given up; raises as `flush`.
        """
        part = self._part
        assert part is not None
        self._append(part, self.pending.head(part.file.day, _WRITE_BYTES))

    def _append(self, part: Part, lines: list[Line]) -> None:
        """Write `lines`, the first pending ones, to `part`, or draw the consequences."""
        try:
            part.append(lines)
        except PartFull as full:
            raise self._failure(part, full) from full
        except PartTooLong as limit:
            self._go_on_elsewhere(part, lines, limit)
        except PartBroken as broken:
            worked_before = part.size > 0
            self._give_up(part, str(broken))
            if not worked_before:  # a second new file at once would hardly do better
                raise self._failure(part, broken) from broken
        else:
            self.pending.drop(lines)
            if not self.pending:
                self._remove_worthless()

    def _go_on_elsewhere(self, part: Part, lines: list[Line], limit: PartTooLong) -> None:
        """Leave `part` at its limit, to be synced and closed; where even a fresh file is too small, write less."""
        if part.size > 0:
            self._part = None
            self._retired.append(part)
            self._close_synced()
        elif len(lines) > 1:
            self._append(part, lines[: len(lines) // 2])
        else:
            raise self._failure(part, limit) from limit

    def _give_up(self, part: Part, reason: str) -> None:
        """Leave `part` for good: what it holds unsynced is pending again, behind a mark that says so."""
        if part is self._part:
            self._part = None
        else:
            self._retired.remove(part)
        mark = self._numbering.behind_new_part_mark
        self.pending.put_back(mark(part.unsynced, after=part.file.name, reason=reason, at=self._clock()))
        is_there = misplaced(self._filesystem, self._directory, part.file.name, part.fd) is None
        if part.size == part.unsynced_bytes and is_there:
            self._worthless.append(part.file.name)  # once all is written elsewhere: nothing in it was ever safe
        self._close(part)

    def _remove_worthless(self) -> None:
        while self._worthless:
            with contextlib.suppress(OSError):  # then it stays, with doubles, which readers drop
                self._filesystem.unlink(self._directory.path / self._worthless.pop(0))

    def _failure(self, part: Part, cause: Exception) -> LogWriteFailed:
        return LogWriteFailed(
            f"cannot write to `{self._directory.path / part.file.name}`: {cause}; free space or check the disk"
        )

    def sync_jobs(self, *, only_look: bool = False) -> deque[SyncJob]:
        """Return what has to be synced now, or all that is to be looked at, for `run_sync_jobs` and then `finish_sync`.

        Raises:
            LogWriteFailed: The process has no descriptor left; try again.
        """
        try:
            return make_sync_jobs(self._filesystem, self._directory, self._parts(), only_look=only_look)
        except OSError as error:
            raise self._failed_sync(error) from error

    def finish_sync(self, outcomes: Sequence[SyncOutcome]) -> None:
        """Take note of what was synced.

        Raises:
            LogWriteFailed: A sync failed. Its lines are pending again; call `flush` until it succeeds, then sync.
        """
        failed: OSError | None = None
        for job, failure in outcomes:
            is_lock_alone = isinstance(failure, LockGone)
            if job.part not in self._parts():
                continue  # given up since
            if job.count is not None and (failure is None or is_lock_alone):
                job.part.synced(job.count)
            if failure is not None and not (is_lock_alone and job.directory is not self._directory):
                failed = failure
                self._give_up(job.part, str(failure))
        self._close_synced()
        if failed is not None:
            raise self._failed_sync(failed) from failed

    def _failed_sync(self, fault: OSError) -> LogWriteFailed:
        return LogWriteFailed(f"cannot sync the log in `{self._directory.path}`: {fault.strerror}")

    def distrust(self, jobs: Sequence[SyncJob]) -> None:
        """Have the lines of syncs that were left behind written again elsewhere: their outcome will never be known."""
        for job in jobs:
            if job.part in self._parts():
                self._give_up(job.part, "a sync did not come back")

    def sync(self) -> None:
        """Bring everything written to the disk; raises as `finish_sync`."""
        self.finish_sync(run_sync_jobs(self._filesystem, self.sync_jobs()))

    def close(self) -> None:
        """Write what is pending and the stop mark, sync, and let the directory go, in any case; a fork writes nothing.

        Raises:
            LogWriteFailed: Lines are lost: `pending` says how many, and the lock file, for who opens the log next.
        """
        try:
            if self._directory.is_inherited:
                return
            self.take([MarkLine(event="stop", timestamp=timestamp_text(self._clock()))])
            self._flush_and_sync(_SYNC_ATTEMPTS_AT_CLOSE)
        except LogWriteFailed as failure:
            with contextlib.suppress(OSError):  # whoever hears of the failure is told how many they are
                note_unwritten(self._filesystem, self._directory.path, self.pending.undeclared, str(failure))
            raise
        finally:
            self.release_files()
            let_go(self._filesystem, self._directory)

    def release_files(self) -> None:
        """Close every file, writing nothing; the directory stays claimed."""
        parts, self._part, self._retired = self._parts(), None, []
        for part in parts:
            self._close(part)

    def _flush_and_sync(self, attempts: int) -> None:
        """Write and sync everything; a failed sync is followed by another round, in a new part."""
        self.flush()
        try:
            self.sync()
        except LogWriteFailed:
            if attempts == 1:
                raise
            self._flush_and_sync(attempts - 1)

    def _parts(self) -> list[Part]:
        return [*self._retired, self._part] if self._part is not None else list(self._retired)

    def _close_synced(self) -> None:
        """Close the retired parts that hold nothing unsynced (nothing is kept when `sync` is off)."""
        for part in [part for part in self._retired if not part.unsynced]:
            self._retired.remove(part)
            self._close(part)

    def _close(self, part: Part) -> None:
        with contextlib.suppress(OSError):  # by now its lines are synced, or moved on, or `sync` is off
            self._filesystem.close(part.fd)
