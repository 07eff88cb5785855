"""A backend whose calls are counted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
from trio.testing import MockClock

from arawn.backends.actor import Call
from arawn.backends.attempt import ReaderGone
from arawn.errors import Overloaded
from arawn.messages import CallContext, CompletionRequest, CompletionResponse, user
from arawn.metrics.counted import CallHandler, open_counted
from arawn.metrics.counts import ProfileCounts

ANSWER = CompletionResponse(content=(), model="m")


def call_of(sent_at: float) -> Call:
    return Call(CompletionRequest(messages=(user("hi"),)), CallContext(), sent_at)


@asynccontextmanager
async def opened(seconds: float, fault: Exception | None = None) -> AsyncIterator[CallHandler]:
    """Open a backend that takes so long for an answer, or for a fault."""

    async def handle(_: Call) -> CompletionResponse:
        await trio.sleep(seconds)
        if fault is not None:
            raise fault
        return ANSWER

    yield handle


async def test_a_call_is_counted_with_its_length(autojump_clock: MockClock) -> None:
    """All of it, from the sending on, with the time in the queue."""
    counts = ProfileCounts()
    sent = trio.current_time()
    await trio.sleep(2.0)
    async with open_counted(partial(opened, 3.0), counts) as handle:
        assert await handle(call_of(sent)) is ANSWER

    assert counts.calls == {"ok": 1, "error": 0, "cancelled": 0}
    assert counts.call_seconds.total == pytest.approx(5.0)


@pytest.mark.parametrize(("fault", "ending"), [(Overloaded("x"), "error"), (ReaderGone("x"), "cancelled")])
async def test_a_call_that_fails_is_counted_as_that(autojump_clock: MockClock, fault: Exception, ending: str) -> None:
    """The error goes on unchanged; a reader that left is no fault of the provider."""
    counts = ProfileCounts()
    async with open_counted(partial(opened, 0.0, fault), counts) as handle:
        with pytest.raises(type(fault)):
            await handle(call_of(trio.current_time()))

    assert [key for key, number in counts.calls.items() if number] == [ending]


async def test_a_call_that_is_cancelled_is_counted(autojump_clock: MockClock) -> None:
    """Once, as cancelled, with the time that it took."""
    counts = ProfileCounts()
    async with open_counted(partial(opened, 100.0), counts) as handle:
        with trio.move_on_after(1.0):
            await handle(call_of(trio.current_time()))

    assert counts.calls["cancelled"] == 1
    assert counts.call_seconds.total == pytest.approx(1.0)
