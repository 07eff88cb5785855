"""What has been read of a stream is passed on, all of it and once."""

from __future__ import annotations

import time
from itertools import pairwise
from statistics import median

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from arawn.backends.anthropic import AnthropicDialect
from arawn.backends.openai import OpenAIDialect
from arawn.backends.protocol import Dialect
from arawn.backends.verbatim_reply import VerbatimReading, VerbatimResponse, bytes_of
from arawn.errors import BackendError, BadReply
from arawn.messages import StreamEvent
from tests.fake_provider import anthropic_stream, events, openai_chunk, openai_stream

DIALECTS: dict[str, Dialect] = {"openai": OpenAIDialect(), "anthropic": AnthropicDialect()}
STREAMS = {"openai": openai_stream("one", " two"), "anthropic": anthropic_stream("one", " two")}
CALL = {"index": 0, "function": {"name": "f", "arguments": ""}}
BLOCK = {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}
ODD = [
    ("openai", [openai_chunk(tool_calls=[CALL]), "[DONE]"]),
    ("openai", [openai_chunk(content="a"), openai_chunk(tool_calls=[CALL]), openai_chunk("tool_call"), "[DONE] "]),
    (
        "openai",
        ["null", openai_chunk(tool_calls=[CALL]), openai_chunk(tool_calls=[CALL]), openai_chunk("stop"), "[DONE]"],
    ),
    ("openai", [openai_chunk(function_call=CALL["function"]), openai_chunk("function_call"), "[DONE]"]),
    ("anthropic", [{"type": "content_block_start", "index": 0, "content_block": BLOCK}, {"type": "message_stop"}]),
]
CUTS = st.lists(st.integers(0, 2000), max_size=12)


def reading_of(dialect: str) -> VerbatimReading:
    return VerbatimReading("here", DIALECTS[dialect], max_bytes=10**9, drop_usage=False)


@example(dialect="openai", cuts=[-1], ends=b"\r\n")
@example(dialect="anthropic", cuts=[-1], ends=b"\r\n")
@given(dialect=st.sampled_from(sorted(DIALECTS)), cuts=CUTS, ends=st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_what_is_passed_on_is_what_came(dialect: str, cuts: list[int], ends: bytes) -> None:
    """However it is cut, and whatever ends its lines."""
    whole = b"".join(STREAMS[dialect]).replace(b"\n", ends)
    places = sorted({0, len(whole), *(cut % len(whole) for cut in cuts if cut < len(whole))})
    reading = reading_of(dialect)

    events: list[StreamEvent] = []
    for begin, end in pairwise(places):
        events.extend(reading.feed(whole[begin:end]))

    response = reading.response()
    assert isinstance(response, VerbatimResponse)
    assert b"".join(bytes_of(event) or b"" for event in events) + response.raw == whole
    assert "".join(getattr(event, "text", "") for event in events) == response.text == "one two"


@given(odd=st.sampled_from(ODD), cuts=CUTS)
def test_odd_streams_pass_as_they_came(odd: tuple[str, list[object]], cuts: list[int]) -> None:
    """The terminal event comes with the answer, also where a call begins no earlier than there."""
    whole = b"".join(events(*odd[1]))
    places = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    reading = reading_of(odd[0])

    passed = [bytes_of(event) or b"" for begin, end in pairwise(places) for event in reading.feed(whole[begin:end])]

    response = reading.response()
    assert isinstance(response, VerbatimResponse)
    assert b"".join(passed) + response.raw == whole
    assert events(odd[1][-1])[0] in response.raw
    assert [call.name for call in response.tool_calls] == ["f"]


def test_nothing_is_passed_on_before_something_is_said() -> None:
    """Until then another attempt can be made, whose events would come on top."""
    reading = reading_of("anthropic")

    assert list(reading.feed(b"".join(STREAMS["anthropic"][:3]))) == []
    assert bytes_of(next(iter(reading.feed(STREAMS["anthropic"][3])))) == b"".join(STREAMS["anthropic"][:4])


def test_an_event_with_several_deltas_is_passed_on_once() -> None:
    """Many providers say name and arguments of a tool call at once; the bytes come with the last delta."""
    call = b'{"index":0,"id":"x","function":{"name":"f","arguments":"{}"}}'
    event = b'data: {"choices":[{"index":0,"delta":{"content":"a","tool_calls":[' + call + b"]}}]}\n\n"

    said = [bytes_of(delta) for delta in reading_of("openai").feed(event)]

    assert said == [b"", b"", event]


@pytest.mark.parametrize("together", [True, False])
def test_what_follows_an_error_is_passed_on(together: bool) -> None:
    """Whether it comes in the same piece or after it; without the key, and the error is raised once."""
    fault, done = b'data: {"error":{"message":"no, k-1"}}\n\n', b"data: [DONE]\n\n"
    dialect = DIALECTS["openai"]
    reading = VerbatimReading(
        "here", dialect, max_bytes=10**9, drop_usage=True, masked=lambda said: said.replace(b"k-1", b"[key]")
    )
    begun = b"".join(STREAMS["openai"][:2])
    first, rest = (begun + fault + done, b"") if together else (begun + fault, done)
    passed = b""

    with pytest.raises(BackendError, match="no, "):
        for event in reading.feed(first):
            passed += bytes_of(event) or b"?"
    assert reading.refused_midway
    passed += b"".join(bytes_of(event) or b"?" for event in reading.feed(rest))

    assert passed == begun + fault.replace(b"k-1", b"[key]") + done


def test_comments_before_the_first_word_cost_the_same_each() -> None:
    """However many have come, and they are bounded: meanwhile nobody else is answered."""
    reading = reading_of("openai")
    piece = (b": " + b"-" * 250 + b"\n\n") * 64
    costs = []

    with pytest.raises(BadReply, match="it says nothing in 16777216 bytes"):
        for _ in range(10_000):
            begun = time.process_time()
            assert list(reading.feed(piece)) == []
            costs.append(time.process_time() - begun)

    assert len(costs) == 16 * 2**20 // len(piece)
    assert median(costs[-50:]) < 5 * median(costs[:50])  # with a copy of all for each it would be a hundred times


@pytest.mark.parametrize("line", [b"x" * 65_536, b": note\n" * 10_000], ids=["one line", "many lines"])
@pytest.mark.parametrize("refused", [False, True])
def test_an_event_without_end_is_given_up(refused: bool, line: bytes) -> None:
    """Not kept for ever, and looked at once; after an error of the provider too, and nothing of it is passed on."""
    reading = reading_of("openai")
    list(reading.feed(STREAMS["openai"][0]))
    if refused:
        with pytest.raises(BackendError, match="no more"):
            list(reading.feed(b'data: {"error":{"message":"no more"}}\n\n'))

    fed, passed = 0, b""
    with pytest.raises(BadReply, match="one event of the stream is longer than 16777216 bytes"):
        while fed < 2 * 16_777_216:
            fed += len(line)
            passed += b"".join(bytes_of(event) or b"" for event in reading.feed(line))

    assert 16_777_216 < fed < 16_777_216 + 2 * len(line)
    assert passed == b""
