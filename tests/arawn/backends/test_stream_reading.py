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


def test_what_comes_after_the_end_is_not_read() -> None:
    """The terminal event is the last word."""
    stream = reading()
    whole = b"".join(openai_stream("a"))

    assert list(stream.feed(whole + b"data: not json\n\n")) == [TextDelta(0, "a")]
    assert stream.finished
    assert stream.response().text == "a"
