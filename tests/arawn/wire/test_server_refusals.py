"""Requests on which two servers in a row could disagree are refused, and every limit has its answer."""

from __future__ import annotations

import json
import re

import pytest
import trio
import trio.testing

from arawn.wire.asgi import ClientLeft, Receive, Scope, Send
from arawn.wire.limits import Limits
from tests.serving import Served, echo, read_all, read_body, read_response, respond, serving, talk

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

BROKEN_LIMITS = {
    "headers too long": (HEAD + b"X-A: " + b"a" * 200 + b"\r\n\r\n", 431),
    "headers too long and endless": (HEAD + b"X-A: " + b"a" * 500, 431),
    "headers too slow": (b"GET / HTTP/1.1\r\nHos", 408),
    "body too slow": (HEAD + b"Content-Length: 5\r\n\r\nabc", 408),
    "chunked body too slow": (CHUNKED + b"3\r\nabc\r\n", 408),
    "trailers too long": (CHUNKED + b"0\r\n" + b"X-A: 1\r\n" * 1200, 431),
}


@pytest.mark.parametrize(("raw", "status"), BROKEN_LIMITS.values(), ids=BROKEN_LIMITS.keys())
async def test_every_limit_has_its_answer(raw: bytes, status: int) -> None:
    """A request beyond a limit gets its status with a reason, and the connection is closed."""
    async with serving(echo, SMALL) as served:
        answer = await talk(served, raw)

    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["message"]


@pytest.mark.parametrize(("count", "status"), [(254, 200), (255, 431)])
async def test_header_lines_are_counted(count: int, status: int) -> None:
    """Thousands of tiny headers fit into the bytes allowed; 256 lines are enough for anybody."""
    head = HEAD + b"Connection: close\r\n" + b"a:\r\n" * count
    async with serving(echo, Limits(linger_seconds=0.01)) as served:
        answer = await talk(served, head + b"\r\n")

    assert answer.startswith(b"HTTP/1.1 %d " % status)


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


async def test_what_is_exactly_at_the_limit_passes() -> None:
    """The limits are inclusive."""
    head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 10\r\nX-A: "
    head += b"a" * (200 - len(head) - 4) + b"\r\n\r\n"
    assert len(head) == 200
    async with serving(echo, SMALL) as served:
        answer = await talk(served, head + b"0123456789")

    assert answer.startswith(b"HTTP/1.1 200 ")


async def test_a_bare_lf_is_refused_at_once() -> None:
    """A client that ends its lines in LF alone is told so, not left to wait for the end of its time."""
    async with serving(echo, Limits(linger_seconds=0.01)) as served:
        answer = await talk(served, b"GET / HTTP/1.1\nHost: x\n\n")

    assert answer.startswith(b"HTTP/1.1 400 ")


async def test_a_body_that_drips_does_not_extend_its_time() -> None:
    """The time for a body is one sum, however often a byte arrives."""
    async with serving(echo, SMALL) as served, await served.connect() as stream:
        answers: list[bytes] = []

        async def drip() -> None:
            await stream.send_all(HEAD + b"Content-Length: 10\r\n\r\n")
            for byte in b"0123456789":
                await stream.send_all(bytes([byte]))
                await trio.sleep(0.02)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(drip)
            answers.append(await read_all(stream))
            nursery.cancel_scope.cancel()

    assert answers[0].startswith(b"HTTP/1.1 408 ")


async def test_headers_that_drip_do_not_extend_their_time() -> None:
    """The time for headers runs from their first byte, however many follow."""
    async with serving(echo, SMALL) as served, await served.connect() as stream:
        answers: list[bytes] = []

        async def drip() -> None:
            for byte in HEAD + b"X-A: " + b"a" * 100:
                await stream.send_all(bytes([byte]))
                await trio.sleep(0.005)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(drip)
            answers.append(await read_all(stream))
            nursery.cancel_scope.cancel()

    assert answers[0].startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("first", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"])
async def test_a_silent_connection_is_closed_without_a_word(first: bytes) -> None:
    """A connection on which no request begins is closed when its time is over."""
    async with serving(echo, SMALL) as served:
        answer = await talk(served, first)

    assert answer.count(b"HTTP/1.1") == (1 if first else 0)


@pytest.mark.parametrize(
    ("limits", "closed"),
    [(Limits(header_seconds=0.05, idle_seconds=9), False), (Limits(header_seconds=9, idle_seconds=0.05), True)],
)
async def test_after_its_first_request_a_connection_may_be_idle(limits: Limits, closed: bool) -> None:
    """A new connection must begin within the time for headers; a used one has the idle time."""
    async with serving(echo, limits) as served, await served.connect() as stream:
        await stream.send_all(HEAD + b"\r\n")
        await read_response(stream, bytearray())
        with trio.move_on_after(0.15) as scope:
            await stream.receive_some()

    assert scope.cancelled_caught is not closed


async def test_a_slow_application_does_not_use_up_the_clients_time() -> None:
    """The time for a body counts only while the server waits for the client."""

    async def app(_: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await trio.sleep(0.1)
        await receive()
        await respond(send, 200, b"")

    async with serving(app, SMALL) as served, await served.connect() as stream:
        await stream.send_all(HEAD + b"Connection: close\r\nContent-Length: 6\r\n\r\nabc")
        await trio.sleep(0.02)
        await stream.send_all(b"def")
        answer = await read_all(stream)

    assert answer.startswith(b"HTTP/1.1 200 ")


async def test_a_client_that_does_not_read_cannot_hold_a_call() -> None:
    """When nothing of the answer is taken for the time allowed, the application hears `ClientLeft` and is freed."""
    freed = trio.Event()

    async def app(_: Scope, __: Receive, send: Send) -> None:
        with pytest.raises(ClientLeft, match=r"0\.05 seconds"):
            await respond(send, 200, bytes(50_000_000))
        freed.set()

    async with serving(app, Limits(write_seconds=0.05)) as served, await served.connect() as stream:
        await stream.send_all(HEAD + b"\r\n")
        with trio.fail_after(1):
            await freed.wait()


async def test_a_slow_reader_is_given_its_time() -> None:
    """The time for writing begins anew whenever the client takes something."""

    async def app(_: Scope, __: Receive, send: Send) -> None:
        await respond(send, 200, bytes(8_000_000))

    async with serving(app, Limits(write_seconds=0.2)) as served, await served.connect() as stream:
        await stream.send_all(HEAD + b"Connection: close\r\n\r\n")
        began, size = trio.current_time(), 0
        while data := await stream.receive_some(200_000):
            size += len(data)
            await trio.sleep(0.01)

    assert trio.current_time() - began > 0.3
    assert size > 8_000_000


async def test_connections_beyond_the_limit_are_turned_away() -> None:
    """The one too many is answered 503 and closed; a place that becomes free can be taken."""
    limits = Limits(connections=2, linger_seconds=0.01)
    async with serving(echo, limits) as served:
        first, second = await served.connect(), await served.connect()
        for stream in (first, second):
            await stream.send_all(HEAD + b"Content-Length: 1\r\n\r\n")
        await trio.testing.wait_all_tasks_blocked(0.01)

        refused = await talk(served, b"")
        await first.aclose()
        await trio.testing.wait_all_tasks_blocked(0.01)
        served_again = await talk(served, HEAD + b"Connection: close\r\n\r\n")
        await second.aclose()

    assert refused.startswith(b"HTTP/1.1 503 ")
    assert served_again.startswith(b"HTTP/1.1 200 ")


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


async def test_a_crowd_is_refused_to_the_last_client() -> None:
    """More at once than are given time to read why: each has its 503, though nobody waits for it to go."""
    answers: list[bytes] = []

    async def ask(served: Served) -> None:
        async with await served.connect() as stream:
            await stream.send_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            answers.append(await read_all(stream))

    async with serving(echo, Limits(connections=1)) as served, await served.connect() as busy:
        await busy.send_all(HEAD + b"Content-Length: 1\r\n\r\n")
        await trio.testing.wait_all_tasks_blocked(0.01)
        async with trio.open_nursery() as nursery:
            for _ in range(300):
                nursery.start_soon(ask, served)

    assert len(answers) == 300
    assert {answer[:13] for answer in answers} == {b"HTTP/1.1 503 "}
