"""The parser against the standard's own words."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from arawn.wire.sse import SseEvent, SseParser

STREAMS = st.lists(
    st.sampled_from(
        [b"data", b":", b" ", b"\r", b"\n", b"\r\n", b"event", b"id", b"x", b"\xc3\xa9", b"\xf0\x9f\x98\x80", b"\xff",
         b"\xef\xbb\xbf", b"\0", b"data: a\n", b": note\n", b"\n\n", b"retry", b"retry: 10", b"7", b"\xd9\xa3",
         b"\xe2\x80\xa8", b"\xed\xa0\x80", b"\x85", b"\x0b", b"\r\r\n", b"id: 1\r"]
    ),
    max_size=40,
).map(b"".join)  # fmt: skip


def read_by_the_book(stream: bytes) -> list[SseEvent]:
    """The format's own algorithm, step by step over the whole text, as the standard words it."""
    text = stream.decode("utf-8", "replace").removeprefix("\ufeff")
    events: list[SseEvent] = []
    data, event = "", ""
    for line in re.split("\r\n|\n|\r", text)[:-1]:
        if line == "":
            if data != "":
                events.append(SseEvent(event or "message", data.removesuffix("\n")))
            data, event = "", ""
            continue
        if line.startswith(":"):
            continue
        field, value = line, ""
        if ":" in line:
            field, value = line.split(":", 1)
            value = value.removeprefix(" ")
        if field == "event":
            event = value
        elif field == "data":
            data += value + "\n"
    return events


def parse(stream: bytes) -> list[SseEvent]:
    return SseParser().feed(stream)


@example(stream=b"\rdata: a\n\r", cuts=[8])  # the LF ends a line that began after a CR
@given(stream=STREAMS, cuts=st.lists(st.integers(0, 200), max_size=8))
def test_where_the_stream_is_cut_does_not_change_the_events(stream: bytes, cuts: list[int]) -> None:
    """Pieces of any size give the events of the whole."""
    parser = SseParser()
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]

    events = [event for start, end in pairwise(edges) for event in parser.feed(stream[start:end])]

    assert events == parse(stream)


@example(stream=b"data: a\r\n\n", cuts=[8, 9])  # the second LF is a line of its own
@example(stream=b"\n\xef\xbb\xbfdata: a\n\n", cuts=[1])  # a mark counts only at the very start
@given(stream=STREAMS, cuts=st.lists(st.integers(0, 200), max_size=8))
def test_the_events_are_those_of_the_standard(stream: bytes, cuts: list[int]) -> None:
    """Cut anywhere, the parser finds what the standard's algorithm finds in the whole text."""
    parser = SseParser()
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]

    events = [event for start, end in pairwise(edges) for event in parser.feed(stream[start:end])]

    assert events == read_by_the_book(stream)


@example(pieces=[b"\n", b"da", b"data: a\n\n"])
@example(pieces=[b"\n", b"data: d\n", b"data: a\n\n"])
@example(pieces=[b"data: a\n\n", b"\xef\xbb\xbfdata: a\n\n"])  # a mark counts only at the very start
@given(
    pieces=st.lists(
        st.sampled_from(
            [b"data: a\n\n", b"data: \n\n", b"data: \xff\n\n", b"data:b\n\n", b"data: c\r\n\r\n", b"data: d\n", b"\n",
             b"event: e\n", b"\r", b"da", b"ta: f\n\n", b"\xef\xbb\xbf", b": note\n\n", b"data: g\n\ndata: h\n\n"]
        )
    )
)  # fmt: skip
def test_an_event_may_come_in_a_piece_of_its_own(pieces: list[bytes]) -> None:
    """As most servers send them: whatever has begun before goes on in it."""
    parser = SseParser()

    events = [event for piece in pieces for event in parser.feed(piece)]

    assert events == read_by_the_book(b"".join(pieces))


@example(stream=b"\ndata: 12345\n", limit=8, cuts=[11])  # the name counts, however much of the line is there
@given(stream=STREAMS, limit=st.integers(1, 40), cuts=st.lists(st.integers(0, 200), max_size=8))
def test_where_the_stream_is_cut_does_not_change_what_is_refused(stream: bytes, limit: int, cuts: list[int]) -> None:
    """A stream within the limit passes in any pieces, one beyond it in none."""
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[start:end] for start, end in pairwise(edges)]

    assert is_refused([stream], limit) == is_refused(pieces, limit)


def is_refused(pieces: list[bytes], limit: int) -> bool:
    parser = SseParser(max_event_bytes=limit)
    try:
        for piece in pieces:
            parser.feed(piece)
    except ValueError:
        return True
    return False


@given(stream=STREAMS)
def test_every_line_ending_gives_the_same_events(stream: bytes) -> None:
    """CR, LF and CRLF mean the same."""
    lf = stream.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    assert parse(lf) == parse(lf.replace(b"\n", b"\r")) == parse(lf.replace(b"\n", b"\r\n"))


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"data: YHOO\ndata: +2\ndata: 10\n\n", [SseEvent(data="YHOO\n+2\n10")]),
        (b": note\n\ndata: a\nid: 1\n\ndata:b\nid\n\ndata:  c\n\n",
         [SseEvent(data="a"), SseEvent(data="b"), SseEvent(data=" c")]),
        (b"data\n\ndata\ndata\n\ndata:", [SseEvent(data=""), SseEvent(data="\n")]),
        (b"\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n", [SseEvent(data="a")]),
        (b"event: add\ndata: 7\n\ndata: 8\n\n", [SseEvent("add", "7"), SseEvent(data="8")]),
        (b"event: lost\n\ndata: kept\n\n", [SseEvent(data="kept")]),
        (b"id: a\0b\nretry: 10\nunknown: x\ndata: a\n\n", [SseEvent(data="a")]),
        (b"data: unfinished\n", []),
    ],
)  # fmt: skip
def test_the_rules_of_the_format(stream: bytes, expected: list[SseEvent]) -> None:
    """Comments, several data lines, missing spaces, marks and names are read as the format says; ids change nothing."""
    assert parse(stream) == expected


def test_an_event_is_given_at_its_last_cr() -> None:
    """A blank line that ends in CR ends the event at once; the LF after it is no second blank line."""
    parser = SseParser()

    assert parser.feed(b"data: a\r\n\r") == [SseEvent(data="a")]
    assert parser.feed(b"\ndata: b\n\n") == [SseEvent(data="b")]


@pytest.mark.parametrize("stream", [b"data: " + b"x" * 60, b"data: 1234567890\n" * 6, b"x" * 60])
def test_an_endless_event_is_refused(stream: bytes) -> None:
    """Neither a long line nor many lines can grow past the limit, in one piece or in many."""
    with pytest.raises(ValueError, match="longer than 50 bytes"):
        SseParser(max_event_bytes=50).feed(stream)
    parser = SseParser(max_event_bytes=50)
    with pytest.raises(ValueError, match="longer than 50 bytes"):
        for byte in stream:
            parser.feed(bytes([byte]))


def test_many_short_events_pass_the_limit() -> None:
    """The limit is one event's, not the stream's."""
    assert len(SseParser(max_event_bytes=50).feed(b"data: 1234567890\n\n: note\n" * 100)) == 100
