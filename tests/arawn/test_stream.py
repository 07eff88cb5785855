"""The events of a streamed call as its reader takes them."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from arawn.errors import BackendError
from arawn.messages import Completed, CompletionRequest, StreamEvent, TextDelta, user
from tests.runtimes import configured, running, scripted


async def test_a_stream_that_has_failed_is_over(tmp_path: Path) -> None:
    """Its error is raised once, as that of a generator is; who goes on is told that there is no more."""
    config = configured(tmp_path, {"default": scripted(tmp_path, [{"error": {"status": 400}}])})
    async with running(config) as runtime, runtime.stream(CompletionRequest(messages=(user("hi"),))) as events:
        with pytest.raises(BackendError):
            await anext(events)
        with pytest.raises(StopAsyncIteration):
            await anext(events)


async def test_who_waits_for_an_event_can_be_nudged(tmp_path: Path, autojump_clock: MockClock) -> None:
    """It gets None, and the event at its time; a nudge is lost where nobody waits, and passed over by an iteration."""
    steps = [{"text": "one two three", "delay_s": 5, "token_delay_s": 5}]
    config = configured(tmp_path, {"default": scripted(tmp_path, steps)})
    seen: list[tuple[int, StreamEvent | None]] = []

    async with running(config) as runtime, runtime.stream(CompletionRequest(messages=(user("hi"),))) as events:
        events.nudge()

        async def nudge_at(*times: float) -> None:
            for time in times:
                await trio.sleep_until(began + time)
                events.nudge()

        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(nudge_at, 2, 7, 12)
            for _ in range(4):
                event = await events.next_or_nudge()
                seen.append((round(trio.current_time() - began), event))
            seen += [(round(trio.current_time() - began), event) async for event in events]
        events.nudge()
        with pytest.raises(StopAsyncIteration):
            await events.next_or_nudge()

    *first, (ended_at, end) = seen
    assert first == [
        (2, None),
        (5, TextDelta(0, "one")),
        (7, None),
        (10, TextDelta(0, " two")),
        (15, TextDelta(0, " three")),
    ]
    assert (ended_at, type(end)) == (15, Completed)
