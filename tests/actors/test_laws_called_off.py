"""G15 and G13: what becomes of work whose asker has gone away in the middle of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock

from actors import ChildSpec, OutcomeUnknown, SupervisorSpec, open_supervisor
from actors.events import DeadLetter, Event
from tests.actors.rig import HOUR, Refused, Work


async def _takes_a_while() -> None:
    await trio.sleep(5)


async def _ends_at_once() -> None:
    await trio.sleep(HOUR)


async def _in_a_nursery() -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep, HOUR)
        nursery.start_soon(trio.sleep, HOUR)


async def _goes_on_until_it_is_done() -> None:
    with trio.CancelScope(shield=True):
        await trio.sleep(2)


async def _refuses_when_called_off() -> None:
    try:
        await trio.sleep(HOUR)
    except trio.Cancelled as error:
        raise Refused from error


@pytest.mark.parametrize(
    ("first", "heard"),
    [
        (_ends_at_once, 0),
        (_in_a_nursery, 0),
        (_goes_on_until_it_is_done, 0),
        (_refuses_when_called_off, 1),
    ],
)
async def test_g15_what_is_called_off_touches_no_later_message(
    first: Callable[[], Awaitable[None]], heard: int, autojump_clock: MockClock
) -> None:
    """However work ends that was called off, the next message is handled whole, and nobody hears of an end as asked."""
    events: list[Event] = []
    left = [_takes_a_while, _takes_a_while, first]

    @asynccontextmanager
    async def start() -> AsyncIterator[Callable[[Work], Awaitable[int]]]:
        async def handle(work: Work) -> int:
            await left.pop()()
            return work.id

        yield handle

    spec: ChildSpec[Work] = ChildSpec(name="a", start=start, mailbox=1, abandoned="cancel", reply_errors=(Refused,))
    async with open_supervisor(SupervisorSpec(name="root"), hooks=[events.append]) as root:
        ref = await root.start(spec)
        with trio.move_on_after(1):
            await ref.ask(Work(1))
        answers = [await ref.ask(Work(2)), await ref.ask(Work(3))]

    assert answers == [2, 3]
    assert sum(isinstance(event, DeadLetter) for event in events) == heard


async def _breaks_when_called_off() -> None:
    async def breaks() -> None:
        try:
            await trio.sleep(HOUR)
        except trio.Cancelled as error:
            raise Refused from error

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep, HOUR)
        nursery.start_soon(breaks)


@pytest.mark.parametrize("is_answer", [True, False])
async def test_g15_what_breaks_while_it_is_called_off_is_told_as_it_is(
    is_answer: bool, autojump_clock: MockClock
) -> None:
    """What goes wrong beside the cancellation is a crash or an answer as at any time, and the dead letter names it."""
    events: list[Event] = []

    @asynccontextmanager
    async def start() -> AsyncIterator[Callable[[Work], Awaitable[None]]]:
        yield lambda _: _breaks_when_called_off()

    spec: ChildSpec[Work] = ChildSpec(
        name="a",
        start=start,
        mailbox=1,
        abandoned="cancel",
        reply_errors=(ExceptionGroup,) if is_answer else (Refused,),
    )
    async with open_supervisor(SupervisorSpec(name="root"), hooks=[events.append]) as root:
        ref = await root.start(spec)
        with trio.move_on_after(1):
            await ref.ask(Work(1))
        await trio.sleep(5)
        restarts = root.status().children[0].restarts

    (letter,) = [event for event in events if isinstance(event, DeadLetter)]
    assert letter.error is not None
    told = letter.error if is_answer else letter.error.__cause__
    assert isinstance(told, ExceptionGroup)
    assert [type(error) for error in told.exceptions] == [Refused]
    assert restarts == (0 if is_answer else 1)


async def test_g13_a_stop_that_cuts_short_what_nobody_waits_for_is_told(autojump_clock: MockClock) -> None:
    """Work that ends by a stop, and not because its asker is gone, is a dead letter though nobody waits for it."""
    events: list[Event] = []

    @asynccontextmanager
    async def start() -> AsyncIterator[Callable[[Work], Awaitable[None]]]:
        async def handle(_: Work) -> None:
            with trio.CancelScope(shield=True):
                await trio.sleep(5)
            await trio.sleep(HOUR)

        yield handle

    spec: ChildSpec[Work] = ChildSpec(name="a", start=start, mailbox=1, abandoned="cancel")
    async with open_supervisor(SupervisorSpec(name="root"), hooks=[events.append]) as root:
        ref = await root.start(spec)
        with trio.move_on_after(1):
            await ref.ask(Work(1))
        await ref.stop(grace=0)

    assert [type(event.error) for event in events if isinstance(event, DeadLetter)] == [OutcomeUnknown]
