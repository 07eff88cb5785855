"""G6, G8 and G9: control, back-off, strategies (G7 has `test_window.py`)."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import Backoff, ChildSpec, Intensity, Stopped, SupervisorSpec, open_supervisor
from actors._backoff import RestartDelay
from actors.events import BackingOff, Crashed, Interrupted, Started
from tests.actors.rig import AT_ONCE, HOUR, Rig, Work, told

FOREVER = Work(1, seconds=HOUR)


# -- G6: control is never behind work -------------------------------------------------------------------------------


async def test_g6_a_stop_acts_while_the_box_is_full_and_the_handler_stuck(rig: Rig, autojump_clock: MockClock) -> None:
    """Control needs no room in the mailbox and no turn of the handler."""
    async with rig.open() as root:
        ref = await root.start(rig.actor("a", mailbox=1))
        await rig.tell(ref, FOREVER)
        await wait_all_tasks_blocked()
        await rig.tell(ref, Work(2))
        before = trio.current_time()
        assert ref.status().state == "running"

        await ref.stop(3)

        assert trio.current_time() - before == pytest.approx(3)
        assert ref.status().state == "stopped"


async def test_g6_one_busy_actor_leaves_the_others_their_turn(rig: Rig, autojump_clock: MockClock) -> None:
    """An actor whose handler never waits yields all the same, every so many messages."""
    heard: list[int] = []

    @asynccontextmanager
    async def start() -> AsyncIterator[Any]:
        async def handle(work: Work) -> None:
            heard.append(work.id)

        yield handle

    async with rig.open() as root:
        ref = await root.start(ChildSpec(name="a", start=start, mailbox=1_000))
        for number in range(1_000):
            ref.tell_nowait(Work(number))
        await trio.lowlevel.checkpoint()
        await trio.lowlevel.checkpoint()

        assert 0 < len(heard) < 1_000


# -- G8: back-off ---------------------------------------------------------------------------------------------------


async def test_g8_the_gaps_between_restarts_follow_the_formula(rig: Rig, autojump_clock: MockClock) -> None:
    """An actor that cannot start is tried again after exactly the delays that the seeded formula gives."""
    backoff = Backoff(initial=0.5, factor=3, maximum=20, jitter=0.2)
    expected = RestartDelay(backoff, seed="root/a")
    async with rig.open() as root:
        ref = await root.start(rig.actor("a", backoff=backoff))
        for number in range(5):
            began = trio.current_time()
            await rig.tell(ref, Work(number, raises=ValueError))
            await wait_all_tasks_blocked()
            assert (ref.status().state, ref.status().queued) == ("backing_off", 0)
            await rig.ask(ref, Work(100 + number))

            assert trio.current_time() - began == pytest.approx(expected.after(0))

    assert next(event.delay for event in rig.events if isinstance(event, BackingOff)) == pytest.approx(0.5, rel=0.2)


async def test_g8_mail_waits_for_the_next_incarnation(rig: Rig, autojump_clock: MockClock) -> None:
    """During back-off mail queues, and no more of it than the mailbox holds."""
    async with rig.open() as root:
        ref = await root.start(rig.actor("a", mailbox=2, backoff=Backoff(initial=10, jitter=0)))
        await rig.tell(ref, Work(1, raises=ValueError))
        await wait_all_tasks_blocked()
        for number in (2, 3, 4):
            rig.tell_nowait(ref, Work(number))
        await trio.sleep(11)

    assert rig.started == [1, 2, 3]
    assert rig.fates[4] == "not started"


# -- G9: strategies -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "interrupted", "started"),
    [
        ("one_for_one", [], ["b"]),
        ("rest_for_one", ["d", "c"], ["b", "c", "d"]),
        ("one_for_all", ["d", "c", "a"], ["a", "b", "c", "d"]),
    ],
)
async def test_g9_a_strategy_restarts_its_set_in_order(
    rig: Rig, autojump_clock: MockClock, strategy: Any, interrupted: list[str], started: list[str]
) -> None:
    """Siblings end right to left and start left to right, each start after the one before it is ready."""
    async with rig.open() as root:
        group = await root.start_supervisor(Rig.group(strategy=strategy))
        refs = {name: await group.start(rig.actor(name, start_s=1, cleanup_s=1)) for name in "abcd"}
        before = len(rig.events)
        await rig.tell(refs["b"], Work(1, raises=ValueError))
        await trio.sleep(20)

        assert told(rig, Interrupted, since=before) == interrupted
        assert told(rig, Started, since=before) == started


async def test_g9_a_temporary_sibling_ends_with_its_group(rig: Rig, autojump_clock: MockClock) -> None:
    """A temporary child is never restarted, for a sibling's crash neither."""
    async with rig.open() as root:
        group = await root.start_supervisor(Rig.group(strategy="one_for_all"))
        first = await group.start(rig.actor("a"))
        second = await group.start(rig.actor("b", restart="temporary"))
        await rig.ask(first, Work(1, raises=ValueError))
        await rig.ask(first, Work(2))

        with pytest.raises(Stopped):
            await second.ask(Work(3))


@pytest.mark.parametrize("policy", ["permanent", "transient", "temporary"])
@pytest.mark.parametrize("swallowed", [True, False])
async def test_g9_a_policy_says_which_end_is_followed_by_a_restart(
    rig: Rig, autojump_clock: MockClock, policy: Any, swallowed: bool
) -> None:
    """Permanent always, transient after a crash, temporary never; an end without error is no crash."""

    @asynccontextmanager
    async def start() -> AsyncIterator[Any]:
        try:
            yield rig.handle
        except ValueError:
            if not swallowed:
                raise

    async with rig.open() as root:
        spec = ChildSpec(name="a", start=start, mailbox=3, restart=policy, backoff=AT_ONCE)
        ref = await root.start(spec)
        await rig.ask(ref, Work(1, raises=ValueError))
        await wait_all_tasks_blocked()

        lives = policy == "permanent" or (policy == "transient" and not swallowed)
        assert ("a" in root.children) is lives


async def test_g9_a_stop_during_a_groups_restart_leaves_the_rest_running(rig: Rig, autojump_clock: MockClock) -> None:
    """A member stopped while it starts does not keep those after it from starting."""
    async with rig.open() as root:
        group = await root.start_supervisor(Rig.group(strategy="one_for_all"))
        refs = {name: await group.start(rig.actor(name, start_s=1)) for name in "abc"}
        await rig.tell(refs["c"], Work(1, raises=ValueError))
        await trio.sleep(0.5)
        assert refs["a"].status().state == "starting"

        await refs["a"].stop()
        await rig.ask(refs["c"], Work(2))


async def test_g9_a_member_stopped_while_its_group_ends_is_left_out(rig: Rig, autojump_clock: MockClock) -> None:
    """Its stop is final: the group neither interrupts it again nor starts it."""
    async with rig.open() as root:
        group = await root.start_supervisor(Rig.group(strategy="one_for_all"))
        refs = {name: await group.start(rig.actor(name, cleanup_s=2 * (name == "c"))) for name in "abc"}
        await rig.tell(refs["a"], Work(1, raises=ValueError))
        await trio.sleep(1)
        assert [child.state for child in group.status().children] == ["backing_off", "running", "stopping"]
        await refs["b"].stop()
        await trio.sleep(10)

        assert list(group.children) == ["a", "c"]


async def test_g9_what_is_stopped_during_back_off_is_left_out(rig: Rig, autojump_clock: MockClock) -> None:
    """A group under restart goes on without a member that was stopped meanwhile, at once and for good."""
    async with rig.open() as root:
        group = await root.start_supervisor(Rig.group(strategy="one_for_all"))
        wait = Backoff(initial=5, jitter=0)
        refs = {name: await group.start(rig.actor(name, cleanup_s=2, backoff=wait)) for name in "abc"}
        await rig.tell(refs["a"], Work(1, raises=ValueError))
        await trio.sleep(2.5)
        before = trio.current_time()
        await refs["a"].stop()
        assert trio.current_time() == before
        await trio.sleep(20)

        assert list(group.children) == ["b", "c"]
        assert [child.state for child in group.status().children] == ["running", "running"]


async def test_g9_a_nested_supervisor_stopped_while_its_group_ends_stays_so(
    rig: Rig, autojump_clock: MockClock
) -> None:
    """What holds for an actor holds for a supervisor: its stop is final, and all below it hear so."""
    async with rig.open() as root, trio.open_nursery() as nursery:
        group = await root.start_supervisor(Rig.group(strategy="one_for_all"))
        first = await group.start(rig.actor("a"))
        nested = await group.start_supervisor(Rig.group("nested"))
        second = await nested.start(rig.actor("b", cleanup_s=2))
        await rig.tell(first, Work(1, raises=ValueError))
        await trio.sleep(1)
        nursery.start_soon(rig.ask, second, Work(2))
        await nested.stop()

        assert (nested.status().state, list(group.children)) == ("stopped", ["a"])
    assert rig.fates[2] == "not started"


async def test_g9_a_sibling_that_fails_while_it_is_interrupted_counts_once(rig: Rig, autojump_clock: MockClock) -> None:
    """One cause is one restart: what a crash of the group brings down with it is not judged again."""
    async with rig.open() as root, trio.open_nursery() as nursery:
        group = await root.start_supervisor(Rig.group(strategy="one_for_all", limit=1))
        first = await group.start(rig.actor("a"))
        second = await group.start(rig.actor("b", cleanup_s=5, cleanup_grace=1, workers=2))
        nursery.start_soon(rig.ask, second, Work(1, seconds=60))
        await wait_all_tasks_blocked()
        await rig.ask(first, Work(2, raises=ValueError))
        await trio.sleep(3)
        await rig.ask(second, Work(3))

    assert told(rig, Crashed) == ["a", "b", "b"]  # the last at the end: its clean-up never is in time
    assert rig.fates == {1: "unknown", 2: "failed", 3: "answered"}


async def test_g8_a_start_that_is_slow_to_fail_backs_off_all_the_same(autojump_clock: MockClock) -> None:
    """Time spent starting is no healthy spell: the delays grow."""
    begun: list[float] = []

    @asynccontextmanager
    async def start() -> AsyncIterator[Callable[[int], Awaitable[None]]]:
        begun.append(trio.current_time())

        async def handle(_: int) -> None:
            raise RuntimeError("crash")

        if len(begun) > 1:
            await trio.sleep(15)
            raise OSError("no connection")
        yield handle

    spec = ChildSpec(
        name="slow", start=start, mailbox=1, backoff=Backoff(initial=1, jitter=0), intensity=Intensity(limit=100)
    )
    async with open_supervisor(SupervisorSpec(name="root", total=Intensity(limit=100))) as root:
        ref = await root.start(spec)
        ref.tell_nowait(1)
        await trio.sleep(60)

    waits = [later - earlier for earlier, later in itertools.pairwise(begun)]
    assert waits[:4] == pytest.approx([1, 15 + 2, 15 + 4, 15 + 8])
