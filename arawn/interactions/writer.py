"""The behaviour of the writer actor: batches in, files out, `fdatasync` in a thread, health for all to see."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

import trio
from trio_util import AsyncValue  # type: ignore[import-untyped]

from arawn.config.schema import InteractionLogConfig
from arawn.errors import LogWriteFailed
from arawn.interactions.ahead import files_ahead, what_is_ahead
from arawn.interactions.counted import are
from arawn.interactions.day_log import DayLog
from arawn.interactions.files import DayFile
from arawn.interactions.filesystem import Filesystem
from arawn.interactions.health import LogHealth
from arawn.interactions.log_event import Events
from arawn.interactions.opening import now_utc, open_day_log
from arawn.interactions.record import LogLine
from arawn.interactions.sync_jobs import drop_sync_jobs, run_sync_jobs
from arawn.threads import RunInThread, abandonable, run_patiently

__all__ = ["Writer", "open_writer"]

_GROUP_SECONDS = 0.05  # half of the promised 100 ms: the rest is for the sync itself
_KEPT_LIMIT_BYTES = 128 << 20  # what is written waits in memory until it is synced
_WRITE_BYTES = 128 << 10  # written at once while the processor's cache still holds them
_TURN_BYTES = 512 << 10  # other tasks get a turn after so many
_FIRST_RETRY_SECONDS = 0.1
_LONGEST_RETRY_SECONDS = 5.0
_LOOK_SECONDS = 1.0
_HUNG_SECONDS = 5.0  # longer than any disk takes that still works
_CLOSE_SECONDS = 8.0
_LOG = logging.getLogger("arawn.log")
T = TypeVar("T")


class Writer:
    """Writes the interaction log. Use `open_writer` to make one; one task calls `handle`, anyone may watch `health`."""

    def __init__(
        self,
        log: DayLog,
        *,
        sync: str,
        filesystem: Filesystem,
        clock: Callable[[], datetime],
        run_in_thread: RunInThread,
    ) -> None:
        self.health = AsyncValue(LogHealth())
        self._log = log
        self._sync_mode = sync
        self._filesystem = filesystem
        self._clock = clock
        self._run_in_thread = run_in_thread
        self._unsynced = AsyncValue(log.unsynced_bytes)
        self._unsynced_since = trio.current_time()
        self._sync_failed = False
        self._pid = os.getpid()
        self._events = Events()

    def __repr__(self) -> str:
        return f"<Writer {self.health.value.state} {self._log!r}>"

    async def handle(self, batch: Sequence[LogLine]) -> Sequence[None]:
        """Write a batch; returning acknowledges every line of it.

        With `sync = "always"` the lines are on the disk by then, otherwise in the hands of the operating system, which
        survives the death of this process. While there is no room the lines are kept and the write is tried again.

        Args:
            batch: Lines in the order in which they shall be numbered.

        Raises:
            LogWriteFailed: This process was forked from the one that has the log; nothing is written.

        Checkpoint: only when something must be waited for: a new file, a sync, room on the disk.
        If cancelled: lines not yet written are kept, and written with the next batch or at the end.
        """
        self._require_own()
        rest, turn, is_more = iter(batch), 0, True
        try:
            while is_more:
                is_more = self._log.take(rest, up_to=_WRITE_BYTES)
                turn += self._log.pending.total_bytes
                await self._write_pending()
                await self._wait_for_memory()
                if turn >= _TURN_BYTES:
                    await trio.lowlevel.checkpoint()
                    turn = 0
        finally:
            self._log.take(rest)
        while self._sync_mode == "always" and (self._log.pending or self._log.unsynced_bytes):
            await self._write_pending()  # again, where a file was given up meanwhile
            await self._sync_until_done()
        self._events.emit(batch)
        return [None] * len(batch)

    def _require_own(self) -> None:
        if os.getpid() != self._pid:
            whose = f"the interaction log is that of process {self._pid}, from which this one was forked"
            raise LogWriteFailed(f"{whose}; open a runtime with another `logging.interactions.path` in this one")

    async def sync_in_groups(self) -> None:
        """Sync shortly after the first unsynced byte, for ever.

        Checkpoint: always. If cancelled: a sync that has begun ends first.
        """
        while True:
            await self._unsynced.wait_value(lambda count: count > 0)
            await trio.sleep_until(self._unsynced_since + _GROUP_SECONDS)
            await self._sync_until_done()

    async def look_after_files(self) -> None:
        """Look once a second whether readers find what is being written, and others the lock, as each sync does.

        Checkpoint: always. If cancelled: a look that has begun is left behind in its thread.
        """
        while True:
            await trio.sleep(_LOOK_SECONDS)
            with suppress(RuntimeError):  # no thread can be started
                await self._look()

    async def _look(self) -> None:
        try:
            queue = self._log.sync_jobs(only_look=True)
            try:
                self._log.finish_sync(await self._run_in_thread(partial(run_sync_jobs, self._filesystem, queue)))
            finally:
                drop_sync_jobs(self._filesystem, queue)
        except LogWriteFailed as failure:
            self._degraded(str(failure))
            await self._write_pending()
        else:
            self._well()

    async def _wait_for_memory(self) -> None:
        """Wait while too much is kept in memory for a rewrite."""
        if self._unsynced.value <= _KEPT_LIMIT_BYTES:
            return
        if self._sync_mode == "always":
            await self._sync_until_done()
        else:
            await self._unsynced.wait_value(lambda count: count <= _KEPT_LIMIT_BYTES)

    def _note_unsynced(self) -> None:
        """Show how much is unsynced, and remember since when."""
        count = self._log.unsynced_bytes
        if not self._unsynced.value and count:
            self._unsynced_since = trio.current_time()
        self._unsynced.value = count

    async def _write_pending(self) -> None:
        """Return when nothing is pending, with back-off after a failure, and turns for others in between."""
        pause = _FIRST_RETRY_SECONDS
        while self._log.pending:
            try:
                await self._open_new_file()
                self._log.write()
            except LogWriteFailed as failure:
                self._degraded(str(failure))
                await trio.sleep(pause)
                pause = min(2 * pause, _LONGEST_RETRY_SECONDS)
            else:
                self._well()
            finally:
                self._note_unsynced()
            if self._log.pending.total_bytes >= _TURN_BYTES:
                await trio.lowlevel.checkpoint()

    async def _open_new_file(self) -> None:
        """Make the file that the pending lines need, in a thread, since its directory is synced."""
        if day := self._log.day_to_open():
            self._log.adopt_new(await self._in_thread(partial(self._log.create_part, day)))

    async def _sync_until_done(self) -> None:
        """Sync what is written by now; after a failure write it anew and sync again, with back-off."""
        pause = _FIRST_RETRY_SECONDS
        while not await self._synced():
            await trio.sleep(pause)
            pause = min(2 * pause, _LONGEST_RETRY_SECONDS)
            await self._write_pending()

    async def _synced(self) -> bool:
        """Sync once in a thread; return whether it succeeded."""
        try:
            await self._sync_once()
        except LogWriteFailed as failure:
            self._sync_failed = True
            self._degraded(str(failure))
        else:
            self._sync_failed = False
            self._well()
        finally:
            self._note_unsynced()
        return not self._sync_failed

    async def _sync_once(self) -> None:
        queue = self._log.sync_jobs()
        jobs = list(queue)
        self._unsynced_since = trio.current_time()  # what is written from here on waits for the next sync
        try:
            outcomes = await self._in_thread(partial(run_sync_jobs, self._filesystem, queue))
        except trio.Cancelled:
            dropped = drop_sync_jobs(self._filesystem, queue)  # a thread may still take one meanwhile
            self._log.distrust([job for job in jobs if job not in dropped])
            raise
        self._log.finish_sync(outcomes)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await run_patiently(self._run_in_thread, work, _HUNG_SECONDS)

    def _degraded(self, reason: str) -> None:
        before = self.health.value
        since = before.since if before.state == "degraded" else self._clock()
        if before.state != "degraded":
            _LOG.warning("interaction log degraded: %s", reason)
        self.health.value = LogHealth("degraded", reason, since)

    def _well(self) -> None:
        if self.health.value.state == "degraded" and not self._sync_failed and not self._log.pending:
            self.health.value = LogHealth()
            _LOG.warning("interaction log: all is well again")

    async def close(self) -> None:
        """Write and sync what is left, with the stop mark, and let the directory go.

        Raises:
            LogWriteFailed: Lines are lost, or may be at a power loss; `health` says how many.

        Checkpoint: always. If cancelled: it goes on, but waits for the disk no longer than `_CLOSE_SECONDS`.
        """
        unwritten, unsynced = self._log.pending.unwritten, self._log.unsynced_bytes
        try:
            with trio.fail_after(_CLOSE_SECONDS, shield=True):
                await self._run_in_thread(self._log.close)
        except LogWriteFailed as failure:
            raise self._give_up(str(failure), self._log.pending.unwritten) from failure
        except RuntimeError:  # no thread can be started: better slow than with the directory locked for ever
            self._log.close()
        except trio.TooSlowError as hung:
            reason = f"cannot close the interaction log: the disk has not answered for {_CLOSE_SECONDS:g} s"
            unsure = f"{are(unsynced, 'byte')} written and not sure to survive a power loss"
            raise self._give_up(f"{reason}; {unsure}", unwritten) from hung

    def _give_up(self, reason: str, unwritten: int) -> LogWriteFailed:
        """Show and return what is said of an end at which so many lines are left."""
        failure = LogWriteFailed(f"{are(unwritten, 'line')} not written: {reason}" if unwritten else reason)
        _LOG.error("interaction log: %s", failure)
        state: Literal["lost", "degraded"] = "lost" if unwritten else "degraded"
        self.health.value = LogHealth(state, reason, self._clock(), unwritten)
        return failure


@asynccontextmanager
async def open_writer(
    config: InteractionLogConfig,
    directory: Path,
    *,
    filesystem: Filesystem | None = None,
    clock: Callable[[], datetime] = now_utc,
    run_in_thread: RunInThread = trio.to_thread.run_sync,
    config_sha256: str | None = None,
) -> AsyncIterator[Writer]:
    """Open the log in `directory` for as long as the block runs; at its end all is written, synced and let go.

    The directory is made when missing; `sync` of the configuration says when a line counts as safe.
    `config_sha256` is as for `open_day_log`.

    Raises:
        LogWriteFailed: On entry: the log cannot be opened, one sentence says what to do. On exit: lines are lost.

    Checkpoint: always. If cancelled: what was acknowledged is synced before the block ends.
    """
    system = filesystem or Filesystem()
    known = partial(open_day_log, directory, config, config_sha256=config_sha256)
    log = await run_in_thread(partial(known, filesystem=system, clock=clock))
    today = clock().astimezone(UTC).date()
    for file in files_ahead([DayFile(log.newest_day).name], today):
        _LOG.warning("%s", what_is_ahead(file, today))
    writer = Writer(log, sync=config.sync, filesystem=system, clock=clock, run_in_thread=abandonable(run_in_thread))
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(writer.look_after_files)
            if config.sync == "group":
                nursery.start_soon(writer.sync_in_groups)
            yield writer
            nursery.cancel_scope.cancel(reason="the log is being closed")
    finally:
        await writer.close()  # noqa: ASYNC102  # shields itself, with a deadline
