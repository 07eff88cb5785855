"""Requests on which two servers in a row could disagree are refused."""

from __future__ import annotations

import json
import re
import ssl

import pytest
import trio
import trio.testing

from arawn.wire.asgi import Receive, Scope, Send
from arawn.wire.limits import Limits
from tests.serving import echo, read_all, read_body, respond, serving, talk

HEAD = b"POST / HTTP/1.1\r\nHost: x\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"

AMBIGUOUS = {
    "two lengths that differ": HEAD + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "two lengths that agree": HEAD + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "a list of lengths": HEAD + b"Content-Length: 3, 3\r\n\r\nabc",
    "a signed length": HEAD + b"Content-Length: +3\r\n\r\nabc",
    "a negative length": HEAD + b"Content-Length: -3\r\n\r\nabc",
    "a hexadecimal length": HEAD + b"Content-Length: 0x3\r\n\r\nabc",
    "an empty length": HEAD + b"Content-Length:\r\n\r\n",
    "a length with an underscore": HEAD + b"Content-Length: 1_0\r\n\r\n0123456789",
    "a huge length": HEAD + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n",
    "length and chunked": HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and length": HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "chunked twice": HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked in a list": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked not last": HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "identity": HEAD + b"Transfer-Encoding: identity\r\n\r\n",
    "xchunked": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n",
    "chunked after a vertical tab": HEAD + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "chunked in HTTP/1.0": b"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "bare LF everywhere": b"GET / HTTP/1.1\nHost: x\n\n",
    "bare LF after the request line": b"GET / HTTP/1.1\nHost: x\r\n\r\n",
    "bare LF after a header": HEAD + b"X-A: 1\nX-B: 2\r\n\r\n",
    "bare LF as the empty line": b"GET / HTTP/1.1\r\nHost: x\r\n\n",
    "bare CR in a value": HEAD + b"X-A: 1\rX-B: 2\r\n\r\n",
    "NUL in a value": HEAD + b"X-A: 1\x002\r\n\r\n",
    "a folded line": HEAD + b"X-A: 1\r\n 2\r\n\r\n",
    "a line folded with a tab": HEAD + b"X-A: 1\r\n\t2\r\n\r\n",
    "a folded first line": b"GET / HTTP/1.1\r\n Host: x\r\n\r\n",
    "space before the colon": HEAD + b"Content-Length : 3\r\n\r\nabc",
    "tab before the colon": HEAD + b"Content-Length\t: 3\r\n\r\nabc",
    "no colon": HEAD + b"Content-Length 3\r\n\r\nabc",
    "an empty name": HEAD + b": 3\r\n\r\nabc",
    "a name that is no token": HEAD + b"X(A): 3\r\n\r\n",
    "a name that is not ASCII": HEAD + b"X-\xe9: 3\r\n\r\n",
    "no Host": b"GET / HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
    "two Hosts in HTTP/1.0": b"GET / HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n",
    "a Host with a path": b"GET / HTTP/1.1\r\nHost: x/y\r\n\r\n",
    "a Host with a user": b"GET / HTTP/1.1\r\nHost: x@y\r\n\r\n",
    "a Host list": b"GET / HTTP/1.1\r\nHost: x, y z\r\n\r\n",
    "target and Host differ": b"GET http://y/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "a target of TLS on a plain connection": b"GET https://x/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "a target with a user": b"GET http://u@x/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "a target without a host": b"GET http:/// HTTP/1.1\r\nHost: x\r\n\r\n",
    "a target and no Host in HTTP/1.0": b"GET http://x/ HTTP/1.0\r\n\r\n",
    "a target that is no path": b"GET a HTTP/1.1\r\nHost: x\r\n\r\n",
    "a fragment": b"GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n",
    "an authority as target": b"CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n",
    "two spaces": b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a space in the target": b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
    "a tab for a space": b"GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "no version": b"GET /\r\nHost: x\r\n\r\n",
    "a path that is not UTF-8": b"GET /%ff HTTP/1.1\r\nHost: x\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "a chunk size that is no number": CHUNKED + b"g\r\n",
    "an empty chunk size": CHUNKED + b"\r\nabc\r\n0\r\n\r\n",
    "a signed chunk size": CHUNKED + b"+3\r\nabc\r\n0\r\n\r\n",
    "a chunk size with a prefix": CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n",
    "a chunk size with a space before it": CHUNKED + b" 3\r\nabc\r\n0\r\n\r\n",
    "a chunk size with a space after it": CHUNKED + b"3 \r\nabc\r\n0\r\n\r\n",
    "a chunk size that overflows": CHUNKED + b"f" * 17 + b"\r\nabc\r\n",
    "a chunk size that ends in LF": CHUNKED + b"3\nabc\r\n0\r\n\r\n",
    "a chunk size that ends in CR": CHUNKED + b"3\rabc\r\n0\r\n\r\n",
    "an extension with a bare LF": CHUNKED + b"3;a\nb\r\nabc\r\n0\r\n\r\n",
    "an endless extension": CHUNKED + b"3;" + b"a" * 300,
    "extensions longer than their data": CHUNKED + b"1;%b\r\na\r\n" % (b"a" * 200) * 100 + b"0\r\n\r\n",
    "a space in a chunk size": CHUNKED + b"1 0\r\n0123456789abcdef\r\n0\r\n\r\n",
    "a chunk size with an underscore": CHUNKED + b"1_0\r\n0123456789abcdef\r\n0\r\n\r\n",
    "a last chunk that ends in LF": CHUNKED + b"0\r\n\n",
    "a chunk longer than its size": CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n",
    "chunk data that ends in other bytes": CHUNKED + b"3\r\nabcXY0\r\n\r\n",
    "chunk data that ends in LF": CHUNKED + b"3\r\nabc\n0\r\n\r\n",
    "a folded trailer": CHUNKED + b"0\r\nX-A: 1\r\n 2\r\n\r\n",
    "a trailer with a bare LF": CHUNKED + b"0\r\nX-A: 1\n\r\n\r\n",
    "a trailer without a colon": CHUNKED + b"0\r\nabc\r\n\r\n",
}

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize("raw", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
async def test_an_ambiguous_request_is_refused_and_the_connection_closed(raw: bytes) -> None:
    """One answer, 400 with a reason, and nothing after it on the connection is taken for a request."""
    paths: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if await read_body(receive) is not None:
            paths.append(scope["path"])
            await respond(send, 200, b"")

    async with serving(app, Limits(linger_seconds=0.01)) as served:
        answer = await talk(served, raw + SMUGGLED)

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"connection: close" in head
    assert json.loads(body)["error"]["message"]
    assert len(re.findall(rb"HTTP/1.1 \d", answer)) == 1
    assert paths == []


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"get / HTTP/1.1\r\nHost: x\r\n\r\n", 501),
        (HEAD + b"Expect: tea\r\nContent-Length: 1\r\n\r\nx", 417),
    ],
)
async def test_what_is_not_spoken_is_said_so(raw: bytes, status: int) -> None:
    """Other versions, unknown methods and unknown expectations have their own status."""
    async with serving(echo, Limits(linger_seconds=0.01)) as served:
        answer = await talk(served, raw)

    assert answer.startswith(b"HTTP/1.1 %d " % status)


SMALL = Limits(header_bytes=200, header_seconds=0.05, body_seconds=0.05, idle_seconds=0.05, linger_seconds=0.05)


async def test_extensions_of_long_chunks_pass() -> None:
    """Extensions are ignored as long as data comes with them, and thousands of short chunks are a body too."""
    body = b"64;%b\r\n%b\r\n" % (b"a" * 150, b"x" * 100) * 1000 + b"1\r\ny\r\n" * 5000
    raw = HEAD + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + body + b"0\r\n\r\n"
    async with serving(echo) as served:
        answer = await talk(served, raw)

    assert json.loads(answer.partition(b"\r\n\r\n")[2])["body"] == "x" * 100_000 + "y" * 5000


async def test_any_method_in_capitals_reaches_the_application() -> None:
    """Which methods exist is the application's to say; spellings that another server might correct are refused."""
    async with serving(echo, Limits(linger_seconds=0.01)) as served:
        answer = await talk(served, b"BREW /pot HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    assert json.loads(answer.partition(b"\r\n\r\n")[2])["method"] == "BREW"


async def test_a_bare_lf_is_refused_at_once() -> None:
    """A client that ends its lines in LF alone is told so, not left to wait for the end of its time."""
    async with serving(echo, Limits(linger_seconds=0.01)) as served:
        answer = await talk(served, b"GET / HTTP/1.1\nHost: x\n\n")

    assert answer.startswith(b"HTTP/1.1 400 ")


async def test_tls_on_the_plain_port_is_refused_at_once() -> None:
    """A client that was given https:// hears of it now, and not when its time for the headers is over."""
    async with serving(echo, Limits(linger_seconds=0.01)) as served:
        async with await served.connect() as stream:
            secure = trio.SSLStream(stream, ssl.create_default_context(), server_hostname="x")
            with trio.fail_after(5), pytest.raises(trio.BrokenResourceError) as caught:
                await secure.do_handshake()
        answer = await talk(served, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")

    assert "WRONG_VERSION_NUMBER" in str(caught.value.__cause__)
    assert b"http://" in answer


async def test_an_early_answer_reaches_a_client_that_is_still_sending() -> None:
    """An application may refuse without reading the body: what still comes does not reset its answer away."""

    async def app(_: Scope, __: Receive, send: Send) -> None:
        await respond(send, 401, b"no")

    async with serving(app) as served, await served.connect() as stream:
        await stream.send_all(HEAD + b"Content-Length: 4000000\r\n\r\n" + bytes(1000))
        await trio.testing.wait_all_tasks_blocked(0.01)
        await stream.send_all(bytes(4_000_000 - 1000))
        await stream.send_eof()
        answer = await read_all(stream)

    assert answer.startswith(b"HTTP/1.1 401 ")


async def test_a_refusal_reaches_a_client_that_is_still_sending() -> None:
    """The answer is not lost to a reset though the client sends megabytes nobody wants."""
    async with serving(echo) as served, await served.connect() as stream:
        await stream.send_all(CHUNKED + b"g\r\n")
        await stream.send_all(bytes(4_000_000))
        await stream.send_eof()
        answer = await read_all(stream)

    assert answer.startswith(b"HTTP/1.1 400 ")


async def test_an_application_is_not_started_for_a_refused_body_and_cannot_answer_it() -> None:
    """When a body breaks a rule midway, the refusal is the answer, whatever the application sends then."""

    async def app(_: Scope, receive: Receive, send: Send) -> None:
        await read_body(receive)
        await respond(send, 200, b"fine")

    async with serving(app, SMALL) as served:
        answer = await talk(served, CHUNKED + b"z\r\n")

    assert answer.startswith(b"HTTP/1.1 400 ")
