"""The backend actor's streams: the reader's pace, how they end, and their records."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from arawn.errors import (
    BadReply,
)
from arawn.messages import (
    Completed,
    CompletionRequest,
    TextDelta,
    user,
)
from tests.runtimes import configured, records, running, scripted

ASK = CompletionRequest(messages=(user("hello there"),))


async def test_a_stream_is_not_tried_again_once_something_was_passed_on(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """A stream that breaks after its first word is one `partial` record with that word in it."""
    profile = scripted(tmp_path, [{"text": "one two three", "cut_after": 1}, {"text": "never"}])
    seen = []

    async with running(configured(tmp_path, {"default": profile})) as runtime:
        with pytest.raises(BadReply) as caught:
            async with runtime.stream(ASK) as events:
                async for event in events:
                    seen.append(event)

    (record,) = records(tmp_path)
    assert len(seen) == 1
    assert (record["status"], record["stream"]) == ("partial", True)
    assert record["response_content"][0]["text"].strip() == "one"
    assert caught.value.partial is not None


async def test_a_stream_ends_with_its_whole_answer(tmp_path: Path) -> None:
    """The last event is `Completed`, its text is the deltas joined, and its record is on disk by then."""
    deltas, last, on_disk = [], None, []
    async with running(configured(tmp_path)) as runtime, runtime.stream(ASK) as events:
        async for event in events:
            if isinstance(event, Completed):
                last, on_disk = event.response, records(tmp_path)
            else:
                deltas.append(event)

    assert last is not None
    assert "".join(event.text for event in deltas if isinstance(event, TextDelta)) == last.text == "echo: hello there"
    assert [record["id"] for record in on_disk] == [last.interaction_id]
    assert on_disk[0]["ttft_ms"] is not None


async def test_a_reader_that_leaves_a_stream_cancels_it(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Leaving the block early cancels the provider call; what had arrived is in the record."""
    profile = scripted(tmp_path, [{"text": "a b c d e f", "token_delay_s": 1}])

    async with running(configured(tmp_path, {"default": profile})) as runtime:
        async with runtime.stream(ASK) as events:
            async for _ in events:
                break
        await trio.sleep(0.1)

    (record,) = records(tmp_path)
    assert record["status"] == "cancelled"
    assert record["response_content"][0]["text"].strip() == "a"
    assert record["duration_ms"] < 3000


async def test_a_reader_sets_the_pace_of_the_provider(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Nothing is buffered: while the reader sleeps, the stream stands still."""
    profile = scripted(tmp_path, [{"text": "a b c"}])
    gaps = []

    async with running(configured(tmp_path, {"default": profile})) as runtime, runtime.stream(ASK) as events:
        async for _ in events:
            gaps.append(trio.current_time())
            await trio.sleep(10)

    assert records(tmp_path)[0]["duration_ms"] >= 20_000


async def test_a_stream_never_ends_in_silence(tmp_path: Path, autojump_clock: MockClock) -> None:
    """A reader cancelled at any step, that then goes on reading, gets `Completed` or an error, never just the end."""
    steps = 0
    for cut in range(1, 40):
        async with running(configured(tmp_path)) as runtime, runtime.stream(ASK) as events:
            last = None
            with trio.CancelScope() as scope:
                for _ in range(cut):
                    await trio.lowlevel.checkpoint()
                scope.cancel(reason="sweep")
                async for event in events:
                    last = event
            with trio.fail_after(60):
                async for event in events:
                    last = event
            steps += isinstance(last, Completed)

    assert steps == 39
