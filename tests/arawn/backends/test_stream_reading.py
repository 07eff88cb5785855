from __future__ import annotations

import pytest

from arawn.backends.openai import OpenAIDialect
from arawn.backends.stream_reading import StreamReading
from arawn.errors import BadReply
from arawn.messages import TextDelta
from tests.fake_provider import openai_stream


def reading() -> StreamReading:
    return StreamReading("profile `p`", OpenAIDialect(), max_bytes=64 * 1024 * 1024)


def test_an_endless_event_is_a_bad_reply() -> None:
    """Memory is bounded for one event too, and the message says what was found."""
    stream = reading()

    with pytest.raises(BadReply, match=r"longer than 8388608 bytes.*`data: xxx"):
        list(stream.feed(b"data: " + b"x" * (8 * 1024 * 1024)))

    assert stream.partial() is None


def test_a_stream_of_nothing_but_unknown_events_is_a_bad_reply() -> None:
    """It is no answer that was cut: the address may be wrong."""
    stream = reading()

    assert list(stream.feed(b'data:\n\ndata: {"type": "ping"}\n\ndata: {"something": "else"}\n\n')) == []
    assert (stream.started, stream.partial()) == (False, None)
    assert "it ended before an answer began" in stream.cut().user_message


def test_a_body_may_end_with_the_reason_for_the_end() -> None:
    """Some servers say no `[DONE]`; what has no reason for its end, or half an event after it, was cut."""
    whole = openai_stream("a")[:-1]
    stream = reading()
    list(stream.feed(b"".join(whole)))

    assert list(stream.feed(stream.end())) == []
    assert (stream.finished, stream.response().text, stream.response().usage.output_tokens) == (True, "a", 3)

    cut = reading()
    list(cut.feed(b"".join(whole[:2])))
    with pytest.raises(BadReply, match="cut the stream before its terminal event"):
        cut.end()

    half = reading()
    list(half.feed(b"".join(whole[:-1]) + whole[-1][:20]))
    with pytest.raises(BadReply, match="cannot be read"):
        list(half.feed(half.end()))


def test_what_comes_after_the_end_is_not_read() -> None:
    """The terminal event is the last word."""
    stream = reading()
    whole = b"".join(openai_stream("a"))

    assert list(stream.feed(whole + b"data: not json\n\n")) == [TextDelta(0, "a")]
    assert stream.finished
    assert stream.response().text == "a"
