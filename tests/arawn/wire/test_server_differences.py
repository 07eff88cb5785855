"""Where our server and hypercorn's trio worker read the same, and where they do not: in one table, with reasons."""

from __future__ import annotations

import re

import pytest
import trio

from arawn.wire.asgi import Receive, Scope, Send
from tests.arawn.wire.two_servers import CHUNKED, GET, LAST, POST, needs_hypercorn, serving_with
from tests.serving import http_only, read_body, respond

Outcome = tuple[tuple[int, ...], tuple[str, ...]]
"""The statuses answered until the server closes, and the `method path body` that reached the application."""

ALIKE: dict[str, bytes] = {
    "one request": LAST,
    "two requests": GET + LAST,
    "HTTP/1.0": b"GET /a HTTP/1.0\r\n\r\n",
    "a length": POST + b"Content-Length: 3\r\n\r\nabc" + LAST,
    "an empty body": POST + b"Content-Length: 0\r\n\r\n" + LAST,
    "chunks": CHUNKED + b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-T: 1\r\n\r\n" + LAST,
    "chunked in capitals": POST + b"Transfer-Encoding: CHUNKED\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + LAST,
    "HEAD": b"HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n" + LAST,
    "an unknown method": b"BREW /a HTTP/1.1\r\nHost: x\r\n\r\n" + LAST,
    "two lengths that differ": POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd" + LAST,
    "a signed length": POST + b"Content-Length: +3\r\n\r\nabc" + LAST,
    "a negative length": POST + b"Content-Length: -3\r\n\r\nabc" + LAST,
    "an empty length": POST + b"Content-Length:\r\n\r\n" + LAST,
    "a space before the colon": POST + b"Content-Length : 3\r\n\r\nabc" + LAST,
    "no colon": POST + b"Content-Length 3\r\n\r\nabc" + LAST,
    "a NUL in a value": POST + b"X-A: 1\x002\r\n\r\n" + LAST,
    "no Host": b"GET /a HTTP/1.1\r\n\r\n" + LAST,
    "two Hosts": b"GET /a HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" + LAST,
    "two spaces": b"GET  /a HTTP/1.1\r\nHost: x\r\n\r\n" + LAST,
    "no version": b"GET /a\r\nHost: x\r\n\r\n" + LAST,
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n" + LAST,
    "a chunk size that is no number": CHUNKED + b"g\r\n" + LAST,
    "a chunk longer than its size": CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n" + LAST,
    "a chunk size that ends in LF": CHUNKED + b"3\nabc\r\n0\r\n\r\n" + LAST,
    "chunk data that ends in LF": CHUNKED + b"3\r\nabc\n0\r\n\r\n" + LAST,
    "a trailer without a colon": CHUNKED + b"0\r\nabc\r\n\r\n" + LAST,
    "twenty kilobytes of headers": b"GET /a HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 20000 + b"\r\n\r\n" + LAST,
    "a signed chunk size": CHUNKED + b"+3\r\nabc\r\n0\r\n\r\n" + LAST,
}

STRICT = "two servers in a row may read it differently"
REFUSED: Outcome = ((400,), ())
BOTH: tuple[int, ...] = (200, 200)

# name: (bytes, what ours does, what hypercorn does, why ours does so)
DIFFERENT: dict[str, tuple[bytes, Outcome, Outcome, str]] = {
    "bare LF": (b"GET /a HTTP/1.1\nHost: x\nConnection: close\n\n", REFUSED, ((200,), ("GET /a",)), STRICT),
    "a folded line": (
        b"GET /a HTTP/1.1\r\nHost: x\r\nX-A: 1\r\n 2\r\n\r\n" + LAST,
        REFUSED, (BOTH, ("GET /a", "GET /last")), STRICT,
    ),
    "two lengths that agree": (
        POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc" + LAST,
        REFUSED, (BOTH, ("POST /b abc", "GET /last")), STRICT,
    ),
    "a list of lengths": (
        POST + b"Content-Length: 3, 3\r\n\r\nabc" + LAST,
        REFUSED, (BOTH, ("POST /b abc", "GET /last")), STRICT,
    ),
    "length and chunked": (
        POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + LAST,
        REFUSED, (BOTH, ("POST /b", "GET /last")), STRICT,
    ),
    "another coding": (
        POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + LAST,
        REFUSED, ((501,), ()), "the status only",
    ),
    "chunked in HTTP/1.0": (
        b"POST /b HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        REFUSED, ((200,), ("POST /b abc",)), STRICT,
    ),
    "a space after a chunk size": (
        CHUNKED + b"3 \r\nabc\r\n0\r\n\r\n" + LAST, REFUSED, (BOTH, ("POST /b abc", "GET /last")), STRICT,
    ),
    "a long chunk extension": (
        CHUNKED + b"3;%b\r\nabc\r\n0\r\n\r\n" % (b"a" * 300) + LAST,
        REFUSED, (BOTH, ("POST /b abc", "GET /last")), "extensions are bounded",
    ),
    "a target and a Host that differ": (
        b"GET http://y/a HTTP/1.1\r\nHost: x\r\n\r\n" + LAST,
        REFUSED, (BOTH, ("GET http://y/a", "GET /last")), STRICT,
    ),
    "a Host that is no host": (
        b"GET /a HTTP/1.1\r\nHost: x/y\r\n\r\n" + LAST, REFUSED, (BOTH, ("GET /a", "GET /last")), STRICT,
    ),
    "a fragment": (
        b"GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n" + LAST, REFUSED, (BOTH, ("GET /a#b", "GET /last")), STRICT,
    ),
    "a path that is not UTF-8": (
        b"GET /%ff HTTP/1.1\r\nHost: x\r\n\r\n" + LAST,
        REFUSED, (BOTH, ("GET /\ufffd", "GET /last")), "ASGI has no path for it; a replacement would be another path",
    ),
    "CONNECT": (
        b"CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n" + LAST, REFUSED, ((200,), ("CONNECT x:1",)), "this is no proxy",
    ),
    "a method in small letters": (
        b"get /a HTTP/1.1\r\nHost: x\r\n\r\n" + LAST,
        ((501,), ()), (BOTH, ("GET /a", "GET /last")), "methods are case-sensitive; guessing is not ours",
    ),
    "another version": (
        b"GET /a HTTP/2.0\r\nHost: x\r\n\r\n" + LAST,
        ((505,), ()), (BOTH, ("GET /a", "GET /last")), "the framing of a version not spoken is unknown",
    ),
    "another expectation": (
        POST + b"Expect: tea\r\nContent-Length: 1\r\n\r\nx" + LAST,
        ((417,), ()), (BOTH, ("POST /b x", "GET /last")), "it cannot be met",
    ),
    "an absolute target": (
        b"GET http://x/a HTTP/1.1\r\nHost: x\r\n\r\n" + LAST,
        (BOTH, ("GET /a", "GET /last")), (BOTH, ("GET http://x/a", "GET /last")), "RFC 9112 3.2.2: the same path",
    ),
    "an empty line first": (
        b"\r\n" + LAST, ((200,), ("GET /last",)), REFUSED, "RFC 9112 2.2: to be ignored",
    ),
    "HTTP/1.0 that asks to be kept": (
        b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /b HTTP/1.0\r\n\r\n",
        (BOTH, ("GET /a", "GET /b")), ((400,), ("GET /a",)), "old benchmarks and health checks do; hypercorn cannot",
    ),
    "a request after the last": (
        LAST + GET, ((200,), ("GET /last",)), ((400,), ("GET /last",)), "what was asked first is answered",
    ),
    "an offer of HTTP/2": (
        b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n" + LAST,
        (BOTH, ("GET /a", "GET /last")), ((101,), ("GET /a",)), "not spoken; the offer may be ignored",
    ),
    "an offer of a WebSocket": (
        b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n" + LAST,
        (BOTH, ("GET /a", "GET /last")), REFUSED, "not spoken; the offer may be ignored",
    ),
}  # fmt: skip


async def outcome_of(name: str, raw: bytes) -> Outcome:
    """Send `raw`, read until the server closes or has nothing more to say."""
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(receive)
        if body is not None:
            seen.append(f"{scope['method']} {scope['path']} {body.decode()}".rstrip())
            await respond(send, 200, b"", [(b"content-length", b"0")])

    answer = b""
    async with serving_with(name, http_only(app)) as door, await door.connect() as stream:
        await stream.send_all(raw)
        with trio.move_on_after(0.5):
            while data := await stream.receive_some():
                answer += data
        await trio.aclose_forcefully(stream)
    return tuple(int(status) for status in re.findall(rb"^HTTP/1\.1 (\d+)", answer, re.MULTILINE)), tuple(seen)


@needs_hypercorn
@pytest.mark.parametrize("raw", ALIKE.values(), ids=ALIKE.keys())
async def test_both_understand_the_same(raw: bytes) -> None:
    """The same bytes give the same statuses and the same requests to the application."""
    assert await outcome_of("ours", raw) == await outcome_of("hypercorn", raw)


@needs_hypercorn
@pytest.mark.parametrize(("raw", "ours", "theirs", "why"), DIFFERENT.values(), ids=DIFFERENT.keys())
async def test_where_they_differ_it_is_stated(raw: bytes, ours: Outcome, theirs: Outcome, why: str) -> None:
    """Every difference that is known is in the table, with its reason."""
    assert why
    assert await outcome_of("ours", raw) == ours
    assert await outcome_of("hypercorn", raw) == theirs
