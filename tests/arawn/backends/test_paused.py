"""Deadlines of a profile that pass while this process stands still: they say nothing of the provider."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
import trio
from trio.testing import MockClock

from arawn.backends.connection_failures import is_own_lack
from arawn.backends.open import open_provider
from arawn.backends.protocol import Provider
from arawn.config.schema import Profile, TimeoutsConfig
from arawn.errors import TimedOut
from arawn.messages import Begun, CompletionRequest, StreamEvent, user
from tests.fake_provider import events, openai_chunk

ASKED = CompletionRequest(messages=(user("hi"),), model="m")
COMMENT = b": PROCESSING\n\n"
WORDS = [b"".join(events(openai_chunk(content=word))) for word in ("one ", "two")]
END = b"".join(events(openai_chunk("stop"), "[DONE]"))


class Paused(httpx.AsyncBaseTransport, httpx.AsyncByteStream):
    """A provider whose pieces arrive at once, but for those behind a number.

    For so many seconds the process stands still before it sees the next piece; with None, nothing comes any more.
    """

    def __init__(self, clock: MockClock, said: list[bytes | float | None]) -> None:
        self._clock = clock
        self._said = said

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=self)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._said:
            if piece is None:
                await trio.sleep_forever()
            elif isinstance(piece, bytes):
                yield piece
            else:
                self._clock.jump(piece)
                await trio.lowlevel.cancel_shielded_checkpoint()  # as after a wait for a socket that can be read


async def stream(provider: Provider) -> str:
    async def emit(_: StreamEvent | Begun) -> None:
        await trio.lowlevel.checkpoint()

    return (await provider.stream(ASKED, emit)).text


async def asked(clock: MockClock, *said: bytes | float | None, whole: bool = False) -> str:
    timeouts = TimeoutsConfig(first_token_s=10, idle_s=30, total_s=100)
    profile = Profile(backend="custom", dialect="openai", base_url="http://far.test", model="m", timeouts=timeouts)
    async with open_provider("p", profile, environ={}, transport=Paused(clock, list(said))) as provider:
        return (await provider.complete(ASKED)).text if whole else await stream(provider)


@pytest.mark.parametrize(
    "said",
    [
        (WORDS[0], 33.0, WORDS[1], END),
        (WORDS[0], 33.0, WORDS[1], 33.0, END),
        (33.0, *WORDS, END),
        (33.0, COMMENT, *WORDS, END),
        (WORDS[0], 33.0, COMMENT, WORDS[1], END),
    ],
    ids=["between words", "twice", "before the first", "before a comment", "comment between"],
)
async def test_what_came_during_a_pause_is_taken(
    autojump_clock: MockClock, said: tuple[bytes | float | None, ...]
) -> None:
    """The answer is whole: what the provider said in time is not thrown away for a clock that has gone on."""
    assert await asked(autojump_clock, *said) == "one two"


@pytest.mark.parametrize(("said", "which"), [((33.0, None), "first_token"), ((WORDS[0], 33.0, None), "idle")])
async def test_nothing_that_came_during_a_pause_is_no_fault_of_the_provider(
    autojump_clock: MockClock, said: tuple[bytes | float | None, ...], which: str
) -> None:
    """The call fails, in words that name the pause; its breaker does not count it."""
    with pytest.raises(TimedOut, match="this process itself stood still") as caught:
        await asked(autojump_clock, *said)

    assert caught.value.which == which
    assert is_own_lack(caught.value)


@pytest.mark.parametrize("whole", [True, False])
async def test_a_pause_beyond_the_whole_time_is_no_fault_of_the_provider(
    autojump_clock: MockClock, whole: bool
) -> None:
    """The same for `total_s`, be the answer streamed or not."""
    with pytest.raises(TimedOut, match="this process itself stood still") as caught:
        await asked(autojump_clock, 133.0, None, whole=whole)

    assert caught.value.which == "total"
    assert is_own_lack(caught.value)


async def test_silence_in_a_process_that_runs_counts(autojump_clock: MockClock) -> None:
    """After a pause, too: the time begins anew with what came by then."""
    began = trio.current_time()
    with pytest.raises(TimedOut) as caught:
        await asked(autojump_clock, WORDS[0], 33.0, WORDS[1], None)

    assert trio.current_time() - began == pytest.approx(63)
    assert not is_own_lack(caught.value)
