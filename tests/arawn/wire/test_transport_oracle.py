"""h11 as an oracle: what we accept, it accepts too, and reads the same; however the network cuts the bytes."""

from __future__ import annotations

from itertools import pairwise

import h11
import httpx
import msgspec
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from arawn.wire.client_body import open_decoder
from arawn.wire.client_connection import ClientConnection

HEAD_BYTES = 4096

Answer = tuple[int, list[tuple[bytes, bytes]], bytes]


class Fed:
    """A link that yields set pieces, then the end."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.bytes_sent = 0
        self._pieces = pieces

    async def send(self, data: bytes) -> None:
        raise NotImplementedError

    async def receive(self) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""

    def has_input(self) -> bool:
        return bool(self._pieces)

    def close(self) -> None:
        self._pieces = []


async def read_by_us(pieces: list[bytes], method: str) -> Answer | None:
    """Return what we make of an answer, None if we refuse it."""
    connection = ClientConnection(Fed(pieces), HEAD_BYTES)
    try:
        head = await connection.read_head(method, None)
        decoder = open_decoder(head.framing)
        body = decoder.feed(connection.take_buffered())
        while not decoder.done:
            data = await connection.receive(None)
            if data:
                body += decoder.feed(data)
            else:
                decoder.end()
    except httpx.RemoteProtocolError:
        return None
    return head.status, _plain(head.headers), body


def read_by_h11(raw: bytes, method: str) -> Answer | None:
    """Return what h11 makes of it, None if it refuses it."""
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method=method, target="/", headers=[("host", "h")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(raw)
    connection.receive_data(b"")
    head: h11.Response | None = None
    body = b""
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                break
            elif not isinstance(event, h11.InformationalResponse):
                return None
    except h11.RemoteProtocolError:
        return None
    assert head is not None
    return head.status_code, _plain([(bytes(name), bytes(value)) for name, value in head.headers]), body


def _plain(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return `headers` as h11 writes them: names, and the transfer coding, in lower case."""
    lowered = [(name.lower(), value) for name, value in headers]
    return [(name, value.lower() if name == b"transfer-encoding" else value) for name, value in lowered]


def cut(data: bytes, places: list[int]) -> list[bytes]:
    marks = [0, *sorted({place % len(data) for place in places}), len(data)]
    return [data[start:end] for start, end in pairwise(marks) if start < end]


class Raw(msgspec.Struct, frozen=True):
    method: str
    data: bytes


@st.composite
def answers(draw: st.DrawFn) -> Raw:
    """Nearly right answers: all the parts, put together without much care."""
    method = draw(st.sampled_from(["GET", "POST", "HEAD"]))
    before = draw(
        st.sampled_from([b"", b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 E\r\nlink: a\r\n\r\n", b"\r\n"])
    )
    version = draw(st.sampled_from([b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"http/1.1"]))
    status = draw(
        st.sampled_from(
            [b"200 OK", b"200", b"200 ", b"404 N\xc3\xb6", b"204 No", b"304 N", b"999 x", b"20 x", b"101 S"]
        )
    )
    body = draw(st.binary(max_size=30))
    fields = draw(
        st.lists(
            st.sampled_from(
                [
                    b"content-length: %d" % len(body),
                    b"Content-Length:%d " % (len(body) + 1),
                    b"content-length: 3, 3",
                    b"transfer-encoding: chunked",
                    b"Transfer-Encoding:\tCHUNKED",
                    b"transfer-encoding: gzip, chunked",
                    b"connection: close",
                    b"connection: upgrade",
                    b"upgrade: h2c",
                    b"x: a\tb",
                    b"x:",
                    b"x-\xe9: a",
                    b"x: \xe9 ",
                    b" folded",
                    b"no colon",
                    b"space : a",
                    b"x: nul\0",
                    b"x: bare\ny: lf",
                ]
            ),
            max_size=4,
        )
    )
    if draw(st.booleans()):
        ending = draw(
            st.sampled_from([b"0\r\n\r\n", b"0\r\nx: 1\r\n\r\n", b"00;a=b\r\n\r\n", b"0\r\n", b"", b"-1\r\n\r\n"])
        )
        size = draw(st.sampled_from([b"%x\r\n", b"0%X ;e\r\n", b'%x;e="q"\r\n', b"%x\n", b"0x%x\r\n"])) % len(body)
        body = (size + body + draw(st.sampled_from([b"\r\n", b"\r\n", b"\n", b""])) if body else b"") + ending
    line_end = draw(st.sampled_from([b"\r\n"] * 9 + [b"\n"]))
    head = line_end.join([version + b" " + status, *fields]) + line_end * 2
    data = before + head + body + draw(st.sampled_from([b"", b"", b"\r\n", b"HTTP/1.1 200 OK\r\n\r\n"]))
    mutation = draw(st.integers(0, 20))
    if mutation == 0:
        at = draw(st.integers(0, len(data) - 1))
        data = data[:at] + draw(st.binary(max_size=2)) + data[at + 1 :]
    return Raw(method, data)


CUTS = st.lists(st.integers(0, 10_000), max_size=8)


@settings(max_examples=150, deadline=None)
@given(answers(), CUTS)
def test_what_we_accept_h11_reads_the_same(answer: Raw, places: list[int]) -> None:
    """Status, headers and body are the same, or the answer is refused by us."""
    compare(answer, places)


@pytest.mark.slow
@settings(max_examples=3_000, deadline=None)
@given(answers(), CUTS)
def test_what_we_accept_h11_reads_the_same_for_long(answer: Raw, places: list[int]) -> None:
    """As above, in CI's long job."""
    compare(answer, places)


def compare(answer: Raw, places: list[int]) -> None:
    if not answer.data:
        return

    found = trio.run(read_by_us, cut(answer.data, places), answer.method)

    assert found is None or found == read_by_h11(answer.data, answer.method)


@settings(max_examples=100, deadline=None)
@given(answers(), CUTS)
def test_cuts_change_nothing(answer: Raw, places: list[int]) -> None:
    """The same bytes are read the same, wherever they are cut."""
    if not answer.data:
        return

    whole = trio.run(read_by_us, [answer.data], answer.method)

    assert trio.run(read_by_us, cut(answer.data, places), answer.method) == whole


@pytest.mark.parametrize("body", [b"", b"hello"])
@pytest.mark.parametrize(
    "framing", [b"content-length: %d\r\n\r\n%b", b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n"]
)
def test_well_formed_answers_are_accepted(framing: bytes, body: bytes) -> None:
    """The oracle would be of no use if we refused everything."""
    if b"chunked" in framing and not body:
        rest = b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n"
    else:
        rest = framing % (len(body), body)
    raw = b"HTTP/1.1 200 OK\r\nX: y\r\n" + rest

    found = trio.run(read_by_us, [raw], "GET")

    assert found is not None
    assert found == read_by_h11(raw, "GET")
    assert found[2] == body
