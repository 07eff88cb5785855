"""Children on demand: started by their first message, passivated when idle, and nothing lost in between."""

from __future__ import annotations

import gc
import math
import sys
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import (
    Backoff,
    ChildSpec,
    Intensity,
    OnDemand,
    Request,
    Stopped,
    Supervisor,
    SupervisorSpec,
    open_supervisor,
)
from actors.events import BackingOff, Crashed, Ended, Event, GaveUp, Passivated, Started
from tests.actors.rig import DEMAND, GENEROUS, Rig, Work, told


async def on_demand(root: Supervisor, rig: Rig, *, idle_after: float = 5.0, **fields: Any) -> OnDemand:
    return await root.start_on_demand(DEMAND, lambda key: rig.actor(key, **fields), idle_after=idle_after)


async def test_an_idle_child_is_passivated_and_starts_again(rig: Rig, autojump_clock: MockClock) -> None:
    """After `idle_after` seconds without mail the child ends; the same ref starts it with its next message."""
    async with rig.open() as root:
        demand = await on_demand(root, rig, idle_after=5)
        ref = demand.ref("x")
        assert list(demand.children) == []
        await rig.ask(ref, Work(1))
        await trio.sleep(4)
        await rig.ask(ref, Work(2))
        await trio.sleep(4.9)
        assert list(demand.children) == ["x"]
        await trio.sleep(0.2)
        assert list(demand.children) == []
        await rig.ask(ref, Work(3))

    mine = [type(event) for event in rig.events if event.actor == "root/demand/x"]
    assert mine == [Started, Passivated, Started, Ended]


async def test_mail_that_comes_while_a_child_is_passivated_is_kept(rig: Rig, autojump_clock: MockClock) -> None:
    """A message sent during the clean-up of an idle child is handled by its next incarnation, in order."""
    async with rig.open() as root:
        ref = (await on_demand(root, rig, idle_after=5, cleanup_s=2, mailbox=2)).ref("x")
        await rig.ask(ref, Work(1))
        await trio.sleep(6)
        for number in (2, 3, 4, 5):
            await rig.tell(ref, Work(number))
        await trio.sleep(1)

    assert rig.started == [1, 2, 3, 4, 5]


async def test_a_child_is_idle_only_when_all_its_workers_are(rig: Rig, autojump_clock: MockClock) -> None:
    """While one worker is busy, or was a moment ago, no other worker leaves."""
    async with rig.open() as root, trio.open_nursery() as nursery:
        demand = await on_demand(root, rig, idle_after=5, workers=3)
        ref = demand.ref("x")
        nursery.start_soon(rig.ask, ref, Work(1, seconds=12))
        await trio.sleep(16)
        assert list(demand.children) == ["x"]
        for number in (2, 3, 4):
            nursery.start_soon(rig.ask, ref, Work(number, seconds=1))
        await wait_all_tasks_blocked()
        assert ref.status().in_hand == 3
        await trio.sleep(7)
        assert list(demand.children) == []


async def test_a_child_is_idle_since_its_last_worker_is(rig: Rig, autojump_clock: MockClock) -> None:
    """The whole time counts from the end of the last message, and nobody else's time is touched by it."""
    async with rig.open() as root, trio.open_nursery() as nursery:
        demand = await on_demand(root, rig, idle_after=5, workers=2)
        for number, seconds in ((1, 1), (2, 4)):
            nursery.start_soon(rig.ask, demand.ref("x"), Work(number, seconds=seconds))
        nursery.start_soon(rig.ask, demand.ref("y"), Work(3, seconds=2))
        await trio.sleep(6.9)
        assert sorted(demand.children) == ["x", "y"]
        await trio.sleep(0.2)
        assert list(demand.children) == ["x"]
        await trio.sleep(1.8)
        assert list(demand.children) == ["x"]
        await trio.sleep(0.2)
        assert list(demand.children) == []


async def test_a_crash_at_the_end_of_the_idle_time_is_a_crash(rig: Rig, autojump_clock: MockClock) -> None:
    """Whichever comes first of the two, the child is restarted like any other: it was not idle."""
    names = [str(number) for number in range(20)]
    async with rig.open() as root, trio.open_nursery() as nursery:
        demand = await on_demand(root, rig, idle_after=5, workers=2, intensity=GENEROUS)
        for name in names:
            nursery.start_soon(rig.ask, demand.ref(name), Work(int(name), seconds=6, raises=ValueError))
            nursery.start_soon(rig.ask, demand.ref(name), Work(100 + int(name), seconds=1))
        await trio.sleep(6.1)

    assert {event.actor for event in rig.events if isinstance(event, BackingOff)} == {f"root/demand/{n}" for n in names}


@pytest.mark.skipif(sys.gettrace() is not None, reason="whatever follows the program keeps objects of its own")
async def test_an_idle_child_weighs_little() -> None:
    """Hundreds of thousands may wait for mail: 8 kB of Python objects each, with all that keeps watch over them."""

    async def handle(message: Work) -> None:
        pass

    def make(key: str) -> ChildSpec[Work]:
        return ChildSpec(name=key, start=lambda: nullcontext(handle), mailbox=8, abandoned="cancel")

    async with open_supervisor(SupervisorSpec(name="root")) as root:
        demand = await root.start_on_demand(SupervisorSpec(name="demand"), make, idle_after=900)
        for number in range(100):
            await demand.ref(f"warm-{number}").ask(Work(number))
        gc.collect()
        tracemalloc.start()
        try:
            for number in range(300):
                await demand.ref(f"child-{number}").ask(Work(number))
            gc.collect()
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert held / 300 < 8_000


async def test_a_child_that_spends_its_budget_goes_alone(rig: Rig, autojump_clock: MockClock) -> None:
    """Its queued mail fails, its siblings live on, and its next message begins afresh."""
    async with rig.open() as root:
        demand = await on_demand(root, rig, intensity=Intensity(limit=0), backoff=Backoff())
        await rig.ask(demand.ref("y"), Work(1))
        await rig.tell(demand.ref("x"), Work(2, raises=ValueError))
        await rig.tell(demand.ref("x"), Work(3))
        await trio.sleep(1)
        assert list(demand.children) == ["y"]
        await rig.ask(demand.ref("x"), Work(4))

    assert [event.child for event in rig.events if isinstance(event, GaveUp)] == ["x"]
    assert rig.dead() == [3]


async def test_what_the_maker_of_a_spec_raises_reaches_the_sender(rig: Rig, autojump_clock: MockClock) -> None:
    """A key that cannot be made is the sender's error, and nothing else happens."""

    def make(key: str) -> ChildSpec[Any]:
        raise LookupError(key)

    async with rig.open() as root:
        demand = await root.start_on_demand(DEMAND, make, idle_after=1)

        with pytest.raises(LookupError, match="x"):
            await demand.ref("x").ask(Work(1))
        with pytest.raises(LookupError, match="x"):
            await demand.ref("x").tell(Work(1))
        assert list(demand.children) == []
    with pytest.raises(Stopped):
        demand.ref("x").tell_nowait(Work(1))


async def test_stopping_a_child_on_demand_ends_only_what_is_active(rig: Rig, autojump_clock: MockClock) -> None:
    """A passive child needs no stop; an active one is stopped, and a later message starts it again."""
    async with rig.open() as root:
        demand = await on_demand(root, rig, idle_after=math.inf)
        ref = demand.ref("x")
        await ref.stop()
        assert rig.started == []
        await rig.ask(ref, Work(1))
        await ref.stop()
        assert list(demand.children) == []
        await rig.ask(ref, Work(2))


async def test_children_on_demand_have_no_order(rig: Rig) -> None:
    """Only `one_for_one` makes sense for them."""
    async with rig.open() as root:
        with pytest.raises(ValueError, match="children on demand have no order; need one_for_one, got one_for_all"):
            await root.start_on_demand(SupervisorSpec(name="demand", strategy="one_for_all"), rig.actor, idle_after=1)


@pytest.mark.parametrize("ending", ["stop", "restart"])
async def test_children_on_demand_end_all_at_once(rig: Rig, autojump_clock: MockClock, ending: str) -> None:
    """However many there are, their supervisor ends within the time of one."""
    async with rig.open() as root, trio.open_nursery() as nursery:
        group = await root.start_supervisor(Rig.group(strategy="one_for_all"))
        first = await group.start(rig.actor("a"))
        demand = await group.start_on_demand(
            DEMAND, lambda key: rig.actor(key, cleanup_s=1, stop_grace=2), idle_after=60
        )
        for number, key in enumerate("vwxyz"):
            nursery.start_soon(rig.ask, demand.ref(key), Work(number, seconds=math.inf))
        await wait_all_tasks_blocked()
        began = trio.current_time()
        if ending == "stop":
            await group.stop()
            assert trio.current_time() - began == pytest.approx(3)
        else:
            await rig.ask(first, Work(10, raises=ValueError))
            await rig.ask(first, Work(11))
            assert trio.current_time() - began == pytest.approx(1)

    assert [rig.fates[number] for number in range(5)] == ["unknown"] * 5


@asynccontextmanager
async def fragile() -> AsyncIterator[Callable[[str], Awaitable[None]]]:
    """An actor that crashes when told to."""

    async def handle(word: str) -> None:
        if word == "crash":
            raise RuntimeError(word)

    yield handle


async def test_the_crashes_of_some_are_not_charged_to_others(autojump_clock: MockClock) -> None:
    """However many children crash, the first crash of another is followed by a restart."""
    gave_up: list[Event] = []

    def hear(event: Event) -> None:
        if isinstance(event, GaveUp):
            gave_up.append(event)

    def make(key: str) -> ChildSpec[str]:
        return ChildSpec(name=key, start=fragile, mailbox=4)

    async with open_supervisor(SupervisorSpec(name="root"), hooks=[hear]) as root:
        family = await root.start_on_demand(SupervisorSpec(name="family"), make, idle_after=1000)
        for number in range(50):
            await family.ref(f"child{number}").tell("crash")
        await trio.sleep(10)

    assert gave_up == []


async def test_a_child_whose_restart_hangs_holds_up_no_other(autojump_clock: MockClock) -> None:
    """After their supervisor was restarted, the children come back independently of each other."""
    hanging: list[str] = []

    def make(key: str) -> ChildSpec[Get]:
        @asynccontextmanager
        async def start() -> AsyncIterator[Callable[[Get], Awaitable[str]]]:
            if key in hanging:
                await trio.sleep_forever()

            async def handle(_: Get) -> str:
                return key

            yield handle

        return ChildSpec(name=key, start=start, mailbox=4)

    async with open_supervisor(SupervisorSpec(name="root", strategy="one_for_all")) as root:
        family = await root.start_on_demand(SupervisorSpec(name="family"), make, idle_after=1000)
        other = await root.start(ChildSpec(name="other", start=fragile, mailbox=4))
        for key in ("bad", "good"):
            await family.ref(key).ask(Get())
        hanging.append("bad")
        await other.tell("crash")
        await trio.sleep(5)
        with trio.fail_after(5):
            answer = await family.ref("good").ask(Get())

    assert answer == "good"


class Get(Request[str]):
    """Ask an actor for its key."""


def unsaving(rig: Rig, *, cleanup_s: float = 0) -> Any:
    """Return a maker of specs whose clean-up always fails."""

    def make(key: str) -> ChildSpec[Any]:
        @asynccontextmanager
        async def start() -> AsyncIterator[Any]:
            yield rig.handle
            await trio.sleep(cleanup_s)
            raise OSError("cannot save")

        return ChildSpec(name=key, start=start, mailbox=4)

    return make


async def test_a_clean_up_that_fails_when_idle_is_not_tried_without_mail(rig: Rig, autojump_clock: MockClock) -> None:
    """The crash is told once; the next message begins afresh."""
    async with rig.open() as root:
        demand = await root.start_on_demand(DEMAND, unsaving(rig), idle_after=1)
        await rig.ask(demand.ref("x"), Work(1))
        await trio.sleep(100)
        assert told(rig, Crashed) == ["x"]

        await rig.ask(demand.ref("x"), Work(2))
        await trio.sleep(100)
        assert told(rig, Crashed) == ["x", "x"]


async def test_mail_that_comes_while_an_idle_clean_up_fails_is_kept(rig: Rig, autojump_clock: MockClock) -> None:
    """The crash is followed by a restart, as any crash of an actor with mail."""
    async with rig.open() as root:
        demand = await root.start_on_demand(DEMAND, unsaving(rig, cleanup_s=1), idle_after=1)
        await rig.ask(demand.ref("x"), Work(1))
        await trio.sleep(1.5)
        await rig.ask(demand.ref("x"), Work(2))

        assert told(rig, Crashed) == ["x"]
    assert rig.fates == {1: "answered", 2: "answered"}
