"""h11 as the oracle: what our server lets through to the application, h11 reads in the same way.

Ours may refuse what h11 accepts. What it must never do is accept bytes and see another request in them.
"""

from __future__ import annotations

from itertools import pairwise

import h11
import msgspec
import pytest
import trio
import trio.testing
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from arawn.wire.asgi import Receive, Scope, Send
from arawn.wire.connection import Connection, Shared
from arawn.wire.limits import Limits
from tests.serving import read_all, read_body, respond


class Seen(msgspec.Struct, frozen=True):
    """One request as a server understood it."""

    method: bytes
    target: bytes
    version: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


def read_by_h11(raw: bytes) -> list[Seen]:
    """Return the requests that h11 finds in `raw`, up to the first it refuses, that is cut, or that is the last.

    Each has a parser of its own, since h11 takes a second request neither after HTTP/1.0 nor after empty lines.
    """
    requests: list[Seen] = []
    while True:
        while raw.startswith(b"\r\n"):
            raw = raw[2:]
        found = _first_by_h11(raw)
        if found is None:
            return requests
        seen, raw = found
        requests.append(seen)
        options = [value.lower() for name, value in seen.headers if name == b"connection"]
        close = any(b"close" in value for value in options)
        if close or (seen.version == b"1.0" and not any(b"keep-alive" in value for value in options)):
            return requests


def _first_by_h11(raw: bytes) -> tuple[Seen, bytes] | None:
    parser = h11.Connection(h11.SERVER, max_incomplete_event_size=2**16)
    parser.receive_data(raw)
    body = b""
    head: h11.Request | None = None
    while True:
        try:
            found = parser.next_event()
        except h11.RemoteProtocolError:
            return None
        if isinstance(found, h11.Request):
            head = found
        elif isinstance(found, h11.Data):
            body += found.data
        elif isinstance(found, h11.EndOfMessage):
            assert head is not None
            headers = tuple((bytes(name), bytes(value)) for name, value in head.headers)
            seen = Seen(bytes(head.method), bytes(head.target), bytes(head.http_version), headers, body)
            return seen, parser.trailing_data[0]
        else:
            return None


async def read_by_ours(pieces: list[bytes]) -> tuple[list[Seen], bytes]:
    """Return the requests that reached the application whole, and all that was answered."""
    requests: list[Seen] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(receive)
        if body is None:
            return
        query = b"?" + scope["query_string"] if scope["query_string"] else b""
        target = scope["raw_path"] + query
        version = scope["http_version"].encode()
        requests.append(Seen(scope["method"].encode(), target, version, tuple(scope["headers"]), body))
        await respond(send, 200, b"")

    left, right = trio.socket.socketpair()
    async with trio.SocketStream(left) as client, trio.SocketStream(right) as server:
        shared = Shared(app, Limits(), trio.Event(), {}, {})
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Connection(server, shared).serve)
            for piece in pieces:
                await client.send_all(piece)
                await trio.testing.wait_all_tasks_blocked()
            await client.send_eof()
        await server.aclose()
        return requests, await read_all(client)


def as_h11_spells(seen: Seen) -> Seen:
    """h11 hands on the one coding it knows in small letters."""
    headers = [(name, value.lower() if name == b"transfer-encoding" else value) for name, value in seen.headers]
    return msgspec.structs.replace(seen, headers=tuple(headers))


def as_ours_spells(seen: Seen) -> Seen:
    """ASGI has no place for the host of an absolute target, nor for a question mark with nothing after it."""
    target = seen.target
    if target[:7].lower() == b"http://":
        rest = target[7:]
        cut = min((rest.index(mark) for mark in (b"/", b"?") if mark in rest), default=len(rest))
        target = rest[cut:] if rest[cut:].startswith(b"/") else b"/" + rest[cut:]
    return msgspec.structs.replace(seen, target=target.removesuffix(b"?") if target.count(b"?") == 1 else target)


ODD_TARGETS = [b"/a?", b"*", b"http://x?b", b"http://y/", b"a", b"/#", b"https://x/"]
CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
LINE_ENDS = st.sampled_from([b"\r\n"] * 200 + [b"\n", b"\r", b"\r\r\n", b"\n\r\n", b"\r\n ", b"\r\n\t"])
FIELDS = st.sampled_from(
    [b"X-A: 1", b"x-a:  two  ", b"X-A:", b"X-A:\x80\xff", b"Host : x", b" X: 1", b"X-A: 1\x00", b"X-A: 1\x0b",
     b"X A: 1", b"no colon", b": empty", b"Host: y", b"Expect: 100-continue", b"Upgrade: h2c", b"Connection: upgrade",
     b"Connection: close", b"Connection: keep-alive", b"Connection: Keep-Alive, x",
     b"Content-Length: 0", b"Content-Length: 3", b"Content-Length: 03", b"Content-Length: +3", b"Content-Length: 3, 3",
     b"Content-Length: 3 ", b"Content-Length:\t4", b"Content-Length: 0x3", b"Content-Length:",
     b"Transfer-Encoding: chunked", b"transfer-encoding:  Chunked ", b"Transfer-Encoding: gzip, chunked",
     b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked, chunked", b"Transfer-Encoding:\x0bchunked"]
)  # fmt: skip
CHUNK_LINES = st.sampled_from(
    [b"3", b"03", b"3;a=b", b"3 ", b" 3", b"3;", b"+3", b"0x3", b"3_", b"2", b"4", b"A", b"fffffffff"]
)
SPECIAL = st.sampled_from(
    [
        b"\r",
        b"\n",
        b"\r\n",
        b"\r\n\r\n",
        b" ",
        b"\t",
        b":",
        b";",
        b",",
        b"0",
        b"\x00",
        b"\x0b",
        b"\xa0",
        b"\xff",
        b"GET / ",
    ]
)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Chunked bodies, right and nearly right, and bytes that may be a body of any length."""
    if draw(st.booleans()):
        return draw(st.sampled_from([b"", b"abc", b"abcd", b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"]))
    body = b""
    for _ in range(draw(st.integers(0, 3))):
        body += draw(CHUNK_LINES | st.just(b"3")) + draw(LINE_ENDS) + b"abc" + draw(LINE_ENDS)
    return body + b"0" + draw(LINE_ENDS) + draw(st.sampled_from([b"", b"", b"T: 1\r\n", b"T 1\r\n"])) + draw(LINE_ENDS)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """One request, mostly right, with whatever framing."""
    method = draw(st.sampled_from([b"GET", b"POST", b"HEAD", b"PUT"] * 5 + [b"OPTIONS", b"get", b"M-SEARCH"]))
    target = draw(st.sampled_from([b"/", b"/a?b", b"http://x/a", b"//x", b"/%41"] * 4 + ODD_TARGETS))
    version = draw(st.sampled_from([b"HTTP/1.1"] * 20 + [b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"http/1.1"]))
    host = draw(st.sampled_from([b"Host: x"] * 20 + [b"host:x ", b"Host: x/y", b"X: y"]))
    fields = [host, *draw(st.lists(FIELDS, max_size=3))]
    framed = draw(st.sampled_from(["any", "length", "chunked", "none", "none"]))
    body = draw(bodies())
    if framed != "any":
        fields = fields[:2]
    if framed == "length":
        fields.append(b"Content-Length: %d" % len(body))
    elif framed == "chunked":
        fields.append(b"Transfer-Encoding: chunked")
        body = b"3\r\nabc\r\n0\r\n\r\n" if draw(st.booleans()) else body
    elif framed == "none":
        body = b""
    head = method + b" " + target + b" " + version + draw(LINE_ENDS)
    return head + b"".join(field + draw(LINE_ENDS) for field in fields) + draw(LINE_ENDS) + body


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Some requests on one connection, a byte or two of which may have been damaged."""
    stream = b"".join(draw(st.lists(requests(), min_size=1, max_size=3)))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        place = draw(st.integers(0, len(stream)))
        stream = stream[:place] + draw(SPECIAL) + stream[place + draw(st.integers(0, 2)) :]
    return stream


def cut(data: bytes, places: list[int]) -> list[bytes]:
    marks = [0, *sorted({place % len(data) for place in places}), len(data)]
    return [data[start:end] for start, end in pairwise(marks) if start < end]


@settings(max_examples=150, deadline=None)
@given(streams(), st.lists(st.integers(0, 10_000), max_size=6))
@example(CHUNKED + b"3;a\r\nabc\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", [70])
def test_nothing_is_accepted_that_h11_reads_differently(stream: bytes, places: list[int]) -> None:
    """The requests that reach the application are h11's, from the first on; where h11 has more, ours has refused."""
    compare(stream, places)


@pytest.mark.slow
@settings(max_examples=3_000, deadline=None)
@given(streams(), st.lists(st.integers(0, 10_000), max_size=6))
def test_nothing_is_accepted_that_h11_reads_differently_for_long(stream: bytes, places: list[int]) -> None:
    """As above, in CI's long job."""
    compare(stream, places)


def compare(stream: bytes, places: list[int]) -> None:
    theirs = [as_ours_spells(seen) for seen in read_by_h11(stream)]

    seen_by_ours, answer = trio.run(read_by_ours, cut(stream, places))
    ours = [as_h11_spells(seen) for seen in seen_by_ours]

    assert ours == theirs[: len(ours)]
    refused = answer.count(b"connection: close\r\n") > 0 and b'{"error":' in answer
    assert len(ours) == len(theirs) or refused
    event(f"{len(ours)} of {len(theirs)} accepted")


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.binary(max_size=60), min_size=1, max_size=4), st.lists(st.integers(0, 10_000), max_size=6), st.data()
)
def test_what_h11_writes_is_read_in_full(bodies_: list[bytes], places: list[int], data: st.DataObject) -> None:
    """Requests that h11 writes as a client, with lengths or in chunks, arrive as they were meant."""
    stream = b""
    for body in bodies_:
        framing = data.draw(
            st.sampled_from([("content-length", str(len(body))), ("transfer-encoding", "chunked")]), label="framing"
        )
        client = h11.Connection(h11.CLIENT)
        stream += client.send(h11.Request(method="POST", target="/a", headers=[("host", "x"), framing])) or b""
        stream += client.send(h11.Data(data=body)) or b""
        stream += client.send(h11.EndOfMessage()) or b""

    ours, _ = trio.run(read_by_ours, cut(stream, places))

    assert [seen.body for seen in ours] == bodies_
