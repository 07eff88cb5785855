"""What ends the wait for the first word of a stream, and what does not: comments are signs of life, and no words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import httpx
import pytest
import trio
from trio.testing import MockClock

from arawn.backends.open import open_provider
from arawn.config.schema import Profile, TimeoutsConfig
from arawn.errors import TimedOut
from arawn.messages import Begun, CompletionRequest, CompletionResponse, StreamEvent, user
from tests.fake_provider import events, openai_chunk

COMMENT = b": OPENROUTER PROCESSING\n\n"
WORD = events(openai_chunk(content="hello"))
END = events(openai_chunk("stop"), "[DONE]")


class Slow(httpx.AsyncBaseTransport, httpx.AsyncByteStream):
    """A provider that says each of these things after as many seconds."""

    def __init__(self, said: Sequence[tuple[float, bytes]]) -> None:
        self._said = said

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=self)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for seconds, piece in self._said:
            await trio.sleep(seconds)
            yield piece


async def asked(said: Sequence[tuple[float, bytes]]) -> CompletionResponse:
    timeouts = TimeoutsConfig(first_token_s=10, idle_s=3)
    profile = Profile(backend="custom", dialect="openai", base_url="http://far.test", model="m", timeouts=timeouts)

    async def emit(_: StreamEvent | Begun) -> None:
        await trio.lowlevel.checkpoint()

    async with open_provider("p", profile, environ={}, transport=Slow(said)) as provider:
        return await provider.stream(CompletionRequest(messages=(user("hi"),), model="m"), emit)


async def test_comments_do_not_put_off_the_first_token(autojump_clock: MockClock) -> None:
    """A provider that only says that it is there is cut after `first_token_s`, to the second."""
    began = trio.current_time()

    with pytest.raises(TimedOut) as caught:
        await asked([(2, COMMENT)] * 100)

    assert caught.value.which == "first_token"
    assert trio.current_time() - began == pytest.approx(10)


async def test_comments_leave_the_first_token_its_whole_time(autojump_clock: MockClock) -> None:
    """`idle_s` begins with the first word, however long the provider was silent after a comment."""
    answer = await asked([(1, COMMENT), (8, b"".join(WORD)), *((0, piece) for piece in END)])

    assert answer.text == "hello"


async def test_comments_hold_off_the_end_of_a_silent_stream(autojump_clock: MockClock) -> None:
    """After the first word any byte counts against `idle_s`."""
    answer = await asked([(0, b"".join(WORD)), *[(2, COMMENT)] * 20, *((0, piece) for piece in END)])

    assert answer.text == "hello"


async def test_silence_after_a_comment_in_mid_stream_is_idle(autojump_clock: MockClock) -> None:
    """The deadline that passed is named."""
    with pytest.raises(TimedOut) as caught:
        await asked([(0, b"".join(WORD)), (2, COMMENT), (4, COMMENT)])

    assert caught.value.which == "idle"
