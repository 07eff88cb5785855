"""A disk that does not answer: the end of the log is bounded all the same, and says what is lost."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest
import trio
from trio.testing import MockClock

from arawn.config.schema import InteractionLogConfig
from arawn.errors import LogWriteFailed
from arawn.interactions import writer as writer_module
from arawn.interactions.opening import open_day_log
from arawn.interactions.sync_jobs import SyncJob, drop_sync_jobs
from arawn.interactions.writer import Writer, open_writer
from tests.arawn.interactions.samples import NOON, Clock, note, notes_of, whole_lines
from tests.arawn.interactions.simulated_filesystem import SimulatedFilesystem

LOG = Path("/logs/interactions")
T = TypeVar("T")


class HungFilesystem(SimulatedFilesystem):
    """Its operation `hangs` blocks its thread until `thaw`; the last test statement must thaw it.

    The clock jumps past no thread that works: only where there is none, or where it hangs.
    """

    def __init__(self, clock: MockClock) -> None:
        super().__init__()
        self.hangs = ""
        self.thawed = threading.Event()
        self.fault = self._hang
        self._clock = clock
        self._loop = trio.lowlevel.current_trio_token()

    async def thread(self, work: Callable[[], T]) -> T:
        """Work in a thread, as the writer does by itself."""
        self._may_jump(may=False)
        try:
            return await trio.to_thread.run_sync(work, abandon_on_cancel=True)
        finally:
            self._may_jump(may=True)

    def _may_jump(self, *, may: bool) -> None:
        self._clock.autojump_threshold = 0 if may else math.inf

    def _hang(self, _: int, name: str) -> None:
        if name == self.hangs:
            self._loop.run_sync_soon(partial(self._may_jump, may=True))
            self.thawed.wait(60)

    def thaw(self) -> None:
        self.hangs = ""
        self.thawed.set()


async def left_hanging(filesystem: HungFilesystem, sync: str, hangs: str) -> tuple[Writer, float]:
    """Write a line, let the disk hang, write another, leave; return the writer and how long leaving took."""
    config = InteractionLogConfig(sync=sync)  # type: ignore[arg-type]
    with trio.CancelScope() as scope:
        opened = open_writer(config, LOG, filesystem=filesystem, clock=Clock(), run_in_thread=filesystem.thread)
        async with opened as writer:
            await writer.handle([note(1)])
            filesystem.hangs = hangs
            with trio.move_on_after(1):
                await writer.handle([note(2)])
                await trio.sleep(0.5)
            left = trio.current_time()
            scope.cancel(reason="the end")
    return writer, trio.current_time() - left


@pytest.mark.parametrize("sync", ["group", "always", "off"])
async def test_a_sync_that_hangs_holds_up_the_end_for_seconds_only(autojump_clock: MockClock, sync: str) -> None:
    """The log ends, and its error names what a power loss could still take."""
    filesystem = HungFilesystem(autojump_clock)
    try:
        with pytest.RaisesGroup(
            pytest.RaisesExc(LogWriteFailed, match="has not answered for 8 s"), flatten_subgroups=True
        ):
            async with trio.open_nursery():
                began = trio.current_time()
                await left_hanging(filesystem, sync, "fdatasync")
        took = trio.current_time() - began
    finally:
        filesystem.thaw()

    assert took <= 16
    assert notes_of(whole_lines(filesystem.files())) == [1, 2]


async def test_a_sync_left_behind_is_not_trusted(autojump_clock: MockClock) -> None:
    """Nobody hears of its outcome: what it was for is written again, and synced, in a new part."""
    filesystem, lost_results = SimulatedFilesystem(), [False, True]

    async def thread(sync_fn: Callable[[], T]) -> T:
        await trio.lowlevel.checkpoint()
        result = sync_fn()
        if lost_results and lost_results.pop(0):
            await trio.sleep_forever()
        return result

    config = InteractionLogConfig()
    with trio.move_on_after(1):
        async with open_writer(config, LOG, filesystem=filesystem, clock=Clock(), run_in_thread=thread) as writer:
            await writer.handle([note(1)])
            await trio.sleep_forever()

    filesystem.power_loss()
    lines = whole_lines({name: data for name, data in filesystem.files().items() if "part2" in name})
    assert lines[0]["detail"]["reason"] == "a sync did not come back"
    assert notes_of(lines) == [1]


async def test_a_sync_begun_in_the_moment_of_leaving_is_not_trusted(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that takes its job just then answers nobody, and takes the disk's error with it."""
    filesystem, starts = SimulatedFilesystem(), [False, True]

    async def thread(sync_fn: Callable[[], T]) -> T:
        await trio.lowlevel.checkpoint()
        if starts and starts.pop(0):
            await trio.sleep_forever()
        return sync_fn()

    def taken_at_once(system: SimulatedFilesystem, jobs: deque[SyncJob]) -> list[SyncJob]:
        system.close(jobs.popleft().fd)  # as the thread does at the end of its sync
        return drop_sync_jobs(system, jobs)

    monkeypatch.setattr(writer_module, "drop_sync_jobs", taken_at_once)
    with trio.move_on_after(1):
        async with open_writer(
            InteractionLogConfig(), LOG, filesystem=filesystem, clock=Clock(), run_in_thread=thread
        ) as writer:
            await writer.handle([note(1)])
            await trio.sleep_forever()

    lines = whole_lines({name: data for name, data in filesystem.files().items() if "part2" in name})
    assert notes_of(lines) == [1]


async def test_a_file_that_cannot_be_made_holds_up_the_end_for_seconds_only(autojump_clock: MockClock) -> None:
    """The line that needs it is named as lost."""
    filesystem = HungFilesystem(autojump_clock)
    kept: list[Writer] = []

    async def over_midnight() -> None:
        opened = open_writer(
            InteractionLogConfig(), LOG, filesystem=filesystem, clock=Clock(), run_in_thread=filesystem.thread
        )
        async with opened as writer:
            kept.append(writer)
            filesystem.hangs = "fsync_directory"
            with trio.move_on_after(1):
                await writer.handle([note(1, NOON + timedelta(days=1))])

    try:
        began = trio.current_time()
        with pytest.raises(LogWriteFailed, match="1 line is not written"):
            await over_midnight()
        took = trio.current_time() - began
    finally:
        filesystem.thaw()

    assert took <= 1 + 5 + 5 + 8  # the line, the handler's thread, the sync, the close
    assert (kept[0].health.value.state, kept[0].health.value.count) == ("lost", 1)


async def test_a_cancelled_sync_leaves_no_descriptor(autojump_clock: MockClock) -> None:
    """A sync that no thread has begun gives its descriptors back."""
    filesystem = SimulatedFilesystem()

    async def never(_sync_fn: Callable[[], T]) -> T:
        await trio.sleep_forever()
        raise AssertionError

    log = open_day_log(LOG, InteractionLogConfig(), filesystem=filesystem, clock=Clock(), token=filesystem.token)
    writer = Writer(log, sync="always", filesystem=filesystem, clock=Clock(), run_in_thread=never)
    before = set(filesystem.descriptors)
    with trio.move_on_after(1):
        await writer.handle([note(1)])

    assert set(filesystem.descriptors) == before
    log.close()
    assert notes_of(whole_lines(filesystem.files())) == [1]
