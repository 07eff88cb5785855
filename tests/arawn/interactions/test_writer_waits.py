"""The writer's tasks (batches, syncs, looks, the end) meet at waits of any length, while the disk fails at times."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import chain, repeat
from typing import TypeVar

import pytest
import trio
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from arawn.config.schema import InteractionLogConfig
from arawn.interactions import writer as writer_module
from arawn.interactions.writer import open_writer
from tests.arawn.interactions.samples import Clock, note, whole_lines
from tests.arawn.interactions.simulated_filesystem import SimulatedFilesystem, no_fault, os_error
from tests.arawn.interactions.simulated_log import LOG

T = TypeVar("T")
Batch = tuple[float, int, int, bool, float]  # seconds before it, lines, letters in each, a new day, patience

WAITS = st.sampled_from([0.0, 0.001, 0.01, 0.05, 0.06, 0.1, 0.5, 1.0, 4.0, 9.0])
BATCHES = st.lists(
    st.tuples(WAITS, st.integers(1, 6), st.sampled_from([0, 300, 3_000]), st.booleans(), st.just(1e9) | WAITS),
    min_size=1,
    max_size=12,
)
VERDICTS = st.lists(st.sampled_from([None, None, errno.EIO, errno.ENOSPC, errno.EFBIG]), max_size=15)
FAILING = ("write", "fdatasync", "open", "dup")


class Disk:
    """Each wait for a thread lasts as long as is drawn for it; each operation that can fail has its own verdict."""

    def __init__(self, waits: list[float], verdicts: list[int | None]) -> None:
        self.filesystem = SimulatedFilesystem()
        self._waits = chain(waits, repeat(0.0))
        self._verdicts: Iterator[int | None] = chain(verdicts, repeat(None))

    def fail(self) -> None:
        self.filesystem.fault = self._fault

    def _fault(self, _: int, name: str) -> OSError | None:
        code = next(self._verdicts) if name in FAILING else None
        return None if code is None else os_error(code)

    async def in_thread(self, sync_fn: Callable[[], T]) -> T:
        """Wait before the work and behind it: what it reports may be old by then."""
        await trio.sleep(next(self._waits))
        done = sync_fn()
        await trio.sleep(next(self._waits))
        return done


async def write_all(disk: Disk, batches: list[Batch], sync: str) -> None:
    clock, number = Clock(), 0
    config = InteractionLogConfig(sync=sync)  # type: ignore[arg-type]
    async with open_writer(
        config, LOG, filesystem=disk.filesystem, clock=clock, run_in_thread=disk.in_thread
    ) as writer:
        disk.fail()
        for pause, count, letters, is_new_day, patience in batches:
            await trio.sleep(pause)
            clock.at += timedelta(days=is_new_day)
            lines = [note(number + place, clock.at, "ab\u00e9"[place % 3] * letters) for place in range(count)]
            number += count
            with trio.move_on_after(patience):
                await writer.handle(lines)
        await trio.sleep(60)
        disk.filesystem.fault = no_fault
        await writer.handle([note(number, clock.at)])
        await trio.sleep(60)
        assert writer.health.value.state == "ok"
        assert (writer._log.pending.total_bytes, writer._log.unsynced_bytes) == (0, 0)


@settings(max_examples=150, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(BATCHES, st.lists(WAITS, max_size=30), VERDICTS, st.sampled_from(["group", "always", "off"]))
def test_every_line_is_written_once(
    batches: list[Batch], waits: list[float], verdicts: list[int | None], sync: str
) -> None:
    """Whichever task comes first after a wait: no line is lost, none has two numbers, and all is well again."""
    disk = Disk(waits, verdicts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer_module, "_KEPT_LIMIT_BYTES", 5_000)
        patch.setattr(writer_module, "_WRITE_BYTES", 1_000)
        patch.setattr(writer_module, "_TURN_BYTES", 4_000)
        trio.run(write_all, disk, batches, sync, clock=MockClock(autojump_threshold=0))

    if sync != "off":
        disk.filesystem.power_loss()
    lines = {line["seq"]: line for line in whole_lines(disk.filesystem.files())}
    written = [lines[seq]["interaction_id"] for seq in sorted(lines) if lines[seq]["kind"] == "feedback"]
    assert written == [str(number) for number in range(sum(batch[1] for batch in batches) + 1)]
    assert sorted(lines) == list(range(1, len(lines) + 1))
