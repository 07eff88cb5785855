"""The mailbox alone: woken readers, waiting senders, the gate."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors._mailbox import Mailbox
from actors.errors import NotStarted, Restarting, Stopped
from tests.actors.rig import Rig, Work


@pytest.fixture
def box() -> Iterator[Mailbox[int]]:
    box: Mailbox[int] = Mailbox("root/a", 1)
    yield box
    box.finish(lambda _message: Stopped("the test is over"))


async def test_mail_for_a_cancelled_reader_stays_in_the_box(box: Mailbox[int]) -> None:
    """A reader that is woken and cancelled in the same moment takes nothing (trio's own channel would hand it over)."""
    woken: list[bool] = []

    async def read() -> None:
        woken.append(await box.wait_mail())

    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await wait_all_tasks_blocked()
            assert box.offer(1)
            scope.cancel()

    assert woken == []
    assert box.take_nowait() == 1


async def test_room_made_for_a_sender_wakes_another_reader(box: Mailbox[int], autojump_clock: MockClock) -> None:
    """Of two parked readers one takes what is there, and the other what the waiting sender then brings in."""
    taken: list[object] = []

    async def read() -> None:
        assert await box.wait_mail()
        taken.append(box.take_nowait())

    with trio.fail_after(1):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            nursery.start_soon(read)
            await wait_all_tasks_blocked()
            box.put_nowait(1)
            await box.put(2)

    assert taken == [1, 2]


async def test_senders_get_in_in_the_order_they_came(box: Mailbox[int]) -> None:
    """Whoever has waited longest for room has it first."""
    async with trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(box.put, number)
            await wait_all_tasks_blocked()

        taken = [box.take_nowait() for _ in range(5)]

    assert taken == [0, 1, 2, 3, 4]


async def test_a_reader_that_finds_the_box_empty_waits_on(box: Mailbox[int]) -> None:
    """Somebody else was quicker: it is no error, and no message is made up."""
    ended: list[bool] = []

    async def read() -> None:
        ended.append(await box.wait_mail())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await wait_all_tasks_blocked()
        box.put_nowait(1)
        box.take_nowait()
        await wait_all_tasks_blocked()
        assert ended == []
        box.finish(lambda _message: Stopped("it is over"))

    assert ended == [False]


async def test_a_closed_gate_turns_waiting_senders_away(box: Mailbox[int]) -> None:
    """They hear the reason, even if they are cancelled in the same moment; what is queued stays; then all is open."""
    box.put_nowait(1)
    heard: list[NotStarted] = []

    async def send() -> None:
        try:
            await box.put(2)
        except Restarting as error:
            heard.append(error)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        await wait_all_tasks_blocked()
        assert (box.queued, box.waiting) == (1, 2)
        box.refuse(lambda message: Restarting(f"not now, {message}"))
        nursery.cancel_scope.cancel()

    assert [str(error) for error in heard] == ["not now, 2"]
    with pytest.raises(Restarting, match="not now, 3"):
        box.put_nowait(3)
    box.take_nowait()
    box.reopen()
    assert box.offer(4)


async def test_a_finished_box_does_not_open_again(box: Mailbox[int]) -> None:
    """A restart that comes too late changes nothing."""
    box.finish(lambda _message: Stopped("it is over"))
    box.reopen()

    with pytest.raises(Stopped, match="it is over"):
        await box.put(1)


async def test_a_sender_in_another_run_is_told_and_has_sent_nothing(rig: Rig) -> None:
    """An actor that waits for mail gets none from another `trio.run`: the error says what is right."""
    async with rig.open() as root:
        ref = await root.start(rig.actor("a"))
        await wait_all_tasks_blocked()
        sends: list[Callable[[Work], Awaitable[object]]] = [ref.ask, ref.submit, ref.tell]

        for number, send in enumerate(sends):
            with pytest.raises(
                RuntimeError, match="`root/a` belongs to another trio run: nothing was sent; threads use"
            ):
                await trio.to_thread.run_sync(trio.run, send, Work(number))
        rig.fates[3] = "answered"
        assert await ref.ask(Work(3)) == 3

    assert rig.started == [3]
