"""G14, G16, G18, G19, G20: refs, cycles, status, events, determinism."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock, assert_no_checkpoints, wait_all_tasks_blocked

from actors import (
    AskCycle,
    Backoff,
    ChildSpec,
    HandlerFailed,
    Ref,
    Request,
    Stopped,
    Supervisor,
    SupervisorSpec,
    open_supervisor,
)
from actors.events import BackingOff, Crashed, Ended, Event, Started
from tests.actors.rig import HOUR, Rig, Work

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


# -- G16: ask cycles ------------------------------------------------------------------------------------------------


class Route(msgspec.Struct, Request[str], frozen=True):
    """Ask the actor that the first letter names to follow the others."""

    letters: str


class Asker:
    """Actors that follow routes."""

    def __init__(self) -> None:
        self.refs: dict[str, Ref[Any]] = {}

    async def start(self, root: Supervisor, name: str, **fields: Any) -> None:
        @asynccontextmanager
        async def start() -> AsyncIterator[Any]:
            yield self._handle

        self.refs[name] = await root.start(ChildSpec(name=name, start=start, mailbox=5, **fields))

    async def follow(self, letters: str) -> str:
        return await self.refs[letters[0]].ask(Route(letters[1:]))

    async def _handle(self, route: Route) -> str:
        await trio.sleep(1)
        return route.letters[0] + await self.follow(route.letters) if route.letters else ""


async def test_g16_an_ask_cycle_is_an_error_that_names_it(rig: Rig, autojump_clock: MockClock) -> None:
    """The ask that would close the cycle raises where it is made."""
    asker = Asker()
    async with rig.open() as root:
        for name in "abc":
            await asker.start(root, name, reply_errors=(AskCycle,))

        with pytest.raises(AskCycle) as caught:
            await asker.follow("abca")

        assert caught.value.names == ("root/c", "root/a", "root/b", "root/c")
        assert str(caught.value) == "ask cycle: `root/c` -> `root/a` -> `root/b` -> `root/c`"
        assert await asker.follow("abc") == "bc"


async def test_g16_an_actor_may_not_ask_itself(rig: Rig, autojump_clock: MockClock) -> None:
    """The shortest cycle; as an undeclared error it is a crash."""
    asker = Asker()
    async with rig.open() as root:
        await asker.start(root, "a")

        with pytest.raises(HandlerFailed) as caught:
            await asker.follow("aa")

    assert isinstance(caught.value.__cause__, AskCycle)


async def test_g16_a_free_worker_keeps_a_circle_from_being_a_cycle(rig: Rig, autojump_clock: MockClock) -> None:
    """With two workers an actor may be asked back; with both taken it may not."""
    asker = Asker()
    async with rig.open() as root:
        await asker.start(root, "a", workers=2, reply_errors=(AskCycle,))
        await asker.start(root, "b", reply_errors=(AskCycle,))

        assert await asker.follow("aba") == "ba"
        with pytest.raises(AskCycle):
            await asker.follow("abab")


async def test_g16_a_starting_actor_that_is_asked_back_closes_a_cycle(rig: Rig, autojump_clock: MockClock) -> None:
    """An actor that asks while it starts cannot answer until it has started."""
    asker = Asker()
    async with rig.open() as root:
        await asker.start(root, "b", reply_errors=(AskCycle,))

        @asynccontextmanager
        async def start() -> AsyncIterator[Any]:
            if "a" in asker.refs:
                with pytest.raises(AskCycle):
                    await asker.follow("ba")
            yield rig.handle

        backoff = Backoff(initial=0, jitter=0)
        asker.refs["a"] = await root.start(ChildSpec(name="a", start=start, mailbox=5, backoff=backoff))
        await rig.ask(asker.refs["a"], Work(1, raises=ValueError))
        await rig.ask(asker.refs["a"], Work(2))


@pytest.mark.parametrize("workers", [1, 2])
async def test_g16_a_task_that_a_handler_leaves_running_asks_for_itself(
    rig: Rig, autojump_clock: MockClock, workers: int
) -> None:
    """Nobody waits for it: it may ask the actor that started it, which is as free as before."""
    heard: list[str] = []
    refs: dict[str, Ref[Route]] = {}

    async def ask_later(name: str) -> None:
        await trio.sleep(1)
        heard.append(await refs[name].ask(Route("")))

    @asynccontextmanager
    async def start() -> AsyncIterator[Any]:
        async def handle(route: Route) -> str:
            for letter in route.letters:
                nursery.start_soon(ask_later, letter)
            await trio.sleep(2 * (not route.letters))
            return "here"

        async with trio.open_nursery() as nursery:
            yield handle

    async with rig.open() as root:
        for name in "ab":
            refs[name] = await root.start(ChildSpec(name=name, start=start, mailbox=5, workers=workers))
        await refs["a"].ask(Route("ab"))
        await refs["b"].ask(Route("a"))
        await trio.sleep(10)

    assert heard == ["here"] * 3


async def test_g16_a_task_that_a_handler_waits_for_asks_for_the_handler(rig: Rig, autojump_clock: MockClock) -> None:
    """A cycle through a nursery of the handler, however deep, is a cycle."""
    refs: dict[str, Ref[Route]] = {}

    async def ask_in_a_nursery(depth: int) -> None:
        async with trio.open_nursery() as nursery:
            if depth:
                nursery.start_soon(ask_in_a_nursery, depth - 1)
            else:
                nursery.start_soon(refs["a"].ask, Route(""))

    @asynccontextmanager
    async def start() -> AsyncIterator[Any]:
        async def handle(_route: Route) -> None:
            await ask_in_a_nursery(2)

        async with trio.open_nursery():
            yield handle

    async with rig.open() as root:
        refs["a"] = await root.start(ChildSpec(name="a", start=start, mailbox=5))

        with pytest.raises(HandlerFailed) as caught:
            await refs["a"].ask(Route(""))

    assert isinstance(caught.value.__cause__, ExceptionGroup)
    assert caught.value.__cause__.subgroup(AskCycle) is not None


# -- G18: introspection ---------------------------------------------------------------------------------------------


async def test_g18_status_is_one_tree_and_has_no_side_effects(rig: Rig, autojump_clock: MockClock) -> None:
    """A snapshot says what each actor does, and prints one line an actor."""
    async with rig.open() as root:
        ref = await root.start(rig.actor("a", backoff=Backoff(initial=4, jitter=0)))
        other = await root.start(rig.actor("b"))
        demand = await root.start_on_demand(Rig.group("demand"), rig.actor, idle_after=5)
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
