"""G10: what happens when a restart budget is spent."""

from __future__ import annotations

import math

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import Backoff, Intensity, Restarting, SupervisorGaveUp, SupervisorSpec
from actors.events import Crashed, Ended, GaveUp, Started
from tests.actors.rig import Rig, Work, told

FOREVER = Work(1, seconds=math.inf)


async def test_g10_a_spent_budget_ends_the_supervisor_with_the_last_crash(rig: Rig, autojump_clock: MockClock) -> None:
    """Siblings stop right to left, the block is cancelled, and the error's cause is what crashed last."""
    with pytest.raises(SupervisorGaveUp, match="`root`: `b` crashed too often; last: ValueError") as caught:
        async with rig.open() as root:
            budget = Intensity(limit=1, period=60)
            refs = [await root.start(rig.actor(name, intensity=budget)) for name in "abc"]
            await rig.ask(refs[1], Work(1, raises=ValueError))
            await rig.tell(refs[1], Work(2, raises=ValueError))
            await rig.ask(refs[2], Work(3, seconds=math.inf))

    assert isinstance(caught.value.__cause__, ValueError)
    assert told(rig, Ended) == ["c", "b", "a", "root"]
    assert [event.child for event in rig.events if isinstance(event, GaveUp)] == ["b"]


async def test_g10_a_nested_supervisor_lives_again_with_new_budgets(rig: Rig, autojump_clock: MockClock) -> None:
    """Its parent restarts it and its children; refs hold, queued askers are told, and the count begins anew."""
    async with rig.open() as root, trio.open_nursery() as nursery:
        group = await root.start_supervisor(Rig.group())
        ref = await group.start(rig.actor("a", intensity=Intensity(limit=1, period=60)))
        for number in (1, 2, 3):
            nursery.start_soon(rig.ask, ref, Work(number, seconds=1, raises=ValueError))
            await wait_all_tasks_blocked()
        await trio.sleep(5)
        await rig.ask(ref, Work(4, raises=ValueError))
        await rig.ask(ref, Work(5))

    assert rig.fates == {1: "failed", 2: "failed", 3: "not started", 4: "failed", 5: "answered"}
    assert told(rig, Crashed).count("group") == 1


async def test_g10_callers_in_all_boxes_hear_of_it_at_any_depth(rig: Rig, autojump_clock: MockClock) -> None:
    """What gives up resolves the mail of its grandchildren too."""
    async with rig.open() as root, trio.open_nursery() as nursery:
        outer = await root.start_supervisor(Rig.group("outer", limit=0))
        first = await outer.start(rig.actor("a"))
        second = await (await outer.start_supervisor(Rig.group("inner"))).start(rig.actor("b"))
        for work in (Work(1, seconds=60), Work(2)):
            nursery.start_soon(rig.ask, second, work)
            await wait_all_tasks_blocked()
        await rig.ask(first, Work(3, raises=ValueError))

    assert rig.fates == {1: "unknown", 2: "not started", 3: "failed"}


async def test_g10_a_temporary_child_does_not_outlive_its_supervisors_life(rig: Rig, autojump_clock: MockClock) -> None:
    """When a supervisor starts again it starts what is to be restarted, and refuses new children meanwhile."""
    async with rig.open() as root:
        group = await root.start_supervisor(
            SupervisorSpec(name="group", total=Intensity(limit=0), backoff=Backoff(initial=5, jitter=0))
        )
        ref = await group.start(rig.actor("a"))
        await group.start(rig.actor("b", restart="temporary"))
        await rig.ask(ref, Work(1, raises=ValueError))
        await trio.sleep(1)
        with pytest.raises(Restarting, match="`root/group` is backing_off: it cannot start `c`"):
            await group.start(rig.actor("c"))
        await trio.sleep(5)

        assert list(group.children) == ["a"]


async def test_g10_a_stop_acts_while_a_supervisor_starts_again(rig: Rig, autojump_clock: MockClock) -> None:
    """It need not wait until the children are ready, and the supervisor never says that it is."""
    async with rig.open() as root:
        group = await root.start_supervisor(Rig.group(limit=0))
        ref = await group.start(rig.actor("a", start_s=60))
        await rig.tell(ref, Work(1, raises=ValueError))
        await trio.sleep(1)
        assert group.status().state == "starting"
        before = trio.current_time()

        await group.stop()

        assert trio.current_time() == before
    assert told(rig, Started).count("group") == 1


async def test_g10_a_stop_is_heard_while_the_supervisor_gives_up(rig: Rig, autojump_clock: MockClock) -> None:
    """An actor that drains when its supervisor's life ends is stopped for good, and whoever waits for that hears."""
    async with rig.open() as root, trio.open_nursery() as nursery:
        group = await root.start_supervisor(Rig.group(limit=0))
        first, second = await group.start(rig.actor("a")), await group.start(rig.actor("b"))
        await rig.tell(first, Work(1, seconds=math.inf))
        nursery.start_soon(first.stop)
        await wait_all_tasks_blocked()
        await rig.tell(second, Work(2, raises=ValueError))
        await trio.sleep(1)

        assert first.status().state == "stopped"
        assert list(group.children) == ["b"]
