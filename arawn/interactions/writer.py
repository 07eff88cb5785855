"""The behaviour of the writer actor: batches in, files out, `fdatasync` in a thread, health for all to see."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import trio
from trio_util import AsyncValue  # type: ignore[import-untyped]

from arawn.config.schema import InteractionLogConfig
from arawn.errors import LogWriteFailed
from arawn.interactions.day_log import DayLog
from arawn.interactions.filesystem import Filesystem, RealFilesystem
from arawn.interactions.health import LogHealth
from arawn.interactions.opening import now_utc, open_day_log
from arawn.interactions.record import InteractionRecord, LogLine
from arawn.interactions.sync_jobs import run_sync_jobs
from arawn.threads import RunInThread

__all__ = ["Writer", "open_writer"]

_GROUP_SECONDS = 0.05  # half of the promised 100 ms: the rest is for the sync itself
_UNSYNCED_LIMIT_BYTES = 64 << 20
_FIRST_RETRY_SECONDS = 0.1
_LONGEST_RETRY_SECONDS = 5.0
_CLOSE_SECONDS = 10.0
_EVENTS = logging.getLogger("arawn.interactions")
_LOG = logging.getLogger("arawn.log")
_EVENT_TEXT = (
    "LLM interaction id=%(id)s session=%(session)s model=%(model)s input_tokens=%(input_tokens)s "
    "output_tokens=%(output_tokens)s tool_calls=%(tool_calls)s duration_ms=%(duration_ms)s "
    "routing_profile=%(routing_profile)s"
)

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
        self._sync_failed = False

    def __repr__(self) -> str:
        return f"<Writer {self.health.value.state} {self._log!r}>"

    async def handle(self, batch: Sequence[LogLine]) -> Sequence[None]:
        """Write a batch; returning acknowledges every line of it.

        With `sync = "always"` the lines are on the disk by then, otherwise in the hands of the operating system, which
        survives the death of this process. While there is no room the lines are kept and the write is tried again.

        Args:
            batch: Lines in the order in which they shall be numbered.

        Checkpoint: only when something must be waited for: a new file, a sync, room on the disk.
        If cancelled: lines not yet written are kept, and written with the next batch or at the end.
        """
        self._log.take(batch)
        await self._write_pending()
        if self._sync_mode == "always":
            await self._sync_until_done()
        elif self._sync_mode == "group":
            await self._wait_for_memory()
        for line in batch:
            if isinstance(line, InteractionRecord):
                _emit(line)
        return [None] * len(batch)

    async def sync_in_groups(self) -> None:
        """Sync shortly after the first unsynced byte, for ever.

        Checkpoint: always.
        If cancelled: a sync that has begun ends first.
        """
        while True:
            await self._unsynced.wait_value(lambda count: count > 0)
            await trio.sleep(_GROUP_SECONDS)
            await self._sync_until_done()

    async def _wait_for_memory(self) -> None:
        """Wait while too much is kept in memory for a rewrite."""
        if self._unsynced.value > _UNSYNCED_LIMIT_BYTES:
            await self._unsynced.wait_value(lambda count: count <= _UNSYNCED_LIMIT_BYTES)

    async def _write_pending(self) -> None:
        """Return when nothing is pending, with back-off in between."""
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
                self._unsynced.value = self._log.unsynced_bytes

    async def _open_new_file(self) -> None:
        """Make the file that the pending lines need, off the event loop, since its directory is synced."""
        if (day := self._log.day_to_open()) is not None:
            self._log.adopt(await self._run_in_thread(partial(self._log.create_part, day)))

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
            jobs = self._log.sync_jobs()
            failures = await self._run_in_thread(partial(run_sync_jobs, self._filesystem, jobs))
            self._log.finish_sync(jobs, failures)
        except LogWriteFailed as failure:
            self._sync_failed = True
            self._degraded(str(failure))
        else:
            self._sync_failed = False
            self._well()
        finally:
            self._unsynced.value = self._log.unsynced_bytes
        return not self._sync_failed

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
            LogWriteFailed: Lines are lost; `health` says how many.

        Checkpoint: always.
        If cancelled: nothing; it runs to its end in a thread.
        """
        try:
            await self._run_in_thread(self._log.close)
        except LogWriteFailed as failure:
            _LOG.error("interaction log: lines are lost: %s", failure)
            self.health.value = LogHealth("lost", str(failure), self._clock(), max(1, self._log.pending))
            raise


def _emit(record: InteractionRecord) -> None:
    """Tell the standard logging of a record, without any content."""
    if not _EVENTS.isEnabledFor(logging.INFO):
        return
    fields = {
        "id": record.id,
        "session": record.session_id,
        "model": record.model_used or record.model_requested,
        "input_tokens": record.input_tokens,
        "output_tokens": record.output_tokens,
        "tool_calls": len(record.tool_calls),
        "duration_ms": record.duration_ms,
        "routing_profile": record.routing.profile if record.routing else "none",
    }
    _EVENTS.info(_EVENT_TEXT, fields, extra=fields)


@asynccontextmanager
async def open_writer(
    config: InteractionLogConfig,
    directory: Path,
    *,
    filesystem: Filesystem | None = None,
    clock: Callable[[], datetime] = now_utc,
    run_in_thread: RunInThread = trio.to_thread.run_sync,
) -> AsyncIterator[Writer]:
    """Open the log in `directory` for as long as the block runs; at its end all is written, synced and let go.

    Args:
        config: `sync` says when a line counts as safe.
        directory: The log directory, made when missing.
        filesystem: A simulation in tests.
        clock: Returns the time of day, with its zone.
        run_in_thread: Runs a function off the event loop.

    Raises:
        LogWriteFailed: On entry: the log cannot be opened, one sentence says what to do. On exit: lines are lost.

    Checkpoint: always.
    If cancelled: what was acknowledged is synced before the block ends.
    """
    system = filesystem or RealFilesystem()
    log = await run_in_thread(partial(open_day_log, directory, config, filesystem=system, clock=clock))
    writer = Writer(log, sync=config.sync, filesystem=system, clock=clock, run_in_thread=run_in_thread)
    try:
        async with trio.open_nursery() as nursery:
            if config.sync == "group":
                nursery.start_soon(writer.sync_in_groups)
            yield writer
            nursery.cancel_scope.cancel(reason="the log is being closed")
    finally:
        with trio.move_on_after(_CLOSE_SECONDS, shield=True):  # bounds the wait for a thread, not its work
            await writer.close()
