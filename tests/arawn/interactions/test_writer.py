"""The writer: what an acknowledgement means, when bytes are synced, how its health shows."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
import trio
from trio.testing import MockClock

from arawn.config.schema import InteractionLogConfig
from arawn.errors import LogWriteFailed
from arawn.interactions import writer as writer_module
from arawn.interactions.writer import Writer, open_writer
from tests.arawn.interactions.samples import NOON, Clock, log_files, note, notes_of, record, whole_lines
from tests.arawn.interactions.simulated_filesystem import SimulatedFilesystem, no_fault, os_error

LOG = Path("/logs/interactions")
T = TypeVar("T")


async def inline(sync_fn: Callable[[], T]) -> T:
    """Run at once what would run in a thread."""
    await trio.lowlevel.checkpoint()
    return sync_fn()


def opened(filesystem: SimulatedFilesystem, sync: str = "group", clock: Clock | None = None):  # type: ignore[no-untyped-def]
    config = InteractionLogConfig(sync=sync)  # type: ignore[arg-type]
    return open_writer(config, LOG, filesystem=filesystem, clock=clock or Clock(), run_in_thread=inline)


def on_disk(filesystem: SimulatedFilesystem) -> list[int]:
    """Return the lines that a power loss would leave."""
    return notes_of(whole_lines(filesystem.durable_files()))


async def test_an_acknowledged_line_is_in_the_file(autojump_clock: MockClock) -> None:
    """After `handle` the operating system has every byte; one answer for each line."""
    filesystem = SimulatedFilesystem()
    async with opened(filesystem) as writer:
        answers = await writer.handle([note(1), record(2), note(3)])

        assert answers == [None, None, None]
        assert notes_of(whole_lines(filesystem.files())) == [1, 3]


async def test_a_batch_is_one_write(autojump_clock: MockClock) -> None:
    """However many lines."""
    filesystem = SimulatedFilesystem()
    async with opened(filesystem, "off") as writer:
        filesystem.operations.clear()
        await writer.handle([note(number) for number in range(256)])

        assert filesystem.operations == ["write"]


async def test_group_syncs_within_a_tenth_of_a_second(autojump_clock: MockClock) -> None:
    """Of the first unsynced byte, once for all lines of that time; when nothing is written, never."""
    filesystem = SimulatedFilesystem()
    async with opened(filesystem) as writer:
        await trio.sleep(0.1)
        filesystem.operations.clear()
        await writer.handle([note(1)])
        await writer.handle([note(2)])
        assert "fdatasync" not in filesystem.operations
        await trio.sleep(0.1)
        assert filesystem.operations.count("fdatasync") == 1
        await trio.sleep(60)
        assert filesystem.operations.count("fdatasync") == 1

        assert on_disk(filesystem) == [1, 2]


async def test_always_syncs_before_it_acknowledges(autojump_clock: MockClock) -> None:
    """An acknowledged line survives a power loss at that very moment."""
    filesystem = SimulatedFilesystem()
    with pytest.RaisesGroup(KeyboardInterrupt):
        async with opened(filesystem, "always") as writer:
            await writer.handle([note(1)])
            assert on_disk(filesystem) == [1]
            raise KeyboardInterrupt


async def test_off_never_syncs_before_the_end(autojump_clock: MockClock) -> None:
    """`sync = "off"` leaves it to the operating system, and nothing is kept in memory."""
    filesystem = SimulatedFilesystem()
    async with opened(filesystem, "off") as writer:
        filesystem.operations.clear()
        await writer.handle([note(1)])
        await trio.sleep(60)
        assert "fdatasync" not in filesystem.operations
        assert "unsynced=0 B" in repr(writer)

    assert on_disk(filesystem) == [1]


async def test_the_end_syncs_everything(autojump_clock: MockClock) -> None:
    """Also when the block is left by cancellation; the last line is the stop mark."""
    filesystem = SimulatedFilesystem()
    with trio.move_on_after(1):
        async with opened(filesystem) as writer:
            await trio.sleep(0.999)
            await writer.handle([note(1)])
            await trio.sleep_forever()

    filesystem.power_loss()
    lines = whole_lines(filesystem.files())
    assert [line["kind"] for line in lines] == ["mark", "feedback", "mark"]
    assert lines[-1]["event"] == "stop"


async def test_a_full_disk_makes_calls_wait_and_says_so(autojump_clock: MockClock) -> None:
    """Lines are kept, the write is tried again, health shows since when and why, and recovers."""
    filesystem, clock = SimulatedFilesystem(), Clock()
    async with opened(filesystem, clock=clock) as writer, trio.open_nursery() as nursery:
        full = os_error(errno.ENOSPC)
        filesystem.fault = lambda _, name: full if name == "write" else None
        nursery.start_soon(writer.handle, [note(1)])
        degraded = await writer.health.wait_value(lambda health: health.state == "degraded")
        clock.step(hours=1)
        await trio.sleep(100)
        assert writer.health.value.since == degraded.since == NOON
        assert "No space left on device" in degraded.reason
        filesystem.fault = no_fault
        await writer.health.wait_value(lambda health: health.state == "ok")

    assert notes_of(whole_lines(filesystem.files())) == [1]


async def test_a_new_day_that_cannot_be_opened_is_tried_again(autojump_clock: MockClock) -> None:
    """A disk that is full just at midnight loses no line, and ends no writer."""
    filesystem, clock = SimulatedFilesystem(), Clock()
    async with opened(filesystem, clock=clock) as writer, trio.open_nursery() as nursery:
        await writer.handle([note(1)])
        clock.step(days=1)
        filesystem.fault = lambda _, name: os_error(errno.ENOSPC) if name == "open" else None
        nursery.start_soon(writer.handle, [note(2, clock.at)])
        await writer.health.wait_value(lambda health: health.state == "degraded")
        filesystem.fault = no_fault
        await writer.health.wait_value(lambda health: health.state == "ok")

    assert notes_of(whole_lines(filesystem.files())) == [1, 2]


async def test_a_writer_without_threads_lets_the_directory_go(autojump_clock: MockClock) -> None:
    """Its end needs no thread: the next one must not find the directory locked by a writer that is gone."""
    filesystem = SimulatedFilesystem()
    out_of_threads = False

    async def run_in_thread(work: Callable[[], T], /) -> T:
        if out_of_threads:
            raise RuntimeError("can't start new thread")
        await trio.lowlevel.checkpoint()
        return work()

    async with open_writer(
        InteractionLogConfig(sync="off"), LOG, filesystem=filesystem, clock=Clock(), run_in_thread=run_in_thread
    ) as writer:
        await writer.handle([note(1)])
        out_of_threads = True
    out_of_threads = False
    async with open_writer(
        InteractionLogConfig(sync="off"), LOG, filesystem=filesystem, clock=Clock(), run_in_thread=run_in_thread
    ) as writer:
        await writer.handle([note(2)])

    assert notes_of(whole_lines(filesystem.files())) == [1, 2]


async def test_a_cancelled_wait_keeps_the_lines(autojump_clock: MockClock) -> None:
    """What was taken before the caller gave up is written with the next batch, in order."""
    filesystem = SimulatedFilesystem()
    async with opened(filesystem) as writer:
        filesystem.fault = lambda _, name: os_error(errno.ENOSPC) if name == "write" else None
        with trio.move_on_after(1):
            await writer.handle([note(1)])
        filesystem.fault = no_fault
        await writer.handle([note(2)])

    assert notes_of(whole_lines(filesystem.files())) == [1, 2]


@pytest.mark.parametrize("sync", ["group", "always"])
async def test_a_failing_sync_rewrites_and_recovers(autojump_clock: MockClock, sync: str) -> None:
    """Health is degraded until the lines are safe in a new part."""
    filesystem = SimulatedFilesystem()
    async with opened(filesystem, sync) as writer, trio.open_nursery() as nursery:
        filesystem.fault = lambda _, name: os_error(errno.EIO) if name == "fdatasync" else None
        nursery.start_soon(writer.handle, [note(1)])
        await writer.health.wait_value(lambda health: health.state == "degraded")
        await trio.sleep(10)
        assert writer.health.value.state == "degraded"
        filesystem.fault = no_fault
        await writer.health.wait_value(lambda health: health.state == "ok")

        assert on_disk(filesystem) == [1]


async def test_memory_kept_for_a_rewrite_is_bounded(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the bound a batch waits for the sync."""
    monkeypatch.setattr(writer_module, "_KEPT_LIMIT_BYTES", 1_000)
    filesystem = SimulatedFilesystem()
    async with opened(filesystem) as writer:
        await trio.sleep(1)
        before = trio.current_time()
        await writer.handle([note(1, text="x" * 2_000)])

        assert trio.current_time() - before >= 0.05
        assert "unsynced=0 B" in repr(writer)


async def test_a_new_day_is_opened_off_the_event_loop(autojump_clock: MockClock) -> None:
    """The directory is synced in a thread, before the first line of the new file is acknowledged."""
    filesystem, threads = SimulatedFilesystem(), list[str]()

    async def thread(sync_fn: Callable[[], T]) -> T:
        done = len(filesystem.operations)
        answer = await inline(sync_fn)
        threads.extend(filesystem.operations[done:])
        return answer

    config = InteractionLogConfig(sync="off")
    async with open_writer(config, LOG, filesystem=filesystem, clock=Clock(), run_in_thread=thread) as writer:
        threads.clear()
        filesystem.operations.clear()
        await writer.handle([note(1), note(2, NOON.replace(day=29))])
        on_loop = list(filesystem.operations)
        for name in threads:
            on_loop.remove(name)

        assert set(on_loop) <= {"write", "close"}
        assert "fsync_directory" in threads


async def test_lines_lost_at_the_end_are_counted(autojump_clock: MockClock) -> None:
    """The block ends with an error, and health says how many."""
    filesystem = SimulatedFilesystem()
    kept: list[Writer] = []
    with pytest.raises(LogWriteFailed):
        async with opened(filesystem) as writer:
            kept.append(writer)
            filesystem.fault = lambda _, name: os_error(errno.ENOSPC) if name == "write" else None
            with trio.move_on_after(1):
                await writer.handle([note(1), note(2)])

    assert (kept[0].health.value.state, kept[0].health.value.count) == ("lost", 2)


@pytest.mark.parametrize("sync", ["group", "always", "off"])
async def test_real_threads_and_files(tmp_path: Path, sync: str) -> None:
    """The same with nothing simulated."""
    async with open_writer(InteractionLogConfig(sync=sync), tmp_path / "a" / "b") as writer:  # type: ignore[arg-type]
        for number in range(20):
            await writer.handle([note(number)])

    assert notes_of(whole_lines(log_files(tmp_path / "a" / "b"))) == list(range(20))
