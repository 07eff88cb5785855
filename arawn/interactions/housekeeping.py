"""Looks after closed days while the log is written: retention, then compaction; at the start and on each new day."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import trio

from arawn.config.schema import InteractionLogConfig
from arawn.interactions.ahead import files_ahead, what_is_ahead
from arawn.interactions.compact import (
    Uncompressed,
    closed_files,
    compact_files,
    compaction_mark,
    remove_unfinished,
)
from arawn.interactions.files import day_files
from arawn.interactions.filesystem import Filesystem
from arawn.interactions.health import LogHealth
from arawn.interactions.manifest import Manifest
from arawn.interactions.opening import now_utc
from arawn.interactions.record import LogLine, MarkEvent, MarkLine, timestamp_text
from arawn.interactions.retention import Verdict, judge, read_last_run, write_last_run
from arawn.threads import RunInThread, abandonable, run_patiently

__all__ = ["Housekeeper", "Tell", "delete_expired", "open_housekeeper", "plan_deletion"]

_LOG = logging.getLogger("arawn.log")
_SETTLE_SECONDS = 10.0  # before the first compaction: a process that only asks one question does not begin one
_LOOK_SECONDS = 3600.0  # how soon a new day is noticed, also by a machine that was asleep
_SOON_SECONDS = 60.0  # the same where the clock may be behind, which is set right soon, and where the log is not there
_MARK_SECONDS = 0.2  # between the mark of a deletion and the end of the note of it: by then it is written and synced
_HUNG_SECONDS = 3.0  # longer than any step takes on a disk that still works
_END_SECONDS = 1.5  # at most so long a process that ends waits for the deletion of its first day

T = TypeVar("T")
Tell = Callable[[LogLine], Awaitable[None]]


def plan_deletion(filesystem: Filesystem, directory: Path, today: date, retention_days: int) -> Verdict:
    """Decide which files are past their time. Changes nothing.

    Raises:
        OSError: The directory cannot be read.
    """
    before = read_last_run(filesystem, directory)
    return judge(filesystem.names(directory), today, retention_days, before)


def delete_expired(filesystem: Filesystem, directory: Path, plan: Verdict) -> list[str]:
    """Remove the files that are past their time, and remember that this ran; return what could not be done.

    What goes is noted on the disk before. Where there is no room for the note, the files go all the same: they make it.
    """
    run = msgspec.structs.replace(plan.last_run, removing=plan.to_mark)
    failures = write_last_run(filesystem, directory, run) if run != plan.before else []
    for name in plan.delete:
        try:
            filesystem.unlink(directory / name)
        except OSError as error:
            failures.append(f"cannot remove `{name}`: {error.strerror}")
    if plan.delete:
        try:
            filesystem.fsync_directory(directory)
        except OSError as error:
            failures.append(f"cannot sync `{directory}`: {error.strerror}")
    return failures


def _gone(filesystem: Filesystem, directory: Path, names: Iterable[str]) -> list[str]:
    there = set(filesystem.names(directory))
    return [name for name in names if name not in there]


class Housekeeper:
    """Keeps closed days in order. One task calls `run_daily`; anyone may look at `health`.

    `first_day_done`: what was past its time at the start is gone, and the log says so.
    """

    def __init__(
        self,
        directory: Path,
        config: InteractionLogConfig,
        tell: Tell,
        *,
        filesystem: Filesystem,
        clock: Callable[[], datetime],
        run_in_thread: RunInThread,
    ) -> None:
        self.health = LogHealth()
        self._directory = directory
        self._config = config
        self._tell = tell
        self._filesystem = filesystem
        self._clock = clock
        self._run_in_thread = run_in_thread
        self._left_behind = False
        self.first_day_done = trio.Event()

    def __repr__(self) -> str:
        return f"<Housekeeper {self._directory} {self.health.state}>"

    async def run_daily(self) -> None:
        """Delete and compress now and on every new day, for ever; again soon where the directory cannot be read.

        Raises:
            ActorError: Marks cannot be written.

        Checkpoint: always.
        If cancelled: a part that is being compressed stays as it was.
        """
        settle = _SETTLE_SECONDS
        day: date | None = None
        ahead: str | None = None
        while True:
            if (today := self._clock().astimezone(UTC).date()) != day:
                try:
                    ahead = await self._run(today, settle)
                    day, settle = today, 0.0
                except OSError as error:
                    day = None
                    self._report_unreadable(error)
                self.first_day_done.set()
            await trio.sleep(_LOOK_SECONDS if day is not None and ahead is None else _SOON_SECONDS)

    async def _run(self, today: date, settle: float) -> str | None:
        """Do what is due on this day, and report it; return what holds up these runs for long, if anything does.

        Raises:
            OSError: The directory cannot be read.
        """
        failures = await self._delete(today)
        self.first_day_done.set()
        await trio.sleep(settle)
        failures += await self._compact(today)
        ahead = await self._ahead(today)
        self._report(failures, ahead)
        return ahead

    async def _delete(self, today: date) -> list[str]:
        """Delete what is past its time; then the log says what is gone, and never what is not.

        A process that dies in between leaves its note of what goes, and the next one marks what of it is gone.
        """
        days = self._config.retention_days
        plan = await self._in_thread(partial(plan_deletion, self._filesystem, self._directory, today, days))
        if plan.jumped:
            held_until = str(plan.last_run.held_until)
            _LOG.warning(
                "retention: the clock jumped by more than %d days; deletes nothing before %s", days, held_until
            )
            await self._mark("retention", {"retention_days": days, "removed": [], "held_until": held_until})
        failures = await self._in_thread(partial(delete_expired, self._filesystem, self._directory, plan))
        if plan.to_mark:
            failures += await self._mark_gone(plan)
        return failures

    async def _mark_gone(self, plan: Verdict) -> list[str]:
        """Say in the log which files are gone, then end the note of them; return what could not be done."""
        gone = await self._in_thread(partial(_gone, self._filesystem, self._directory, plan.to_mark))
        if gone:
            days = self._config.retention_days
            _LOG.info("retention: removed %d files older than %d days: %s", len(gone), days, gone)
            await self._mark("retention", {"retention_days": days, "removed": gone})
            await trio.sleep(_MARK_SECONDS)
        return await self._in_thread(partial(write_last_run, self._filesystem, self._directory, plan.last_run))

    async def _compact(self, today: date) -> list[str]:
        """Compress what is closed, one part at a time; a full disk ends it for this day."""
        await self._in_thread(partial(remove_unfinished, self._filesystem, self._directory))
        if self._config.compact_after_days == 0:
            return []
        names = await self._in_thread(partial(self._filesystem.names, self._directory))
        newest = max((file.day for file in day_files(names)), default="")
        files = closed_files(names, today, self._config.compact_after_days, newest)
        steps = compact_files(self._filesystem, self._directory, files)
        failures = []
        try:
            while (step := await self._in_thread(partial(next, steps, None))) is not None:
                if isinstance(step, Uncompressed):
                    failures.append(str(step))
                    await self._mark("compaction", {"file": step.file, "error": failures[-1]})
                    if step.disk_is_full:
                        break
                elif step.manifest is not None:
                    await self._tell_compressed(step.file, step.manifest)
        finally:
            if not self._left_behind:  # else the thread has them still
                steps.close()
        return failures

    async def _tell_compressed(self, file: str, made: Manifest) -> None:
        _LOG.info("compressed %s: %d to %d bytes", file, made.bytes, made.compressed_bytes)
        await self._tell(compaction_mark(file, made, self._clock()))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Run `work` in a thread; when cancelled, wait for its end all the same, but not on a disk that hangs.

        Checkpoint: always.
        If cancelled: it has ended, or is left behind in its thread after `_HUNG_SECONDS`.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
            return await run_patiently(self._run_in_thread, work, _HUNG_SECONDS)
        except trio.Cancelled:
            self._left_behind = True
            raise

    async def _mark(self, event: MarkEvent, detail: dict[str, Any]) -> None:
        await self._tell(MarkLine(event=event, detail=detail, timestamp=timestamp_text(self._clock())))

    async def _ahead(self, today: date) -> str | None:
        """Return what holds up these runs for long: the newest file of a day to come, if there is one."""
        names = await self._in_thread(partial(self._filesystem.names, self._directory))
        ahead = files_ahead(names, today)
        return what_is_ahead(ahead[-1], today) if ahead else None

    def _report(self, failures: list[str], ahead: str | None) -> None:
        """Say how this day's run went: as the state of the log until the next one. What is `ahead` the writer told."""
        reason = ahead
        if failures:
            reason = f"{'; '.join(failures)}; nothing is lost, and it is tried again tomorrow"
            _LOG.warning("interaction log degraded: %s", reason)
        self.health = LogHealth() if reason is None else LogHealth("degraded", reason, self._clock())

    def _report_unreadable(self, error: OSError) -> None:
        """Say once that the directory is gone, or cannot be read: as the state of the log until it is back."""
        found = f"cannot look after closed days, `{error.filename or self._directory}`: {error.strerror}"
        right = f"`{self._directory}` must be a directory that this user may read and write"
        reason = f"{found}; {right}; it is looked at again every {_SOON_SECONDS:g} s"
        if reason != self.health.reason:
            _LOG.warning("interaction log degraded: %s", reason)
            self.health = LogHealth("degraded", reason, self._clock())


@asynccontextmanager
async def open_housekeeper(
    directory: Path,
    config: InteractionLogConfig,
    tell: Tell,
    *,
    filesystem: Filesystem | None = None,
    clock: Callable[[], datetime] = now_utc,
    run_in_thread: RunInThread = trio.to_thread.run_sync,
) -> AsyncIterator[Housekeeper]:
    """Look after the closed days of `directory`, to which this process alone writes, for as long as the block runs.

    `retention_days` and `compact_after_days` of the configuration say how; `tell` has a line written to the log.

    Checkpoint: always; at its end, until the deletion of the first day is done, or `_END_SECONDS` are over.
    If cancelled: the step under way, at most a frame of 64 MiB, ends first, or is left behind where the disk hangs; a
        part half compressed stays as it was.
    """
    system, run = filesystem or Filesystem(), abandonable(run_in_thread)
    keeper = Housekeeper(directory, config, tell, filesystem=system, clock=clock, run_in_thread=run)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keeper.run_daily)
        yield keeper
        with trio.move_on_after(_END_SECONDS):
            await keeper.first_day_done.wait()
        nursery.cancel_scope.cancel(reason="the log is being closed")
