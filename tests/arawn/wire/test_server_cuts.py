"""However the network cuts the bytes, the same requests give the same answers."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from arawn.wire.body import ChunkedBody
from arawn.wire.connection import Connection, Shared
from arawn.wire.limits import Limits
from tests.serving import echo, read_all, serving, talk

REQUESTS = (
    b"GET /a?b=c HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n"
    b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\nhello\r\n\r\n\r\nx"
    b"\r\nPOST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"4;ext=1\r\nab\r\n\r\n10\r\n0123456789abcdef\r\n0\r\nX-T: 1\r\n\r\n"
    b"HEAD /d HTTP/1.1\r\nHost: x\r\n\r\n"
    b"GET /e HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
)


async def answers_to(pieces: list[bytes]) -> bytes:
    """Give each piece to a connection only after the one before has been used up."""
    left, right = trio.socket.socketpair()
    async with trio.SocketStream(left) as client, trio.SocketStream(right) as server:
        connection = Connection(server, Shared(echo, Limits(linger_seconds=0), trio.Event(), {}, {}))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connection.serve)
            for piece in pieces:
                await client.send_all(piece)
                await trio.testing.wait_all_tasks_blocked()
        await server.aclose()
        return re.sub(rb"date: [^\r]*\r\n", b"", await read_all(client))


def cut(data: bytes, places: list[int]) -> list[bytes]:
    marks = [0, *sorted({place % len(data) for place in places}), len(data)]
    return [data[start:end] for start, end in pairwise(marks) if start < end]


WHOLE = trio.run(answers_to, [REQUESTS])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 10_000), max_size=12))
def test_cuts_change_nothing(places: list[int]) -> None:
    """The answers to five pipelined requests are the same, byte for byte, wherever the stream is cut."""
    assert WHOLE.count(b"HTTP/1.1 200 OK") == 5

    assert trio.run(answers_to, cut(REQUESTS, places)) == WHOLE


def test_one_byte_at_a_time_changes_nothing() -> None:
    """The slowest network of all."""
    assert trio.run(answers_to, [bytes([byte]) for byte in REQUESTS]) == WHOLE


@given(
    st.lists(st.binary(min_size=1, max_size=40)), st.lists(st.integers(0, 10_000), max_size=12), st.binary(max_size=9)
)
def test_a_chunked_body_takes_its_own_bytes_and_no_more(chunks: list[bytes], places: list[int], rest: bytes) -> None:
    """Decoding gives back what was encoded, and what follows the body stays in the buffer."""
    coded = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    body = ChunkedBody()
    buffer = bytearray()
    decoded = b""

    for piece in cut(coded, places):
        buffer += piece
        decoded += body.take(buffer)
    buffer += rest

    assert body.done
    assert decoded == b"".join(chunks)
    assert body.take(buffer) == b""
    assert buffer == rest


@pytest.mark.parametrize("end", [b"\n", b"X-A: 1\n", b"X-A: 1\r\n\n"])
async def test_a_bare_lf_after_the_last_chunk_is_refused_at_once(end: bytes) -> None:
    """Other servers take it for the end of the body: whoever waits for more answers another request than they do."""
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with serving(echo, Limits(linger_seconds=0.01)) as served:
        answer = await talk(served, head + b"0\r\n" + end)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"must end in CRLF" in answer
