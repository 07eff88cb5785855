"""G1, G2, G5 and G13: what becomes of a message."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from actors import (
    ChildSpec,
    MailboxFull,
    Ref,
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


def test_dead_letters_are_told_apart_without_comparing_their_messages() -> None:
    """A hook may look for one among those it has seen, whatever the message is."""
    letters = [DeadLetter("root/a", {"not": "hashable"}, "why") for _ in range(2)]

    assert len(set(letters)) == 2
