"""G11, G12 and G17: starting and stopping."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import (
    ActorError,
    Backoff,
    ChildSpec,
    HandlerFailed,
    Intensity,
    Restarting,
    Stopped,
    SupervisorSpec,
    open_supervisor,
)
from actors.events import Crashed, Ended
from tests.actors.rig import HOUR, ROOT, Rig, Work, told

FOREVER = Work(1, seconds=HOUR)


# -- G11: drain -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("grace", "finished"), [(0, []), (2.5, [0, 1]), (math.inf, [0, 1, 2, 3])])
async def test_g11_a_stop_finishes_queued_mail_within_its_grace(
    rig: Rig, autojump_clock: MockClock, grace: float, finished: list[int]
) -> None:
    """New mail is refused at once; queued mail is handled until the deadline."""
    async with rig.open() as root, trio.open_nursery() as nursery:
        ref = await root.start(rig.actor("a"))
        for number in range(4):
            await rig.tell(ref, Work(number, seconds=1))
        await wait_all_tasks_blocked()
        nursery.start_soon(ref.stop, grace)
        await wait_all_tasks_blocked()

        with pytest.raises(Stopped, match="stopp"):
            ref.tell_nowait(Work(9))

    assert rig.finished == finished


async def test_g11_a_second_stop_can_only_shorten_the_grace(rig: Rig, autojump_clock: MockClock) -> None:
    """The earliest deadline counts, for an actor and for a whole tree."""
    async with rig.open() as root, trio.open_nursery() as nursery:
        ref = await root.start(rig.actor("a"))
        await rig.tell(ref, FOREVER)
        await wait_all_tasks_blocked()
        began = trio.current_time()
        for grace in (60.0, 5.0, 30.0):
            nursery.start_soon(root.stop, grace)
            await trio.sleep(1)
        await ref.stop()

        assert trio.current_time() - began == pytest.approx(6)


async def test_g11_clean_up_has_its_own_deadline(rig: Rig, autojump_clock: MockClock) -> None:
    """A clean-up that hangs is cut short after `cleanup_grace`, and reported as a crash."""
    async with rig.open() as root:
        ref = await root.start(rig.actor("a", cleanup_s=HOUR, cleanup_grace=2))
        began = trio.current_time()

        await ref.stop()

        assert trio.current_time() - began == pytest.approx(2)
    (crash,) = [event for event in rig.events if isinstance(event, Crashed)]
    assert str(crash.error) == "clean-up of `root/a` was cut short after 2 s"


async def test_g11_an_actor_that_is_starting_finishes_its_mail_too(rig: Rig, autojump_clock: MockClock) -> None:
    """A stop lets a start go on within the grace if mail waits, and calls it off if none does."""
    async with rig.open() as root:
        first = await root.start(rig.actor("a", start_s=3))
        second = await root.start(rig.actor("b", start_s=3))
        await rig.ask(first, Work(1, raises=ValueError))
        await rig.ask(second, Work(2, raises=ValueError))
        await trio.sleep(1)
        await rig.tell(first, Work(3))
        began = trio.current_time()

        await second.stop()
        assert trio.current_time() == began
        await first.stop()
        assert trio.current_time() - began == pytest.approx(2)

    assert rig.finished == [3]


async def test_g11_mail_finished_after_a_late_start_has_one_deadline(rig: Rig, autojump_clock: MockClock) -> None:
    """The grace runs from the stop; when it ends, the clean-up still has its own time."""
    async with rig.open() as root:
        ref = await root.start(rig.actor("a", start_s=3, cleanup_s=1))
        await rig.ask(ref, Work(1, raises=ValueError))
        await rig.tell(ref, Work(2, seconds=HOUR))
        await trio.sleep(1)
        began = trio.current_time()

        await ref.stop(5)

        assert trio.current_time() - began == pytest.approx(6)
    assert (rig.started, told(rig, Crashed)) == ([1, 2], ["a"])


async def test_g11_a_stop_during_back_off_is_at_once(rig: Rig, autojump_clock: MockClock) -> None:
    """An actor that sits out its back-off ends without waiting; what it has queued is told so."""
    async with rig.open() as root:
        ref = await root.start(rig.actor("a", backoff=Backoff(initial=30, maximum=30)))
        await rig.tell(ref, Work(1, raises=ValueError))
        await wait_all_tasks_blocked()
        await rig.tell(ref, Work(2))
        began = trio.current_time()

        await ref.stop()

        assert trio.current_time() == began
    assert rig.dead() == [2]


async def test_g11_a_handler_that_fails_when_cut_short_is_told(rig: Rig, autojump_clock: MockClock) -> None:
    """Its asker gets the failure and the events a crash; the actor ends all the same."""

    @asynccontextmanager
    async def start() -> AsyncIterator[Any]:
        async def handle(_work: Work) -> None:
            try:
                await trio.sleep_forever()
            finally:
                raise ValueError

        yield handle

    async with rig.open() as root, trio.open_nursery() as nursery:
        ref = await root.start(ChildSpec(name="a", start=start, mailbox=1))

        async def ask() -> None:
            with pytest.raises(HandlerFailed):
                await ref.ask(Work(1))

        nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        await ref.stop(1)

    assert told(rig, Crashed) == ["a"]


# -- G12: no orphans ------------------------------------------------------------------------------------------------


async def test_g12_an_error_in_the_block_ends_the_tree_and_stays_bare(rig: Rig, autojump_clock: MockClock) -> None:
    """Callers see their own error, not a group; the tree is gone when they do (the fixture looks)."""
    with pytest.raises(KeyError):
        async with rig.open() as root:
            await root.start(rig.actor("a", cleanup_s=1))
            raise KeyError


async def test_g12_a_failed_tree_is_noted_on_the_error_of_its_block(rig: Rig, autojump_clock: MockClock) -> None:
    """When the block and the tree both fail, neither error is lost."""
    with pytest.raises(KeyError) as caught:
        async with rig.open(SupervisorSpec(name="root", total=Intensity(limit=0))) as root:
            ref = await root.start(rig.actor("a"))
            try:
                await rig.tell(ref, Work(1, raises=ValueError))
                await trio.sleep_forever()
            finally:
                raise KeyError

    assert "`root` failed: SupervisorGaveUp" in caught.value.__notes__[0]


async def test_g12_a_cancelled_block_still_stops_in_order(rig: Rig, autojump_clock: MockClock) -> None:
    """Right to left, each clean-up with its own time, even when the caller cannot wait."""
    with trio.move_on_after(1):
        async with rig.open() as root:
            for name in "abc":
                ref = await root.start(rig.actor(name, cleanup_s=1))
            await rig.tell(ref, FOREVER)
            await trio.sleep_forever()

    assert told(rig, Ended) == ["c", "b", "a", "root"]
    assert trio.current_time() == pytest.approx(4)


class Abort(BaseException):
    """What is no `Exception` is nobody's crash: like `KeyboardInterrupt` it ends everything."""


async def test_g12_what_is_no_crash_ends_the_tree_with_all_its_clean_ups(rig: Rig, autojump_clock: MockClock) -> None:
    """Siblings are cancelled, but each still has the time that its clean-up may take."""
    cleaned: list[str] = []

    @asynccontextmanager
    async def start() -> AsyncIterator[Any]:
        async def handle(_work: Work) -> None:
            raise Abort

        try:
            yield handle
        finally:
            await trio.sleep(1)
            cleaned.append("one")

    with pytest.raises(BaseExceptionGroup) as caught:
        async with rig.open() as root:
            await root.start(ChildSpec(name="a", start=start, mailbox=1))
            ref = await root.start(ChildSpec(name="b", start=start, mailbox=1))
            await ref.ask(Work(1))

    assert caught.group_contains(Abort)
    assert cleaned == ["one", "one"]


# -- G17: start is synchronous and honest ---------------------------------------------------------------------------


async def test_g17_start_returns_a_ready_actor_or_raises_its_error(rig: Rig, autojump_clock: MockClock) -> None:
    """The true error arrives bare, the name is free again, and nothing is restarted."""

    @asynccontextmanager
    async def fail() -> AsyncIterator[Any]:
        await trio.sleep(1)
        raise FileNotFoundError("the log directory")
        yield

    async with rig.open() as root:
        with pytest.raises(FileNotFoundError, match="the log directory"):
            await root.start(ChildSpec(name="a", start=fail, mailbox=1))
        await root.start(rig.actor("a"))

        with pytest.raises(ValueError, match="`root` has a child called `a` already"):
            await root.start(rig.actor("a"))


async def test_g17_a_start_may_be_cancelled_by_its_caller(rig: Rig, autojump_clock: MockClock) -> None:
    """A start that hangs is given up with its caller; the name is free when the caller goes on."""
    async with rig.open() as root:
        with trio.move_on_after(1):
            await root.start(rig.actor("a", start_s=math.inf))

        assert root.status().children == ()
        await root.start(rig.actor("a"))


async def test_g17_a_start_is_told_that_its_supervisor_has_ended(rig: Rig, autojump_clock: MockClock) -> None:
    """Starting under a supervisor that stops meanwhile, or has stopped, is `Stopped`; a restart is `Restarting`."""
    async with rig.open(ROOT) as root, trio.open_nursery() as nursery:
        group = await root.start_supervisor(Rig.group(limit=0))
        ref = await group.start(rig.actor("a"))

        async def start(error: type[ActorError], name: str) -> None:
            with pytest.raises(error):
                await group.start(rig.actor(name, start_s=60))

        nursery.start_soon(start, Restarting, "b")
        await wait_all_tasks_blocked()
        await rig.ask(ref, Work(1, raises=ValueError))
        await trio.sleep(1)
        nursery.start_soon(start, Stopped, "c")
        await wait_all_tasks_blocked()
        await root.stop()
        with pytest.raises(Stopped, match="`root` is stopped"):
            await root.start(rig.actor("d"))


async def test_g11_a_start_that_completes_after_its_cancel_is_cleaned_up(autojump_clock: MockClock) -> None:
    """What a start has opened is closed with the whole clean-up grace, though the stop came while it started."""
    did: list[str] = []

    @asynccontextmanager
    async def start() -> AsyncIterator[Callable[[int], Awaitable[None]]]:
        with trio.CancelScope(shield=True):  # stands in for work in a thread, which cannot be cancelled
            await trio.sleep(1)
        did.append("opened")

        async def handle(_: int) -> None: ...

        try:
            yield handle
        finally:
            await trio.sleep(1)  # noqa: ASYNC102  # the runtime gives it its own deadline
            did.append("closed")

    async with open_supervisor(SupervisorSpec(name="root")) as root:
        with trio.move_on_after(0.5) as scope:
            await root.start(ChildSpec(name="db", start=start, mailbox=1, cleanup_grace=5.0))

    assert scope.cancelled_caught
    assert did == ["opened", "closed"]
