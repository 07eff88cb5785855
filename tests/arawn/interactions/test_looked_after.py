"""A writer looks after its files and its lock: what is moved is seen within a second, whatever is written or synced."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest
import trio
from trio.testing import MockClock

from arawn.config.schema import InteractionLogConfig
from arawn.interactions.directory import LogInUse
from arawn.interactions.sync_jobs import run_sync_jobs
from arawn.interactions.writer import Writer, open_writer
from tests.arawn.interactions.failing_filesystem import FailingSyncs
from tests.arawn.interactions.moving_files import MOVES, Move, clear, day_file, open_log, readable_notes
from tests.arawn.interactions.samples import Clock, note

T = TypeVar("T")


async def here(work: Callable[[], T]) -> T:
    return work()


def test_the_lock_is_looked_after_while_nothing_is_written(tmp_path: Path) -> None:
    """A second after it was removed it is there again, and keeps other writers out."""

    async def main() -> None:
        async with open_writer(InteractionLogConfig(), tmp_path, clock=Clock(), run_in_thread=here):
            (tmp_path / ".lock").unlink()
            await trio.sleep(1.1)
            with pytest.raises(LogInUse):
                open_log(tmp_path)

    trio.run(main, clock=MockClock(autojump_threshold=0))


def test_a_look_that_could_not_be_made_is_forgotten_with_the_next(tmp_path: Path) -> None:
    """The log is degraded while there is no descriptor, and well after, though nothing was written meanwhile."""
    filesystem, states = FailingSyncs(), list[str]()

    async def main() -> None:
        opened = open_writer(InteractionLogConfig(), tmp_path, clock=Clock(), run_in_thread=here, filesystem=filesystem)
        async with opened as writer:
            await trio.sleep(0.5)  # what was written at the start is synced
            for filesystem.is_exhausted in (True, False):
                await trio.sleep(1.1)
                states.append(writer.health.value.state)

    trio.run(main, clock=MockClock(autojump_threshold=0))

    assert states == ["degraded", "ok"]


def test_what_is_given_up_while_it_is_synced_is_written_before_it_is_acknowledged(tmp_path: Path) -> None:
    """With `sync = "always"`, too, nothing counts that is only in memory."""
    directory, moved = tmp_path / "log", tmp_path / "moved"

    async def slow_syncs(work: Callable[[], T]) -> T:
        if isinstance(work, partial) and work.func is run_sync_jobs and work.args[1][0].count is not None:
            if not moved.exists():
                directory.rename(moved)
            await trio.sleep(2.5)  # a look is made meanwhile
        return work()

    async def main() -> None:
        config = InteractionLogConfig(sync="always")
        opened = open_writer(config, directory, clock=Clock(), run_in_thread=slow_syncs)
        async with opened as writer, trio.open_nursery() as nursery:
            nursery.start_soon(make_again)
            await writer.handle([note(1)])
            assert readable_notes(directory) == {1}

    async def make_again() -> None:
        await trio.sleep(10)
        directory.mkdir(0o700)

    trio.run(main, clock=MockClock(autojump_threshold=0))


@pytest.mark.parametrize("move", MOVES)
def test_without_syncs_it_is_seen_within_a_second(tmp_path: Path, move: Move) -> None:
    """With `sync = "off"` too the state says so, and what is written from then on is found."""
    directory = tmp_path / "log"
    states: list[str] = []

    async def watch(writer: Writer) -> None:
        async for health in writer.health.eventual_values():
            states.append(f"{health.state} {health.reason}")

    async def main() -> None:
        config = InteractionLogConfig(sync="off")
        opened = open_writer(config, directory, clock=Clock(), run_in_thread=here)
        async with opened as writer, trio.open_nursery() as nursery:
            nursery.start_soon(watch, writer)
            await writer.handle([note(1)])
            file = day_file(directory)
            move(file)
            await trio.sleep(1.1)
            clear(file)
            await writer.handle([note(2)])
            nursery.cancel_scope.cancel()

    trio.run(main, clock=MockClock(autojump_threshold=0))

    assert "was removed or moved away" in states[1]
    assert states[-1] == "ok None"
    assert 2 in readable_notes(directory)
