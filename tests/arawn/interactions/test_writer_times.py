"""What the writer promises about time: syncs, waits, and a clock of the day that steps."""

from __future__ import annotations

import errno
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from arawn.config.schema import InteractionLogConfig
from arawn.interactions.files import parse_name
from arawn.interactions.writer import open_writer
from tests.arawn.interactions.samples import NOON, Clock, note, notes_of, whole_lines
from tests.arawn.interactions.simulated_filesystem import SimulatedFilesystem, no_fault, os_error
from tests.arawn.interactions.simulated_log import LOG

T = TypeVar("T")
gaps = st.lists(st.floats(0, 0.3), min_size=1, max_size=30)


@settings(max_examples=100, deadline=None)
@given(gaps, st.floats(0, 0.4))
def test_what_is_older_than_a_tenth_of_a_second_survives_a_power_loss(pauses: list[float], sync_takes: float) -> None:
    """Under `group`, a sync begins within 100 ms of the first unsynced byte, or as soon as the one before it ends."""
    filesystem, written, begun = SimulatedFilesystem(), list[float](), list[float]()

    async def slow_disk(sync_fn: Callable[[], T]) -> T:
        begun.append(trio.current_time())
        await trio.sleep(sync_takes)
        return sync_fn()

    async def main() -> None:
        config = InteractionLogConfig()
        async with open_writer(config, LOG, filesystem=filesystem, clock=Clock(), run_in_thread=slow_disk) as writer:
            for number, pause in enumerate(pauses):
                await writer.handle([note(number)])
                written.append(trio.current_time())
                await trio.sleep(pause)
                on_disk = set(notes_of(whole_lines(filesystem.durable_files())))
                old = {n for n, at in enumerate(written) if at <= trio.current_time() - 0.1 - 2 * sync_takes}
                assert old <= on_disk

    trio.run(main, clock=MockClock(autojump_threshold=0))

    for at in written:
        started = min(begin for begin in begun if begin >= at)
        running = [begin for begin in begun if begin < at < begin + sync_takes]
        assert started <= max(at + 0.1, *(begin + sync_takes + 1e-9 for begin in running), at)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(-40, 40), st.booleans()), min_size=1, max_size=25))
def test_a_closed_day_is_never_opened_again(steps: list[tuple[int, bool]]) -> None:
    """However the clock steps over midnight, and back, and through restarts: only the newest file grows."""
    filesystem, clock = SimulatedFilesystem(), Clock()
    left: dict[str, bytes] = {}

    async def write(number: int, at: datetime) -> None:
        config = InteractionLogConfig(sync="always")
        async with open_writer(config, LOG, filesystem=filesystem, clock=clock, run_in_thread=inline) as writer:
            await writer.handle([note(number, at), note(number + 1_000, at + timedelta(hours=1))])

    for number, (hours, behind) in enumerate(steps):
        clock.step(hours=hours)
        trio.run(write, number, clock.at - timedelta(hours=30 * behind), clock=MockClock(autojump_threshold=0))
        files = filesystem.files()
        newest = max(file for name in files if (file := parse_name(name)))
        assert all(files[name] == data for name, data in left.items())
        left = {name: data for name, data in files.items() if name != newest.name}

    assert len(notes_of(whole_lines(filesystem.files()))) == 2 * len(steps)


async def inline(sync_fn: Callable[[], T]) -> T:
    await trio.lowlevel.checkpoint()
    return sync_fn()


async def test_a_new_file_is_on_the_disk_by_name_before_its_first_line_is_acknowledged(
    autojump_clock: MockClock,
) -> None:
    """After a power loss at that moment the file is there: only its content may wait for the next sync."""
    filesystem = SimulatedFilesystem()
    config = InteractionLogConfig(sync="off")
    async with open_writer(config, LOG, filesystem=filesystem, clock=Clock(), run_in_thread=inline) as writer:
        await writer.handle([note(1, NOON + timedelta(days=1))])

        assert "interactions-2026-01-29.jsonl" in filesystem.durable_files()


async def test_a_disk_that_fails_every_sync_for_an_hour_takes_bounded_memory(autojump_clock: MockClock) -> None:
    """Lines wait, are rewritten with back-off, and are all there, once, when the disk has recovered."""
    filesystem = SimulatedFilesystem()
    config = InteractionLogConfig()
    async with open_writer(config, LOG, filesystem=filesystem, clock=Clock(), run_in_thread=inline) as writer:
        filesystem.fault = lambda _, name: os_error(errno.EIO) if name == "fdatasync" else None
        await writer.handle([note(number, text="x" * 100) for number in range(10)])
        await trio.sleep(3_600)
        kept = writer._log.unsynced_bytes + writer._log.pending.total_bytes
        filesystem.fault = no_fault
        await writer.health.wait_value(lambda health: health.state == "ok")
        on_disk = filesystem.durable_files()

    assert kept < 10 * 400 + 300
    assert notes_of(whole_lines(on_disk)) == list(range(10))
    assert len(filesystem.files()) <= 3  # what failed and is written elsewhere is removed
