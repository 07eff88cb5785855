"""Waits that end after so many seconds."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from actors import ChildSpec, OutcomeUnknown, Request, SupervisorSpec, open_supervisor
from arawn.interactions.patience import Patience, open_patience


class Sleep(msgspec.Struct, Request[None], frozen=True):
    """Asks for a reply after so many seconds."""

    seconds: float


@asynccontextmanager
async def sleeper() -> AsyncIterator[Callable[[Sleep], Awaitable[None]]]:
    async def handle(sleep: Sleep) -> None:
        await trio.sleep(sleep.seconds)

    yield handle


SLEEPER = ChildSpec(name="sleeper", start=sleeper, mailbox=100, workers=100, abandoned="run", stop_grace=0.0)

STEPS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 6), st.none() | st.integers(0, 6)), max_size=12)


@given(STEPS)
@settings(max_examples=60, deadline=None)
def test_each_wait_ends_with_its_reply_or_when_its_time_is_up(steps: list[tuple[int, int, int | None]]) -> None:
    """Whichever comes first, to the second, whatever the others do; a cancelled one ends at once; none is kept."""

    async def main() -> None:
        waited: list[tuple[float, bool | None]] = []
        patience: Patience

        async def wait(start: int, takes: int, cancelled_after: int | None, place: int) -> None:
            await trio.sleep(start + 0.01 * place)  # never two things at the same moment
            began, came = trio.current_time(), None
            with trio.move_on_after(float("inf") if cancelled_after is None else cancelled_after + 0.3):
                came = await patience.wait(await ref.submit(Sleep(takes + 0.5)))
            waited[place] = (round(trio.current_time() - began, 6), came)

        async with open_patience(3.0) as patience, open_supervisor(SupervisorSpec(name="root")) as root:
            ref = await root.start(SLEEPER)
            async with trio.open_nursery() as nursery:
                for place, step in enumerate(steps):
                    waited.append((0.0, None))
                    nursery.start_soon(wait, *step, place)
            assert not patience._waits
        for (_, takes, cancelled_after), (seconds, came) in zip(steps, waited, strict=True):
            ends = {"came": takes + 0.5, "late": 3.0}
            if cancelled_after is not None:
                ends["cancelled"] = cancelled_after + 0.3
            first = min(ends, key=lambda end: ends[end])
            assert seconds == pytest.approx(ends[first])
            assert came is {"came": True, "late": False, "cancelled": None}[first]

    trio.run(main, clock=MockClock(autojump_threshold=0))


async def test_waits_under_a_shield_end_while_all_around_is_cancelled(autojump_clock: MockClock) -> None:
    """The last records of a runtime that is cancelled wait as long as any other, and no longer."""
    seconds = 0.0
    with trio.CancelScope() as scope:
        async with open_supervisor(SupervisorSpec(name="root")) as root, open_patience(2.0) as patience:
            ref = await root.start(SLEEPER)
            reply = await ref.submit(Sleep(60))
            scope.cancel()
            began = trio.current_time()
            with trio.CancelScope(shield=True):
                assert not await patience.wait(reply)
            seconds = trio.current_time() - began

    assert seconds == pytest.approx(2.0)


async def test_what_others_say_of_a_reply_is_passed_on(autojump_clock: MockClock) -> None:
    """An actor that is stopped with the message in hand is no matter of time."""
    async with open_patience(60.0) as patience, open_supervisor(SupervisorSpec(name="root")) as root:
        ref = await root.start(SLEEPER)
        reply = await ref.submit(Sleep(600))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ref.stop, 0.0)
            with pytest.raises(OutcomeUnknown):
                await patience.wait(reply)


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt])
async def test_what_the_block_raises_comes_out_as_it_is(kind: type[BaseException]) -> None:
    """Not inside a group: whoever uses a runtime catches its errors by their types."""
    with pytest.raises(kind, match="as it is"):
        async with open_patience(1.0):
            raise kind("as it is")
