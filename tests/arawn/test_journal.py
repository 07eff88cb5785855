"""The door to the log: answered means recorded, and whatever is late or lost shows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from actors import ChildSpec, Intensity, Stopped, SupervisorSpec, open_supervisor
from actors.events import DeadLetter, Event
from arawn.interactions.health import LogHealth
from arawn.interactions.journal import Append, Journal, write_appends
from arawn.interactions.patience import Patience, open_patience
from arawn.interactions.record import FeedbackLine, GapLine, LogLine, MarkLine

LINE = FeedbackLine(interaction_id="i", label="good", timestamp="2026-01-01T00:00:00.000000Z")


class SlowWriter:
    """Stands in for the writer: takes `seconds` for each batch, and fails where `failing` says so."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.failing = False
        self.written: list[LogLine] = []

    async def write(self, lines: Sequence[LogLine]) -> None:
        await trio.sleep(self.seconds)
        if self.failing:
            raise RuntimeError("writer broke")
        self.written += lines

    @asynccontextmanager
    async def start(self) -> AsyncIterator[Callable[[list[Append]], Awaitable[list[Any]]]]:
        async def handle(batch: list[Append]) -> list[Any]:
            return await write_appends(self.write, batch)

        yield handle


@asynccontextmanager
async def journal_on(
    writer: SlowWriter, *, mailbox: int = 10, answer_wait: float = 2.0, stop_grace: float = 5.0
) -> AsyncIterator[Journal]:
    journals: list[Journal] = []

    def hear(event: Event) -> None:
        if isinstance(event, DeadLetter) and journals:
            journals[0].lost(event)

    async with (
        open_patience(answer_wait) as patience,
        open_supervisor(SupervisorSpec(name="root", total=Intensity(limit=1000)), hooks=[hear]) as root,
    ):
        spec: ChildSpec[Append] = ChildSpec(
            name="log",
            start=writer.start,
            mailbox=mailbox,
            batch=2,
            abandoned="run",
            stop_grace=stop_grace,
            intensity=Intensity(limit=1000),
        )
        journals.append(Journal(await root.start(spec), patience=patience, writer_health=LogHealth))
        yield journals[0]


async def test_recording_returns_once_the_line_is_written(autojump_clock: MockClock) -> None:
    """The wait is as long as the write, and no longer."""
    writer = SlowWriter(0.5)
    async with journal_on(writer) as journal:
        began = trio.current_time()
        await journal.record(LINE)

        assert trio.current_time() - began == pytest.approx(0.5)
        assert writer.written == [LINE]
        assert journal.health() == LogHealth()


async def test_an_answer_waits_only_so_long(autojump_clock: MockClock) -> None:
    """Past `answer_wait` the answer goes out, the log says `degraded`, and the line is written all the same."""
    writer = SlowWriter(60)
    async with journal_on(writer) as journal:
        began = trio.current_time()
        await journal.record(LINE)
        waited, health = trio.current_time() - began, journal.health()
        await trio.sleep(60)

        assert waited == pytest.approx(2)
        assert health.state == "degraded"
        assert "2 s before its record" in (health.reason or "")
        assert writer.written == [LINE]


async def test_being_in_time_again_clears_the_state(autojump_clock: MockClock) -> None:
    """One record in time makes the log `ok` again."""
    writer = SlowWriter(60)
    async with journal_on(writer) as journal:
        await journal.record(LINE)
        await trio.sleep(60)
        writer.seconds = 0
        await journal.record(LINE)

        assert journal.health().state == "ok"


async def test_a_cancelled_caller_still_has_its_line_written(autojump_clock: MockClock) -> None:
    """Once queued, a line is written whatever becomes of the call."""
    writer = SlowWriter(1)
    async with journal_on(writer) as journal:
        with trio.move_on_after(0.1):
            await journal.record(LINE)
        await trio.sleep(5)

        assert writer.written == [LINE]
        assert journal.health().state == "ok"


async def test_a_full_log_makes_calls_wait(autojump_clock: MockClock) -> None:
    """Without room a record waits for it, longer than `answer_wait` if need be: nothing is dropped."""
    writer = SlowWriter(10)
    async with journal_on(writer, mailbox=1) as journal:
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(journal.record, LINE)
        await trio.sleep(60)

        assert writer.written == [LINE] * 4


async def test_a_line_cancelled_without_room_is_counted_and_confessed(autojump_clock: MockClock) -> None:
    """A line that found no room before its call's end is `lost`; later a gap line says how many and why."""
    writer = SlowWriter(60)
    async with journal_on(writer, mailbox=1) as journal:
        async with trio.open_nursery() as nursery:
            for _ in ("in the writer's hands", "in its mailbox"):
                nursery.start_soon(journal.record, LINE)
                await trio.testing.wait_all_tasks_blocked()
            with trio.move_on_after(1):
                await journal.record(LINE)
        health = journal.health()
        await trio.sleep(200)
        writer.seconds = 0
        await journal.record(LINE)

    assert (health.state, health.count) == ("lost", 1)
    assert "no room" in (health.reason or "")
    gaps = [line for line in writer.written if isinstance(line, GapLine)]
    assert [gap.count for gap in gaps] == [1]
    assert len(writer.written) == 4


async def test_a_writer_that_crashes_loses_nothing_in_silence(autojump_clock: MockClock) -> None:
    """A line in the writer's hands at its crash is counted once; the call itself does not fail."""
    writer = SlowWriter(1)
    writer.failing = True
    async with journal_on(writer) as journal:
        await journal.record(LINE)
        health = journal.health()

    assert (health.state, health.count) == ("lost", 1)
    assert "RuntimeError" in (health.reason or "")


async def test_the_lines_of_cancelled_calls_are_counted_when_the_writer_crashes(autojump_clock: MockClock) -> None:
    """Nobody waits for the line any more, yet its loss shows."""
    writer = SlowWriter(1)
    writer.failing = True
    async with journal_on(writer) as journal:
        with trio.move_on_after(0.1):
            await journal.record(LINE)
        await trio.sleep(1)

        assert journal.health().count == 1
        assert journal._room.held == 0


@pytest.mark.parametrize(("answer_wait", "cancelled"), [(0.0, False), (2.0, True), (2.0, False)])
async def test_lines_that_a_failing_writer_admits_are_counted(
    autojump_clock: MockClock, answer_wait: float, cancelled: bool
) -> None:
    """A full mailbox, and a writer that fails in the moment that it makes room: every line is lost and counted once."""
    writer = SlowWriter()
    broken = trio.Event()

    async def fail_at_once(_lines: Sequence[LogLine]) -> None:
        if not broken.is_set():
            await broken.wait()
        raise RuntimeError("writer broke")

    writer.write = fail_at_once  # type: ignore[method-assign, assignment]
    async with journal_on(writer, mailbox=1, answer_wait=answer_wait) as journal, trio.open_nursery() as nursery:
        nursery.start_soon(journal.record, LINE)
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(8):
            nursery.start_soon(journal.record, LINE)
        await trio.testing.wait_all_tasks_blocked()
        broken.set()
        if cancelled:
            await trio.sleep(0.01)
            nursery.cancel_scope.cancel()

    assert journal.health().count == 9
    assert journal._room.held == 0


async def test_losses_are_confessed_without_waiting_for_answers(autojump_clock: MockClock) -> None:
    """With `answer_wait_ms = 0` too, the log says how many lines it lost as soon as lines are written again."""
    writer = SlowWriter()
    async with journal_on(writer, answer_wait=0.0) as journal:
        writer.failing = True
        await journal.record(LINE)
        await trio.sleep(1)
        writer.failing = False
        await journal.record(LINE)
        await trio.sleep(1)

        assert [line.count for line in writer.written if isinstance(line, GapLine)] == [1]


async def test_lines_in_the_hands_of_a_stopped_writer_are_not_counted_as_lost(autojump_clock: MockClock) -> None:
    """It writes them at its end, or says so itself; their room is free again."""
    writer = SlowWriter(60)
    async with journal_on(writer, answer_wait=0.0, stop_grace=0.0) as journal:
        for _ in range(2):
            await journal.record(LINE)
        await trio.sleep(1)

    assert journal.health().state == "ok"
    assert journal._room.held == 0


def test_what_ails_the_writer_is_the_cause_of_a_loss() -> None:
    """A stopped writer is no reason: the full disk that held it up is."""
    ill = LogHealth("degraded", "the disk is full")
    journal = Journal(None, patience=Patience(1), writer_health=lambda: ill)

    stopped = Stopped("it has stopped")

    journal.lost(DeadLetter("arawn/interaction-log", Append(LINE), str(stopped), error=stopped))
    first = journal.health()
    journal.lose("it could not be built")

    assert (first.reason, first.count) == ("the disk is full", 1)
    assert (journal.health().reason, journal.undeclared) == ("it could not be built", 2)


def test_a_mark_that_is_not_written_is_no_record() -> None:
    """Only records count as lost, not what the log says of itself."""
    journal = Journal(None, patience=Patience(1), writer_health=LogHealth)
    mark = MarkLine(event="retention", timestamp=LINE.timestamp)

    journal.lost(DeadLetter("arawn/interaction-log", Append(mark), "it has stopped"))

    assert (journal.health(), journal.undeclared) == (LogHealth(), 0)


def test_housekeeping_is_heard_where_all_else_is_well_and_is_no_cause() -> None:
    """A day that cannot be compressed loses no record."""
    ill = LogHealth("degraded", "cannot compress")
    journal = Journal(None, patience=Patience(1), writer_health=LogHealth, housekeeping_health=lambda: ill)
    before = journal.health()
    journal.lose("no room")
    assert not journal.is_behind  # no record waits for that

    assert (before, journal.health().reason) == (ill, "no room")
