"""G14, G18 and G19: refs, status, events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock, assert_no_checkpoints, wait_all_tasks_blocked

from actors import (
    Backoff,
    ChildSpec,
    Stopped,
    SupervisorSpec,
    open_supervisor,
)
from actors.events import BackingOff, Crashed, Ended, Event, Started
from tests.actors.rig import DEMAND, HOUR, Rig, Work

# -- G14: refs stay valid -------------------------------------------------------------------------------------------


async def test_g14_a_ref_names_the_seat_and_not_the_incarnation(rig: Rig, autojump_clock: MockClock) -> None:
    """One ref works before, between and after restarts, and fails with a reason after the final stop."""
    async with rig.open() as root:
        ref = await root.start(rig.actor("a"))
        for number in range(3):
            await rig.ask(ref, Work(number))
            await rig.ask(ref, Work(100 + number, raises=ValueError))
        await ref.stop()
        await ref.stop()

        with pytest.raises(Stopped, match=r"`Work` to actor `root/a`: stopped"):
            await ref.ask(Work(5))
    assert repr(ref) == "<Ref root/a>"


# -- G18: introspection ---------------------------------------------------------------------------------------------


async def test_g18_status_is_one_tree_and_has_no_side_effects(rig: Rig, autojump_clock: MockClock) -> None:
    """A snapshot says what each actor does, and prints one line an actor."""
    async with rig.open() as root:
        ref = await root.start(rig.actor("a", backoff=Backoff(initial=4, jitter=0)))
        other = await root.start(rig.actor("b"))
        demand = await root.start_on_demand(DEMAND, rig.actor, idle_after=5)
        await rig.tell(ref, Work(1, raises=ValueError))
        await rig.tell(other, Work(2, seconds=10))
        await wait_all_tasks_blocked()
        await rig.tell(other, Work(3))
        await trio.sleep(3)

        with assert_no_checkpoints():
            text = str(root.status())
            assert demand.ref("x").status().state == "passive"
        assert demand.status().children == ()

    assert text.splitlines() == [
        "root  supervisor  running",
        "  a  actor  backing_off  queued 0/10  in hand 0  last crash: ValueError('message 1')  next start in 1.0 s",
        "  b  actor  running  queued 1/10  in hand 1  oldest 3.0 s",
        "  demand  on demand  running",
    ]


async def test_g18_the_age_of_what_is_in_hand_is_that_of_this_message(rig: Rig, autojump_clock: MockClock) -> None:
    """`oldest_s` counts from when the message was taken, not from when the worker was last idle."""
    async with rig.open() as root:
        ref = await root.start(rig.actor("a"))
        await rig.tell(ref, Work(1, seconds=10))
        await rig.tell(ref, Work(2))
        await rig.tell(ref, Work(3, seconds=10))
        await trio.sleep(12)

        assert ref.status().oldest_s == 2


async def test_g18_the_age_includes_what_was_handled_without_a_sleep(rig: Rig, autojump_clock: MockClock) -> None:
    """A limit that the documentation states: the clock is read when the worker has slept."""

    @asynccontextmanager
    async def start() -> AsyncIterator[Callable[[int], Awaitable[None]]]:
        async def compute(seconds: int) -> None:
            if seconds:
                autojump_clock.jump(seconds)
            else:
                await trio.sleep(HOUR)

        yield compute

    async with rig.open() as root:
        ref = await root.start(ChildSpec(name="a", start=start, mailbox=3))
        for seconds in (10, 20, 0):
            ref.tell_nowait(seconds)
        await wait_all_tasks_blocked()

        assert ref.status().oldest_s == 30
        await ref.stop(grace=0)


async def test_g18_status_counts_restarts(rig: Rig, autojump_clock: MockClock) -> None:
    """Restarts and the last crash stay on record when all is well again."""
    async with rig.open() as root:
        ref = await root.start(rig.actor("a"))
        await rig.ask(ref, Work(1, raises=ValueError))
        await rig.ask(ref, Work(2))

        (status,) = root.status().children
        assert (status.restarts, status.last_crash, status.state) == (1, "ValueError('message 1')", "running")
        assert "restarts 1" in str(status)


# -- G19: events ----------------------------------------------------------------------------------------------------


async def test_g19_each_edge_of_a_life_has_one_event(rig: Rig, autojump_clock: MockClock) -> None:
    """Started, crashed, backing off, started again, stopped: once each, in order, with their numbers."""
    async with rig.open() as root:
        ref = await root.start(rig.actor("a", backoff=Backoff(initial=2, jitter=0)))
        await trio.sleep(1)
        await rig.ask(ref, Work(1, raises=ValueError))
        await rig.ask(ref, Work(2))

    mine = [event for event in rig.events if event.actor == "root/a"]
    assert [type(event) for event in mine] == [Started, Crashed, BackingOff, Started, Ended]
    assert isinstance(mine[1], Crashed)
    assert (mine[1].incarnation, mine[1].lived) == (1, 1.0)
    assert mine[2] == BackingOff("root/a", 2.0)
    assert mine[3] == Started("root/a", 2)


async def test_g19_a_failing_hook_hurts_nobody_and_is_counted(rig: Rig, autojump_clock: MockClock) -> None:
    """Other hooks hear the event all the same, and actors never notice."""
    heard: list[Event] = []

    def fail(event: Event) -> None:
        raise KeyError(event.actor)

    async with open_supervisor(SupervisorSpec(name="root"), hooks=[fail, heard.append]) as root:
        ref = await root.start(rig.actor("a"))
        await rig.ask(ref, Work(1))
        assert root.hooks.failures == len(heard) == 2

    assert root.hooks.failures == len(heard) == 4
    assert isinstance(root.hooks.last_failure, KeyError)


class UnspeakableError(Exception):
    """Cannot even be shown."""

    def __repr__(self) -> str:
        raise ValueError("no words")


@pytest.mark.parametrize(
    ("crash", "shown"),
    [
        (ValueError("bad"), "ValueError('bad')"),
        (ExceptionGroup("group", [ExceptionGroup("group", [ValueError("bad")])]), "ValueError('bad')"),
        (UnspeakableError(), "UnspeakableError"),
    ],
)
async def test_g18_a_crash_is_shown_by_its_leaf_whatever_it_is(
    crash: Exception, shown: str, autojump_clock: MockClock
) -> None:
    """`status` names the last crash as text, and no exception can break it."""

    @asynccontextmanager
    async def start() -> AsyncIterator[Callable[[int], Awaitable[None]]]:
        async def handle(_: int) -> None:
            raise crash

        yield handle

    async with open_supervisor(SupervisorSpec(name="root")) as root:
        ref = await root.start(ChildSpec(name="a", start=start, mailbox=1))
        ref.tell_nowait(1)
        await trio.sleep(1)

        assert root.status().children[0].last_crash == shown
