"""However long the disk stalls, the log takes no more than so many bytes, and every line is written or counted."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Literal, TypeVar

import msgspec
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from actors import ChildSpec, SupervisorSpec, open_supervisor
from actors.events import DeadLetter, Event
from arawn.config.schema import InteractionLogConfig
from arawn.interactions import day_log as day_log_module
from arawn.interactions import writer as writer_module
from arawn.interactions.journal import Append, Journal, write_appends
from arawn.interactions.patience import open_patience
from arawn.interactions.room import Room
from arawn.interactions.writer import Writer, open_writer
from tests.arawn.interactions.samples import Clock, whole_lines
from tests.arawn.interactions.samples import record as sample
from tests.arawn.interactions.simulated_filesystem import SimulatedFilesystem, no_fault, os_error
from tests.arawn.interactions.simulated_log import LOG

ROOM = 20_000
KEPT = 20_000
TURN = 4_000
LONGEST = 50_000
MAILBOX = 64
Stall = Literal["full", "bad", "slow"]
T = TypeVar("T")


class Stalling:
    """A disk that from `begin` to `end` has no room, fails every sync, or takes until `end` for a sync."""

    def __init__(self, kind: Stall) -> None:
        self.kind = kind
        self.filesystem = SimulatedFilesystem()
        self._over = trio.Event()
        self._over.set()

    def begin(self) -> None:
        self._over = trio.Event()
        code, name = {"full": (errno.ENOSPC, "write"), "bad": (errno.EIO, "fdatasync"), "slow": (0, "")}[self.kind]
        self.filesystem.fault = lambda _, current: os_error(code) if current == name else None

    def end(self) -> None:
        self.filesystem.fault = no_fault
        self._over.set()

    async def in_thread(self, sync_fn: Callable[[], T]) -> T:
        await trio.lowlevel.checkpoint()
        if self.kind == "slow":
            await self._over.wait()
        return sync_fn()


class Log:
    """The whole way of a line: journal, mailbox, writer."""

    def __init__(self, disk: Stalling, sync: str, overflow: Literal["block", "shed_bodies"]) -> None:
        self.disk = disk
        self.config = InteractionLogConfig(sync=sync, overflow=overflow)  # type: ignore[arg-type]
        self.room = Room(ROOM)
        self.writers: list[Writer] = []
        self.journal: Journal

    @asynccontextmanager
    async def _start(self) -> AsyncIterator[Callable[[list[Append]], Awaitable[list[Any]]]]:
        system, thread = self.disk.filesystem, self.disk.in_thread
        async with open_writer(self.config, LOG, filesystem=system, clock=Clock(), run_in_thread=thread) as writer:
            self.writers.append(writer)
            yield partial(write_appends, writer.handle)

    def _hear(self, event: Event) -> None:
        if isinstance(event, DeadLetter):
            self.journal.lost(event)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Journal]:
        spec: ChildSpec[Append] = ChildSpec(
            name="log", start=self._start, mailbox=MAILBOX, batch=16, abandoned="run", stop_grace=100.0
        )
        supervisor = open_supervisor(SupervisorSpec(name="root"), hooks=[self._hear])
        async with open_patience(2.0) as patience, supervisor as root:
            self.journal = Journal(
                await root.start(spec),
                patience=patience,
                writer_health=lambda: self.writers[0].health.value,
                overflow=self.config.overflow,
                room=self.room,
            )
            yield self.journal

    def check(self) -> None:
        """Fail if more is held than promised: one line alone may be longer than the room."""
        log = self.writers[0]._log
        assert self.room.held <= max(ROOM, LONGEST)
        assert log.pending.total_bytes + log.unsynced_bytes <= KEPT + TURN + LONGEST


class Watch(trio.abc.Instrument):
    """Checks after every step of every task."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if self._log.writers:
            self._log.check()


def sized(number: int, size: int) -> Any:
    line = sample(number)
    return msgspec.structs.replace(line, system_prompt="x" * max(0, size - 2_000))


Calls = list[tuple[int, float, float | None]]
Overflow = Literal["block", "shed_bodies"]
plans = st.lists(
    st.tuples(st.integers(0, 45_000), st.floats(0, 90), st.none() | st.floats(0, 100)), min_size=1, max_size=25
)


stalls: st.SearchStrategy[Stall] = st.sampled_from(["full", "bad", "slow"])
syncs = st.sampled_from(["group", "always", "off"])
overflows: st.SearchStrategy[Overflow] = st.sampled_from(["block", "shed_bodies"])


@settings(max_examples=40, deadline=None)
@given(plans, stalls, syncs, overflows)
def test_bounded_and_every_line_written_or_counted(plan: Calls, stall: Stall, sync: str, overflow: Overflow) -> None:
    """Calls of any size at any time, some cancelled, through a stall of 60 s of each kind."""
    go_through(plan, stall, sync, overflow)


@pytest.mark.slow
@settings(max_examples=600, deadline=None)
@given(plans, stalls, syncs, overflows)
def test_bounded_and_every_line_for_long(plan: Calls, stall: Stall, sync: str, overflow: Overflow) -> None:
    """As above, in CI's long job."""
    go_through(plan, stall, sync, overflow)


def go_through(plan: Calls, stall: Stall, sync: str, overflow: Overflow) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer_module, "_KEPT_LIMIT_BYTES", KEPT)
        patch.setattr(writer_module, "_WRITE_BYTES", TURN)
        patch.setattr(writer_module, "_TURN_BYTES", TURN)
        patch.setattr(day_log_module, "_WRITE_BYTES", TURN)
        found = list[Log]()

        async def main() -> None:
            log = Log(Stalling(stall), sync, overflow)
            found.append(log)
            trio.lowlevel.add_instrument(Watch(log))
            async with log.running() as journal, trio.open_nursery() as nursery:
                for number, (size, start, patience) in enumerate(plan):
                    nursery.start_soon(call, journal, sized(number, size), start, patience)
                await trio.sleep(10)
                log.disk.begin()
                await trio.sleep(60)
                log.disk.end()
                await trio.sleep(100)
                await journal.record(sized(1_000, 0))

        trio.run(main, clock=MockClock(autojump_threshold=0))
    (log,) = found
    lines = {line["seq"]: line for line in whole_lines(log.disk.filesystem.files())}.values()
    written = {line["id"] for line in lines if line["kind"] == "interaction"}
    lost = log.journal.health().count
    assert len(written) + lost == len(plan) + 1
    assert sum(line["count"] for line in lines if line["kind"] == "gap") == lost
    assert log.room.held == 0


async def call(journal: Journal, line: Any, start: float, patience: float | None) -> None:
    await trio.sleep(start)
    with trio.move_on_after(1_000 if patience is None else patience):
        await journal.record(line)


@pytest.mark.parametrize(("stall", "calls"), [("full", 4), ("bad", 6), ("slow", 6)])
async def test_shedding_keeps_the_scalars_of_every_call(autojump_clock: MockClock, stall: Stall, calls: int) -> None:
    """Calls that find no room are written without bodies, flagged; none waits longer than `answer_wait_ms`."""
    log = Log(Stalling(stall), "group", "shed_bodies")
    waits: list[float] = []

    async def timed(journal: Journal, number: int) -> None:
        began = trio.current_time()
        await journal.record(sized(number, 10_000))
        waits.append(trio.current_time() - began)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer_module, "_KEPT_LIMIT_BYTES", KEPT)
        async with log.running() as journal:
            log.disk.begin()
            async with trio.open_nursery() as nursery:
                for number in range(calls):
                    nursery.start_soon(timed, journal, number)
                    await trio.sleep(0.1)
            state = journal.health()
            log.disk.end()
            await trio.sleep(60)

    lines = {line["seq"]: line for line in whole_lines(log.disk.filesystem.files())}.values()
    records = [line for line in lines if line["kind"] == "interaction"]
    shed = [line for line in records if line["system_prompt"] is None]
    assert max(waits) <= 2.01
    assert state.state == "degraded"
    assert len(records) == calls
    assert shed
    assert all({cut["where"] for cut in line["truncated"]} >= {"system_prompt", "messages"} for line in shed)


async def test_a_row_of_64_mb_passes_alone(autojump_clock: MockClock) -> None:
    """A line longer than all the room there is is written whole, after the others."""
    log = Log(Stalling("full"), "group", "block")
    huge = sized(1, 64 << 20)
    async with log.running() as journal:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(journal.record, sized(0, 3_000))
            nursery.start_soon(journal.record, huge)
            nursery.start_soon(journal.record, sized(2, 3_000))

    lines = whole_lines(log.disk.filesystem.files())
    assert max(len(line.get("system_prompt") or "") for line in lines) == (64 << 20) - 2_000
    assert log.room.held == 0
