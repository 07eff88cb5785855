"""G1 to G5, G13 and G15: what becomes of a message."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from actors import (
    Backoff,
    ChildSpec,
    HandlerFailed,
    MailboxFull,
    OutcomeUnknown,
    Ref,
    Restarting,
    Stopped,
    SupervisorSpec,
    open_supervisor,
)
from actors.events import DeadLetter
from tests.actors.rig import Refused, Rig, Work

# -- G1: first in, first out ----------------------------------------------------------------------------------------


async def test_g1_mail_is_handled_in_the_order_it_was_sent(rig: Rig, autojump_clock: MockClock) -> None:
    """A send that returned before another began is taken first, whether it waited for room or not."""
    async with rig.open() as root:
        ref = await root.start(rig.actor("a", mailbox=2))
        for number in range(10):
            await rig.tell(ref, Work(number, seconds=0.1))

    assert rig.started == list(range(10))


async def test_g1_the_order_outlives_a_restart(rig: Rig, autojump_clock: MockClock) -> None:
    """Mail queued behind a crash is handled by the next incarnation, in the order it was sent."""
    async with rig.open() as root:
        ref = await root.start(rig.actor("a"))
        for number in range(6):
            await rig.tell(ref, Work(number, raises=ValueError if number in {1, 3} else None))
        await rig.ask(ref, Work(6))

    assert rig.started == list(range(7))


@pytest.mark.parametrize("batch", [1, 3])
async def test_g1_any_object_may_be_told(rig: Rig, autojump_clock: MockClock, batch: int) -> None:
    """A message is handed on as it is, also one that means "nothing" elsewhere."""
    messages: list[object] = [None, 0, "", (), False, NotImplemented, ..., StopIteration()]
    handled: list[object] = []

    @asynccontextmanager
    async def start() -> AsyncIterator[Callable[[Any], Awaitable[object]]]:
        async def handle(message: Any) -> list[object]:
            handled.extend(message if batch > 1 else [message])
            return [None] * (len(message) if batch > 1 else 1)

        yield handle

    async with rig.open() as root:
        ref: Ref[object] = await root.start(ChildSpec(name="a", start=start, mailbox=4, batch=batch))
        for message in messages[:4]:
            ref.tell_nowait(message)
        for message in messages[4:]:
            await ref.tell(message)
        await ref.stop()

    assert len(handled) == len(messages)
    assert all(one is other for one, other in zip(handled, messages, strict=True))


async def test_g1_workers_start_mail_in_order(rig: Rig, autojump_clock: MockClock) -> None:
    """With several workers messages begin in order, though they may end in any."""
    async with rig.open() as root:
        ref = await root.start(rig.actor("a", workers=3))
        for number in range(9):
            await rig.tell(ref, Work(number, seconds=3.0 - number % 3))

    assert rig.started == list(range(9))
    assert rig.finished != rig.started


# -- G2: at most once -----------------------------------------------------------------------------------------------


async def test_g2_the_message_in_hand_at_a_crash_is_not_handled_again(rig: Rig, autojump_clock: MockClock) -> None:
    """The runtime never redelivers: retrying is the caller's decision."""
    async with rig.open() as root:
        ref = await root.start(rig.actor("a"))
        await rig.ask(ref, Work(1, raises=ValueError))
        await rig.ask(ref, Work(2))

    assert rig.started == [1, 2]


# -- G3: no lost caller; G4: the caller knows what it may do --------------------------------------------------------


async def test_g4_a_crash_is_told_with_its_cause(rig: Rig, autojump_clock: MockClock) -> None:
    """The asker of the message that crashed gets `HandlerFailed`, the error attached."""
    async with rig.open() as root:
        ref = await root.start(rig.actor("a"))

        with pytest.raises(HandlerFailed, match=r"`Work` to actor `root/a`: its handler failed: ValueError") as caught:
            await ref.ask(Work(1, raises=ValueError))

    rig.fates[1] = "failed"
    assert isinstance(caught.value.__cause__, ValueError)


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


# -- G5: bounded mailbox --------------------------------------------------------------------------------------------


async def test_g5_a_slow_consumer_blocks_its_producer(rig: Rig, autojump_clock: MockClock) -> None:
    """At `mailbox` messages queued and one in hand, `tell` waits and `tell_nowait` raises."""
    async with rig.open() as root:
        ref = await root.start(rig.actor("a", mailbox=3))
        for number in range(4):
            await rig.tell(ref, Work(number, seconds=1))
            await trio.testing.wait_all_tasks_blocked()

        with pytest.raises(MailboxFull, match=r"`Work` to actor `root/a`: mailbox is full \(3 waiting\)"):
            ref.tell_nowait(Work(4))
        with trio.move_on_after(0.5) as scope:
            await ref.tell(Work(5))

        assert scope.cancelled_caught
        assert (ref.status().queued, ref.status().peak) == (3, 3)


# -- G13: nothing vanishes silently ---------------------------------------------------------------------------------


async def test_g13_told_mail_that_nobody_will_handle_is_a_dead_letter(rig: Rig, autojump_clock: MockClock) -> None:
    """A stop without grace leaves queued tells to the hook, and queued asks to their askers."""
    async with rig.open() as root, trio.open_nursery() as nursery:
        ref = await root.start(rig.actor("a"))
        await rig.tell(ref, Work(1, seconds=60))
        await trio.testing.wait_all_tasks_blocked()
        await rig.tell(ref, Work(2))
        nursery.start_soon(rig.ask, ref, Work(3))
        await trio.testing.wait_all_tasks_blocked()
        await ref.stop(0)

    assert rig.dead() == [2]
    assert rig.dead(started=True) == [1]
    assert rig.fates[3] == "not started"


async def test_g13_an_error_reply_to_nobody_is_a_dead_letter(rig: Rig, autojump_clock: MockClock) -> None:
    """What a told message raises goes to the hook, marked as begun."""
    async with rig.open() as root:
        ref = await root.start(rig.actor("a"))
        await rig.tell(ref, Work(1, raises=Refused))

    assert rig.dead(started=True) == [1]


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


async def test_g15_a_batch_leaves_out_abandoned_asks(rig: Rig, autojump_clock: MockClock) -> None:
    """A batch is made of the messages that somebody still waits for."""
    batches: list[list[int]] = []
    async with rig.open() as root:
        ref = await root.start(rig.batching("a", batches, batch=3))
        await rig.tell(ref, Work(1, seconds=1))
        await trio.testing.wait_all_tasks_blocked()
        abandoned = [await ref.submit(Work(2))]
        await rig.tell(ref, Work(3))
        abandoned.append(await ref.submit(Work(6)))
        for number in (4, 5):
            await rig.tell(ref, Work(number))
        for reply in abandoned:
            reply.abandon()

    rig.fates[2] = rig.fates[6] = "cancelled"
    assert batches == [[1], [3, 4, 5]]


async def test_a_replied_batch_of_the_wrong_size_is_a_crash(rig: Rig, autojump_clock: MockClock) -> None:
    """A batch handler owes one reply a message; anything else fails all its askers."""
    async with rig.open() as root:
        ref = await root.start(rig.batching("a", [], batch=2, replies=1))
        first, second = await ref.submit(Work(1)), await ref.submit(Work(2))

        for reply in (first, second):
            with pytest.raises(HandlerFailed, match="`a` gave 1 replies to a batch of 2 messages"):
                await reply.wait()
    rig.fates.update({1: "failed", 2: "failed"})


async def test_replies_to_a_batch_that_are_no_list_are_a_crash(rig: Rig, autojump_clock: MockClock) -> None:
    """Nothing is iterated by chance: the keys of a dictionary are no replies."""

    @asynccontextmanager
    async def start() -> AsyncIterator[Callable[[list[Work]], Awaitable[Any]]]:
        async def handle(works: list[Work]) -> dict[Work, int]:
            return dict.fromkeys(works, 1)

        yield handle

    async with rig.open() as root:
        ref: Ref[Work] = await root.start(ChildSpec(name="a", start=start, mailbox=4, batch=2))
        with pytest.raises(HandlerFailed, match="`a` gave a dict as the list of its replies to a batch"):
            await ref.ask(Work(1))


def test_dead_letters_are_told_apart_without_comparing_their_messages() -> None:
    """A hook may look for one among those it has seen, whatever the message is."""
    letters = [DeadLetter("root/a", {"not": "hashable"}, "why") for _ in range(2)]

    assert len(set(letters)) == 2


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


async def test_a_batch_may_answer_some_with_declared_errors(rig: Rig, autojump_clock: MockClock) -> None:
    """A reply that is one of the `reply_errors` is raised to its asker alone; the others have their answers."""

    @asynccontextmanager
    async def start() -> AsyncIterator[Callable[[list[Work]], Coroutine[Any, Any, list[object]]]]:
        async def handle(works: list[Work]) -> list[object]:
            return [Refused("no") if work.id == 2 else await rig.handle(work) for work in works]

        yield handle

    async with rig.open() as root:
        ref: Ref[Work] = await root.start(
            ChildSpec(name="a", start=start, mailbox=10, batch=3, reply_errors=(Refused,))
        )
        replies = [ref.submit_nowait(Work(number)) for number in (1, 2, 3)]
        rig.fates.update({1: "answered", 2: "refused", 3: "answered"})
        rig.started.append(2)

        assert (await replies[0].wait(), await replies[2].wait()) == (1, 3)
        with pytest.raises(Refused, match="no"):
            await replies[1].wait()
        assert ref.status().restarts == 0


async def test_g13_a_batch_that_refuses_what_was_told_leaves_a_dead_letter(rig: Rig, autojump_clock: MockClock) -> None:
    """A declared error for a message that nobody asked is a dead letter in a batch as well."""

    @asynccontextmanager
    async def start() -> AsyncIterator[Callable[[list[Work]], Coroutine[Any, Any, list[object]]]]:
        async def handle(works: list[Work]) -> list[object]:
            return [Refused("no") if work.id == 2 else await rig.handle(work) for work in works]

        yield handle

    async with rig.open() as root:
        ref: Ref[Work] = await root.start(
            ChildSpec(name="a", start=start, mailbox=10, batch=3, reply_errors=(Refused,))
        )
        rig.started.append(2)
        for number in (1, 2, 3):
            await rig.tell(ref, Work(number))
        await trio.testing.wait_all_tasks_blocked()

    dead = [event for event in rig.events if isinstance(event, DeadLetter)]
    assert [(letter.message, letter.started, str(letter.error)) for letter in dead] == [(Work(2), True, "no")]


async def test_a_batch_tells_its_askers_before_the_hooks(rig: Rig, autojump_clock: MockClock) -> None:
    """A hook may be slow: of what was told it hears when those who wait have their answers."""
    answered: list[bool] = []

    @asynccontextmanager
    async def start() -> AsyncIterator[Callable[[list[Work]], Coroutine[Any, Any, list[object]]]]:
        async def handle(works: list[Work]) -> list[object]:
            return [Refused(str(work.id)) for work in works]

        yield handle

    def hook(event: object) -> None:
        if isinstance(event, DeadLetter):
            answered.append(reply.done)

    async with open_supervisor(SupervisorSpec(name="root"), hooks=[hook]) as root:
        ref: Ref[Work] = await root.start(
            ChildSpec(name="a", start=start, mailbox=10, batch=3, reply_errors=(Refused,))
        )
        ref.tell_nowait(Work(1))
        reply = ref.submit_nowait(Work(2))
        with pytest.raises(Refused):
            await reply.wait()

    assert answered == [True]
