"""G3, G4 and G15: what an asker is told, and what becomes of what it asked when it leaves."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from actors import (
    Backoff,
    ChildSpec,
    HandlerFailed,
    OutcomeUnknown,
    Ref,
    Restarting,
    Stopped,
    SupervisorSpec,
    open_supervisor,
)
from tests.actors.rig import Refused, Rig, Work

# -- G3: no lost caller; G4: the caller knows what it may do --------------------------------------------------------


async def test_g4_a_crash_is_told_with_its_cause(rig: Rig, autojump_clock: MockClock) -> None:
    """The asker of the message that crashed gets `HandlerFailed`, the error attached."""
    async with rig.open() as root:
        ref = await root.start(rig.actor("a"))

        with pytest.raises(HandlerFailed, match=r"`Work` to actor `root/a`: its handler failed: ValueError") as caught:
            await ref.ask(Work(1, raises=ValueError))

    rig.fates[1] = "failed"
    assert isinstance(caught.value.__cause__, ValueError)


async def no_message() -> None: ...


def plain(_message: object) -> int:
    return 1


async def wrong_inside(message: object) -> None:
    plain(message)(message)  # type: ignore[operator]  # that is the point


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize(("handler", "told"), [(plain, True), (no_message, True), (wrong_inside, False)])
async def test_g4_what_is_no_handler_is_told_as_such(
    autojump_clock: MockClock, handler: Any, batch: int, *, told: bool
) -> None:
    """A function that is not async, or takes no message, is told; a `TypeError` of its own is like any error."""

    @asynccontextmanager
    async def start() -> AsyncIterator[Any]:
        yield handler

    async with open_supervisor(SupervisorSpec(name="root"), hooks=[]) as root:
        ref: Ref[Work] = await root.start(ChildSpec(name="a", start=start, mailbox=4, batch=batch))
        with pytest.raises(HandlerFailed, match="its handler failed: TypeError") as caught:
            await ref.ask(Work(1))

    assert ("it must be an async function of one message, or with `batch` of a list" in str(caught.value)) is told


async def test_g4_a_declared_error_is_an_answer(rig: Rig, autojump_clock: MockClock) -> None:
    """An error of `reply_errors` reaches the asker as it is, and the actor lives on."""
    async with rig.open() as root:
        ref = await root.start(rig.actor("a"))

        with pytest.raises(Refused, match="message 1"):
            await ref.ask(Work(1, raises=Refused))

        assert root.children["a"].incarnation == 1
    rig.fates[1] = "refused"


async def test_g4_cancelled_work_has_an_unknown_outcome(rig: Rig, autojump_clock: MockClock) -> None:
    """A message that was being handled when the actor was cut short is not safe to send again."""
    async with rig.open() as root, trio.open_nursery() as nursery:
        ref = await root.start(rig.actor("a"))
        for work in (Work(1, seconds=60), Work(2)):
            nursery.start_soon(rig.ask, ref, work)
            await trio.testing.wait_all_tasks_blocked()
        await ref.stop(1)

    assert rig.fates == {1: "unknown", 2: "not started"}


async def test_g4_a_crash_cuts_short_what_other_workers_do(rig: Rig, autojump_clock: MockClock) -> None:
    """One worker's error ends the incarnation: its siblings' messages have unknown outcomes, queued mail is kept."""
    async with rig.open() as root, trio.open_nursery() as nursery:
        ref = await root.start(rig.actor("a", workers=2))
        for work in (Work(1, seconds=1, raises=ValueError), Work(2, seconds=2), Work(3)):
            nursery.start_soon(rig.ask, ref, work)
            await trio.testing.wait_all_tasks_blocked()

    assert rig.fates == {1: "failed", 2: "unknown", 3: "answered"}


async def test_g4_refusals_say_whether_the_actor_comes_back(rig: Rig, autojump_clock: MockClock) -> None:
    """Between two incarnations a fail-fast actor is `Restarting`; after its end it is `Stopped`."""
    async with rig.open() as root:
        ref = await root.start(rig.actor("a", while_restarting="fail", backoff=Backoff(initial=5, jitter=0)))
        await rig.ask(ref, Work(1, raises=ValueError))
        await trio.sleep(1)

        with pytest.raises(Restarting, match=r"`Work` to actor `root/a`: it restarts in 5 s"):
            await ref.ask(Work(2))
        await trio.sleep(5)
        await rig.ask(ref, Work(3))
        await ref.stop()
        with pytest.raises(Stopped):
            await ref.ask(Work(4))

    assert rig.fates == {1: "failed", 3: "answered"}


async def test_g3_mail_behind_a_crash_fails_at_once_if_so_specified(rig: Rig, autojump_clock: MockClock) -> None:
    """With `while_restarting="fail"` queued askers, and senders still waiting for room, hear of the crash."""
    async with rig.open() as root, trio.open_nursery() as nursery:
        ref = await root.start(rig.actor("a", mailbox=1, while_restarting="fail", backoff=Backoff(initial=5, jitter=0)))
        await rig.tell(ref, Work(1, seconds=1, raises=ValueError))
        await trio.testing.wait_all_tasks_blocked()
        for number in (2, 3):
            nursery.start_soon(rig.ask, ref, Work(number))
            await trio.testing.wait_all_tasks_blocked()
        await trio.sleep(2)

        assert rig.fates == {1: "told", 2: "not started", 3: "not started"}


@pytest.mark.parametrize("ending", ["stop", "crash", "gave up", "interrupt"])
async def test_g3_a_sender_waiting_for_room_never_hangs(rig: Rig, autojump_clock: MockClock, ending: str) -> None:
    """Whatever ends the actor, the blocked sender gets in or gets a reason."""
    never = ending == "crash"
    async with rig.open() as root, trio.open_nursery() as nursery:
        sub = await root.start_supervisor(rig.group(strategy="one_for_all", limit=0 if ending == "gave up" else 1000))
        ref = await sub.start(rig.actor("a", mailbox=1, restart="temporary" if never else "permanent"))
        other = await sub.start(rig.actor("b"))
        await rig.tell(ref, Work(1, seconds=1, raises=ValueError if never else None))
        await trio.testing.wait_all_tasks_blocked()
        await rig.tell(ref, Work(2))
        nursery.start_soon(rig.tell, ref, Work(3))
        nursery.start_soon(rig.ask, ref, Work(4))
        await trio.testing.wait_all_tasks_blocked()
        if ending == "stop":
            await ref.stop(0)
        elif ending != "crash":
            await rig.tell(other, Work(5, raises=ValueError))
        await trio.sleep(3)

    expected = ("told", "answered") if ending == "interrupt" else ("not started", "not started")
    assert (rig.fates[3], rig.fates[4]) == expected


# -- G15: caller gone -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("abandoned", "started", "finished"), [("skip", [1], [1]), ("cancel", [1], []), ("run", [1, 2], [1, 2])]
)
async def test_g15_what_becomes_of_an_abandoned_ask(
    rig: Rig, autojump_clock: MockClock, abandoned: str, started: list[int], finished: list[int]
) -> None:
    """The spec says whether work whose caller is gone is skipped, called off, or done all the same."""
    async with rig.open() as root:
        ref = await root.start(rig.actor("a", abandoned=abandoned))
        with trio.move_on_after(1):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(rig.ask, ref, Work(1, seconds=2))
                await trio.testing.wait_all_tasks_blocked()
                nursery.start_soon(rig.ask, ref, Work(2, seconds=2))
        await trio.sleep(10)

        assert (rig.started, rig.finished) == (started, finished)


async def test_an_outcome_stays_unknown_for_a_reply_abandoned_before(rig: Rig, autojump_clock: MockClock) -> None:
    """Waiting for an abandoned reply raises instead of hanging."""
    async with rig.open() as root:
        ref = await root.start(rig.actor("a"))
        reply = await ref.submit(Work(1))
        rig.fates[1] = "cancelled"
        reply.abandon()

        with pytest.raises(OutcomeUnknown):
            await reply.wait()


async def test_g4_a_refusal_in_a_loop_starves_nobody() -> None:
    """Asking again and again an actor that refuses lets the restart happen that ends the refusals (real time)."""
    crashes = [RuntimeError("crash")]

    @asynccontextmanager
    async def start() -> AsyncIterator[Callable[[Work], Awaitable[str]]]:
        async def handle(_: Work) -> str:
            if crashes:
                raise crashes.pop()
            return "answer"

        yield handle

    spec: ChildSpec[Work] = ChildSpec(
        name="a", start=start, mailbox=1, while_restarting="fail", backoff=Backoff(initial=0.02, jitter=0)
    )
    answer: object = None
    async with open_supervisor(SupervisorSpec(name="root")) as root:
        ref = await root.start(spec)
        with trio.fail_after(10):
            while answer is None:
                with contextlib.suppress(HandlerFailed, Restarting):
                    answer = await ref.ask(Work(1))

    assert answer == "answer"
