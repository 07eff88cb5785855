"""What a second look at the runtime found: races and slips that the laws did not name."""

from __future__ import annotations

import contextlib
import gc
import math
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock, assert_checkpoints

from actors import (
    ChildSpec,
    HandlerFailed,
    Intensity,
    OutcomeUnknown,
    Ref,
    Request,
    Stopped,
    SupervisorGaveUp,
    SupervisorSpec,
    open_supervisor,
)
from actors.events import Started
from actors.testing import run_taped
from tests.actors.rig import DEMAND, Rig, Work


class Get(Request[Any]):
    pass


def actor(handle: Any, **fields: Any) -> ChildSpec[Any]:
    @asynccontextmanager
    async def start() -> AsyncIterator[Any]:
        yield handle

    return ChildSpec(name="a", start=start, mailbox=10, **fields)


@pytest.mark.parametrize("draws", [[0, 0, 1], []])
def test_a_transient_that_ends_in_its_start_orphans_nobody(draws: list[int]) -> None:
    """Those to its right start all the same, whichever task is first to hear of its end."""

    async def program() -> None:
        starts = iter([False, True])

        @asynccontextmanager
        async def ends_at_its_second_start() -> AsyncIterator[Any]:
            with trio.CancelScope() as scope:
                if next(starts):
                    scope.cancel(reason="it has nothing to do")
                yield trio.sleep

        rig = Rig()
        async with rig.open(Rig.group("root", strategy="one_for_all")) as root:
            await root.start(ChildSpec(name="t", start=ends_at_its_second_start, mailbox=1, restart="transient"))
            ref = await root.start(rig.actor("b"))
            await rig.tell(ref, Work(1, raises=ValueError))
            with trio.fail_after(5):
                await rig.ask(ref, Work(2))
            assert "t" not in root.children

    run_taped(program, draws)


async def test_a_reply_that_another_task_abandons_ends(rig: Rig, autojump_clock: MockClock) -> None:
    """Whoever waits for it hears that nobody knows how it ends."""
    async with rig.open() as root, trio.open_nursery() as nursery:
        ref = await root.start(rig.actor("a"))
        reply = await ref.submit(Work(1, seconds=1))
        rig.fates[1] = "cancelled"

        async def wait() -> None:
            with pytest.raises(OutcomeUnknown, match="another task abandoned this reply"):
                await reply.wait()

        nursery.start_soon(wait)
        await trio.sleep(0.5)
        reply.abandon()


async def test_no_mail_is_begun_after_the_cut(rig: Rig, autojump_clock: MockClock) -> None:
    """A handler that finishes under a shield is the last one: what waits behind it was never begun."""

    async def handle(message: Work) -> int:
        rig.started.append(message.id)
        with trio.CancelScope(shield=True):
            await trio.sleep(1)
        return message.id

    rig.fates.update(dict.fromkeys(range(5), "told"))
    async with rig.open() as root:
        ref: Ref[Any] = await root.start(actor(handle))
        for number in range(5):
            ref.tell_nowait(Work(number))
        await trio.sleep(0.5)
        began = trio.current_time()

        await ref.stop(grace=0)

        assert trio.current_time() - began == 0.5
    assert rig.started == [0]


async def test_a_sibling_keeps_its_mail_when_its_group_is_interrupted(rig: Rig, autojump_clock: MockClock) -> None:
    """Shielded work ends, and the next message waits for the next incarnation instead of being cut short."""

    async def handle(message: Work) -> int:
        rig.started.append(message.id)
        with trio.CancelScope(shield=True):
            await trio.sleep(1)
        return message.id

    async with rig.open(Rig.group("root", strategy="one_for_all")) as root:
        crashing = await root.start(rig.actor("crashing"))
        ref: Ref[Any] = await root.start(actor(handle))
        first, second = ref.submit_nowait(Work(1)), ref.submit_nowait(Work(2))
        rig.fates.update({1: "answered", 2: "answered"})
        await trio.sleep(0.5)
        await rig.tell(crashing, Work(3, raises=ValueError))

        assert (await first.wait(), await second.wait()) == (1, 2)


async def test_a_transient_that_ended_by_itself_stays_ended(rig: Rig, autojump_clock: MockClock) -> None:
    """Even if its supervisor is being restarted at that moment."""
    end_now = trio.Event()

    @asynccontextmanager
    async def ends_itself() -> AsyncIterator[Any]:
        async with trio.open_nursery() as nursery:

            async def wait() -> None:
                await end_now.wait()
                nursery.cancel_scope.cancel(reason="done")

            nursery.start_soon(wait)
            yield trio.sleep

    async with rig.open(Rig.group("root", strategy="one_for_all")) as root:
        crashing = await root.start(rig.actor("crashing"))
        group = await root.start_supervisor(Rig.group("group"))
        await group.start(ChildSpec(name="t", start=ends_itself, mailbox=1, restart="transient"))
        await group.start(rig.actor("slow to end", cleanup_s=2))
        await rig.tell(crashing, Work(1, raises=ValueError))
        await trio.sleep(1)
        end_now.set()
        await trio.sleep(10)

    lives = [event.incarnation for event in rig.events if isinstance(event, Started) and event.actor.endswith("/t")]
    assert lives == [1]


async def test_a_refused_start_lets_others_run(rig: Rig, autojump_clock: MockClock) -> None:
    """A loop that tries again and again cannot keep a supervisor from its restart."""
    async with rig.open() as root:
        await root.start(rig.actor("a"))
        with assert_checkpoints(), pytest.raises(ValueError, match="has a child called `a` already"):
            await root.start(rig.actor("a"))
        group = await root.start_supervisor(Rig.group("group"))
        await group.stop()
        with assert_checkpoints(), pytest.raises(Stopped):
            await group.start(rig.actor("b"))


async def test_an_idle_actor_keeps_no_reply_alive(rig: Rig, autojump_clock: MockClock) -> None:
    """What it answered belongs to the asker alone."""

    class Answer:
        pass

    async def handle(_message: Any) -> Answer:
        return Answer()

    async with rig.open() as root:
        ref: Ref[Any] = await root.start(actor(handle))
        answer = weakref.ref(await ref.ask(Get()))
        await trio.sleep(1)
        gc.collect()
        assert answer() is None


@pytest.mark.parametrize("idle_after", [0, -1, math.nan])
async def test_children_on_demand_need_some_time_to_be_idle(rig: Rig, idle_after: float) -> None:
    """Zero would end workers that are at work."""
    async with rig.open() as root:
        with pytest.raises(ValueError, match="`demand`: need idle_after > 0"):
            await root.start_on_demand(DEMAND, rig.actor, idle_after=idle_after)


async def test_children_on_demand_have_no_budget_together(rig: Rig) -> None:
    """A `total` that nothing would ever count is refused."""
    async with rig.open() as root:
        with pytest.raises(ValueError, match="`group`: children on demand are independent; leave out `total`"):
            await root.start_on_demand(Rig.group(), rig.actor, idle_after=1)


@pytest.mark.parametrize("grace", [-1, math.nan, "x", -(10**400)])
async def test_a_grace_that_is_none_is_refused_before_anything_happens(
    rig: Rig, autojump_clock: MockClock, grace: Any
) -> None:
    """Whatever the stop is asked of, all goes on as before."""
    async with rig.open() as root:
        ref = await root.start(rig.actor("a"))

        for stop in (ref.stop, root.stop):
            with pytest.raises(ValueError, match="a grace is seconds >= 0"):
                await stop(grace)
        await rig.ask(ref, Work(1))


@pytest.mark.parametrize("raised", [KeyboardInterrupt(), SystemExit(3)])
async def test_an_interrupt_that_hits_an_actor_leaves_the_block_bare(raised: BaseException) -> None:
    """`except KeyboardInterrupt` around the block works, and an exit keeps its code."""

    async def handle(_message: Any) -> None:
        raise raised

    with pytest.raises(type(raised)) as caught:
        async with open_supervisor(SupervisorSpec(name="root")) as root:
            ref: Ref[Any] = await root.start(actor(handle))
            await ref.tell(Get())
            await trio.sleep_forever()

    assert caught.value.args == raised.args
    assert isinstance(caught.value.__cause__, BaseExceptionGroup)


async def test_what_the_failing_tree_told_the_block_gives_way_to_its_failure(autojump_clock: MockClock) -> None:
    """A block that fails of a refusal, because the tree has given up, ends with why it gave up."""
    rig = Rig()
    with pytest.raises(SupervisorGaveUp) as gave_up:
        async with rig.open(SupervisorSpec(name="root")) as root:
            ref = await root.start(rig.actor("a", intensity=Intensity(limit=0)))
            await root.start(rig.actor("slow to end", cleanup_s=1))
            while True:
                with contextlib.suppress(HandlerFailed):
                    await ref.ask(Work(1, raises=ValueError))

    assert isinstance(gave_up.value.__cause__, ValueError)


async def test_a_reply_says_when_it_is_there(rig: Rig, autojump_clock: MockClock) -> None:
    """Not before the handler has returned; then a caller that has been cancelled is given it too."""
    async with rig.open() as root:
        ref = await root.start(rig.actor("a"))
        reply = await ref.submit(Work(1, seconds=2))
        rig.fates[1] = "answered"
        await trio.sleep(1)
        before = reply.done
        await trio.sleep(2)

        with trio.CancelScope() as scope:
            scope.cancel(reason="nobody waits any more")
            value = await reply.wait()

    assert (before, reply.done, value) == (False, True, 1)


async def test_a_spec_made_under_another_name_is_refused(rig: Rig, autojump_clock: MockClock) -> None:
    """Its path and its status would name two actors."""
    async with rig.open() as root:
        demand = await root.start_on_demand(DEMAND, lambda _key: rig.actor("other"), idle_after=1)

        with pytest.raises(ValueError, match="the spec made for `x` of `root/demand` is called `other`"):
            await demand.ref("x").tell(Work(1))


async def test_without_hooks_failures_are_logged(autojump_clock: MockClock, caplog: pytest.LogCaptureFixture) -> None:
    """A crash with its traceback, a dead letter by its type; the content of no message."""
    rig = Rig()
    with pytest.raises(SupervisorGaveUp):
        async with open_supervisor(SupervisorSpec(name="root")) as root:
            ref = await root.start(rig.actor("a", intensity=Intensity(limit=0)))
            await ref.tell(Work(4711, raises=ValueError))
            await ref.tell(Work(4712))
            await trio.sleep(1)

    lines = [record.getMessage() for record in caplog.records]
    assert "`root/a`, incarnation 1, crashed" in lines
    assert "`root` gave up: `a` crashed too often; last: ValueError('message 4711')" in lines
    assert any(line.startswith("`Work` to `root/a` is a dead letter") for line in lines)
    assert not any("4712" in line for line in lines)


@pytest.mark.parametrize("hook", ["log", trio.sleep])
async def test_a_hook_that_cannot_be_one_is_refused(hook: Any) -> None:
    """Before anything starts."""
    with pytest.raises(TypeError, match="a hook must be a plain function of one event"):
        async with open_supervisor(SupervisorSpec(name="root"), hooks=[hook]):
            pass
