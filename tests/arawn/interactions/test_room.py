"""Room for lines on their way: bounded, first come first served, nothing taken by whoever gave up."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from hypothesis import example, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from arawn.interactions.room import Room

LIMIT = 100
plans = st.lists(st.tuples(st.integers(0, 250), st.floats(0, 5), st.floats(0, 5), st.none() | st.floats(0, 5)))


@settings(max_examples=60, deadline=None)
@given(plans)
@example(
    [(0, 0.0, 0.0, None), (0, 1.0, 0.0, 0.0), (101, 1.0, 0.0, None)]
)  # admitted in the moment in which it gives up
def test_never_more_than_the_bound_is_held(plan: list[tuple[int, float, float, float | None]]) -> None:
    """Tasks take room at any time, hold it for any time, and give up at any time; at the end all is free."""
    room, held = Room(LIMIT), list[int]()

    async def hold(size: int, start: float, seconds: float, patience: float | None) -> None:
        await trio.sleep(start)
        with trio.move_on_after(1_000 if patience is None else patience):
            await room.take(size)
            held.append(size)
            assert sum(held) <= LIMIT or [one for one in held if one] == [max(held)]
            with trio.CancelScope(shield=True):
                await trio.sleep(seconds)
            held.remove(size)
            room.give_back(size)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for step in plan:
                nursery.start_soon(hold, *step)

    trio.run(main, clock=MockClock(autojump_threshold=0))

    assert room.held == 0


async def test_the_first_to_ask_is_the_first_to_get(autojump_clock: MockClock) -> None:
    """A small one never overtakes a large one that waits."""
    room, order = Room(LIMIT), list[int]()
    await room.take(60)

    async def take(size: int) -> None:
        await room.take(size)
        order.append(size)
        await trio.sleep(1)
        room.give_back(size)

    async with trio.open_nursery() as nursery:
        for size in (50, 30, 90):
            nursery.start_soon(take, size)
            await trio.testing.wait_all_tasks_blocked()
        assert order == []  # though 30 would fit
        assert not room.take_nowait(1)
        room.give_back(60)

    assert order[-1] == 90


async def test_one_larger_than_all_of_it_passes_alone(autojump_clock: MockClock) -> None:
    """It waits until nothing is held, and whoever comes after it waits for it."""
    room = Room(LIMIT)
    await room.take(1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(room.take, 10 * LIMIT)
        await trio.testing.wait_all_tasks_blocked()
        assert room.held == 1
        room.give_back(1)
        await trio.testing.wait_all_tasks_blocked()
        assert room.held == 10 * LIMIT
        assert not room.take_nowait(1)
        assert "1000 of 100 B held, 0 waiting" in repr(room)


async def test_whoever_gives_up_makes_way(autojump_clock: MockClock) -> None:
    """The next in the row is admitted when the one before it is cancelled."""
    room = Room(LIMIT)
    await room.take(60)
    async with trio.open_nursery() as nursery:
        with trio.move_on_after(1):
            nursery.start_soon(trio.sleep, 0)
            async with trio.open_nursery() as inner:
                inner.start_soon(room.take, 90)
        await room.take(40)

    assert room.held == LIMIT


def test_room_kept_free_is_kept_free() -> None:
    """`leaving` bytes stay for others."""
    room = Room(LIMIT)

    assert room.take_nowait(50, leaving=10)
    assert not room.take_nowait(41, leaving=10)
    assert room.take_nowait(40, leaving=10)
    assert room.take_nowait(10)


@pytest.mark.parametrize("limit", [0, -1])
def test_no_room_at_all_is_refused(limit: int) -> None:
    """A bound of nothing would hold up every call for ever."""
    with pytest.raises(ValueError, match="need limit > 0"):
        Room(limit)


async def test_whoever_is_admitted_while_giving_up_gives_it_back(autojump_clock: MockClock) -> None:
    """Cancelled and admitted in the same moment: nothing stays taken, and whoever stands behind gets in."""
    room = Room(LIMIT)
    await room.take(LIMIT)
    async with trio.open_nursery() as nursery:
        scope = trio.CancelScope()

        async def give_up() -> None:
            with scope:
                await room.take(60)

        nursery.start_soon(give_up)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(room.take, 80)
        await trio.testing.wait_all_tasks_blocked()
        scope.cancel(reason="it gives up")
        room.give_back(LIMIT)

    assert room.held == 80
