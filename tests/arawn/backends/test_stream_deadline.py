"""How long a stream may be silent: what ends it, and when."""

from __future__ import annotations

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from arawn.backends.http_provider import Endpoint, HttpProvider
from arawn.backends.openai import OpenAIDialect
from arawn.backends.stream_deadline import StreamDeadline
from arawn.backends.verbatim import Verbatim, VerbatimMessages
from arawn.config.schema import Profile, TimeoutsConfig
from arawn.errors import BackendError
from arawn.messages import CompletionRequest, user
from tests.arawn.faults.edge import FOREVER, Piece, Play, PlayedTransport
from tests.fake_provider import openai_stream

TIMEOUTS = TimeoutsConfig(first_token_s=20.0, idle_s=10.0)
GAPS = st.lists(st.sampled_from([0.0, 0.001, 0.05, 0.1, 1.0, 9.9]), max_size=60)


async def _silent_after(gaps: list[float], *, comments: int = 0) -> tuple[float, str]:
    """Return how long after the last piece, each so long after the one before, the stream was given up, and why."""
    deadline = StreamDeadline(TIMEOUTS)
    last = trio.current_time()
    with deadline.scope:
        for number, gap in enumerate(gaps):
            await trio.sleep(gap)
            last = trio.current_time()
            deadline.piece_came(started=number >= comments)
        await trio.sleep_forever()
    return trio.current_time() - last, deadline.which


@given(gaps=GAPS)
def test_idle_s_counts_from_the_last_piece(gaps: list[float]) -> None:
    """Never less, and at most a hundredth more, however quickly the pieces came."""
    silent, which = trio.run(_silent_after, [0.5, *gaps], clock=MockClock(autojump_threshold=0))

    assert which == "idle"
    assert 10.0 - 1e-6 <= silent <= 10.1 + 1e-6


async def test_comments_do_not_put_off_the_first_token(autojump_clock: MockClock) -> None:
    """Nor does the reader, who has nothing yet."""
    silent, which = await _silent_after([5.0, 5.0, 5.0], comments=3)

    assert silent == pytest.approx(5.0)
    assert which == "first_token"


async def test_the_time_of_the_reader_counts_for_nothing(autojump_clock: MockClock) -> None:
    """A reader may take an hour over an event; then the whole time begins."""
    deadline = StreamDeadline(TIMEOUTS)
    with deadline.scope:
        deadline.piece_came(started=True)
        deadline.suspend()
        await trio.sleep(3600)
        deadline.piece_came(started=True)
        came = trio.current_time()
        await trio.sleep_forever()

    assert trio.current_time() - came == pytest.approx(10.1)


async def test_a_comment_after_a_pause_brings_the_first_limit_back(autojump_clock: MockClock) -> None:
    """Its time has gone on meanwhile."""
    deadline = StreamDeadline(TIMEOUTS)
    with deadline.scope:
        deadline.suspend()
        await trio.sleep(15)
        deadline.piece_came(started=False)
        await trio.sleep_forever()

    assert trio.current_time() == pytest.approx(20.0)


@pytest.mark.parametrize("after", [[FOREVER], [0.15, b"data: [DONE]\n\n"]])
async def test_an_error_at_the_last_moment_is_that_error(after: list[Piece], autojump_clock: MockClock) -> None:
    """The wait for what the provider may still say after it has a limit of its own."""
    said, fault = b"".join(openai_stream("one")[:2]), b'data: {"error":{"message":"overloaded"}}\n\n'
    transport = PlayedTransport(Play([said, 10.05, fault, *after], headers={"content-type": "text/event-stream"}))
    profile = Profile(backend="custom", model="m", timeouts=TIMEOUTS)
    provider = HttpProvider("p", profile, OpenAIDialect(), Endpoint("custom", "http://played.test", "k"), transport)
    body = b'{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true}'
    messages = VerbatimMessages.of((user("hi"),), Verbatim("openai", body))

    with pytest.raises(BackendError, match="overloaded"):
        await provider.stream(CompletionRequest(messages=messages, model="m"), lambda _: None)
