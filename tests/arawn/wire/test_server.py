"""What a client and an application see of the server when both behave."""

from __future__ import annotations

import json

import httpx
import pytest
import trio
import trio.testing

from arawn.wire.asgi import Receive, Scope, Send
from tests.serving import echo, read_all, read_response, respond, serving, talk

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"


async def test_a_plain_request_is_answered() -> None:
    """Method, decoded path, query, headers and body reach the application."""
    async with serving(echo) as served, httpx.AsyncClient() as client:
        response = await client.post(f"{served.url}/caf%C3%A9?x=1&y=%20", content=b"hello", headers={"X-One": "1"})

    seen = response.json()
    assert (seen["method"], seen["path"], seen["query"], seen["body"]) == ("POST", "/café", "x=1&y=%20", "hello")
    assert ["x-one", "1"] in seen["headers"]
    assert "date" in response.headers


async def test_the_scope_names_both_ends() -> None:
    """`client` and `server` are the addresses of the connection."""
    scopes: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scopes.append(scope)
        await echo(scope, receive, send)

    async with serving(app) as served, await served.connect() as stream:
        await stream.send_all(GET)
        await read_response(stream, bytearray())
        own = stream.socket.getsockname()

    assert scopes[-1]["client"] == own
    assert scopes[-1]["server"] == ("127.0.0.1", served.port)


async def test_a_chunked_body_arrives_whole() -> None:
    """The chunked coding is removed, extensions and trailers are ignored."""
    raw = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\nConnection: close\r\n\r\n"
    raw += b"5;a=b\r\nhello\r\n00A\r\n, chunks! \r\n0\r\nX-Trailer: 1\r\n\r\n"
    async with serving(echo) as served:
        answer = await talk(served, raw)

    assert json.loads(answer.partition(b"\r\n\r\n")[2])["body"] == "hello, chunks! "


async def test_head_has_the_headers_of_get_and_no_body() -> None:
    """HEAD sends the content-length and nothing after the headers; the connection stays usable."""
    async with serving(echo) as served, await served.connect() as stream:
        await stream.send_all(
            b"HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n" + GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        )
        answer = await read_all(stream)

    first, second = answer.split(b"\r\n\r\n", 1)
    assert b"content-length: " in first
    assert second.startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("status", [204, 304])
async def test_some_statuses_have_no_body(status: int) -> None:
    """204 and 304 end with their headers, and the next response follows at once."""

    async def app(_: Scope, __: Receive, send: Send) -> None:
        await respond(send, status, b"dropped")

    async with serving(app) as served:
        answer = await talk(served, GET + GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))

    assert b"dropped" not in answer
    assert answer.count(b"HTTP/1.1 %d " % status) == 2
    assert b"content-length" not in answer


async def test_pipelined_requests_are_answered_in_order() -> None:
    """Requests sent ahead wait their turn, also behind one with a body."""
    post = b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
    last = b"GET /c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    async with serving(echo) as served, await served.connect() as stream:
        await stream.send_all(GET + post + last)
        buffer = bytearray()
        bodies = [(await read_response(stream, buffer))[1] for _ in range(3)]

    assert [json.loads(body)["path"] for body in bodies] == ["/a", "/b", "/c"]


async def test_what_was_sent_before_the_end_is_answered() -> None:
    """A client that closes its sending half still gets answers from an application that gives them."""
    async with serving(echo) as served, await served.connect() as stream:
        await stream.send_all(GET + GET)
        await stream.send_eof()
        answer = await read_all(stream)

    assert answer.count(b"HTTP/1.1 200 OK") == 2


async def test_empty_lines_before_a_request_are_ignored() -> None:
    """Some clients send an extra CRLF after a body."""
    async with serving(echo) as served, await served.connect() as stream:
        await stream.send_all(b"\r\n" + GET + b"\r\n\r\n" + GET)
        buffer = bytearray()
        statuses = [(await read_response(stream, buffer))[0] for _ in range(2)]

    assert statuses == [200, 200]


async def test_a_body_nobody_read_is_dropped() -> None:
    """An application may ignore a body; the next request on the connection is not taken from its bytes."""

    async def app(scope: Scope, _: Receive, send: Send) -> None:
        await respond(send, 200, scope["path"].encode())

    post = b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(GET), GET)
    async with serving(app) as served, await served.connect() as stream:
        await stream.send_all(post + GET)
        buffer = bytearray()
        bodies = [(await read_response(stream, buffer))[1] for _ in range(2)]

    assert bodies == [b"/b", b"/a"]


async def test_a_body_that_has_not_arrived_ends_the_connection() -> None:
    """An answer given before the body came says `connection: close`."""

    async def app(_: Scope, __: Receive, send: Send) -> None:
        await respond(send, 200, b"early")

    async with serving(app) as served:
        answer = await talk(served, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc")

    assert b"connection: close\r\n" in answer


@pytest.mark.parametrize(
    "head", [b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nConnection: foo, Close\r\n\r\n"]
)
async def test_the_connection_closes_when_the_client_says_so(head: bytes) -> None:
    """HTTP/1.0 and `Connection: close` end with the response."""
    async with serving(echo) as served:
        answer = await talk(served, head)

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"connection: close\r\n" in answer


async def test_an_old_client_may_keep_its_connection() -> None:
    """HTTP/1.0 with `Connection: keep-alive` is told that it is kept, and kept."""
    head = b"GET /a HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"
    async with serving(echo) as served:
        answer = await talk(served, head + head + b"GET /a HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n")

    assert answer.count(b"HTTP/1.1 200 OK") == 3
    assert answer.count(b"connection: keep-alive\r\n") == 2
    assert answer.count(b"connection: close\r\n") == 1


async def test_an_old_client_is_not_kept_after_a_stream() -> None:
    """What only the close can end is closed, whatever the client asked for."""

    async def app(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        await send({"type": "http.response.body", "body": b"two"})

    async with serving(app) as served:
        answer = await talk(served, b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")

    assert b"connection: close" in answer
    assert answer.endswith(b"onetwo")


async def test_a_streamed_response_is_chunked_and_not_held_back() -> None:
    """Each piece is with the client before the application makes the next one."""
    go_on = trio.Event()

    async def app(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        await go_on.wait()
        await send({"type": "http.response.body", "body": b"two", "more_body": False})

    async with serving(app) as served, httpx.AsyncClient() as client, client.stream("GET", served.url) as response:
        pieces = []
        async for piece in response.aiter_bytes():
            pieces.append(piece)
            go_on.set()

    assert pieces == [b"one", b"two"]
    assert response.headers["transfer-encoding"] == "chunked"


async def test_an_old_client_gets_a_stream_up_to_the_close() -> None:
    """HTTP/1.0 knows no chunks."""

    async def app(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        await send({"type": "http.response.body", "body": b"two"})

    async with serving(app) as served:
        answer = await talk(served, b"GET / HTTP/1.0\r\n\r\n")

    assert b"transfer-encoding" not in answer
    assert answer.endswith(b"\r\n\r\nonetwo")


async def test_100_continue_is_sent_when_the_body_is_asked_for() -> None:
    """The client is invited once, when the application reads, before the final response."""
    async with serving(echo) as served, await served.connect() as stream:
        await stream.send_all(b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 6\r\n\r\n")
        assert await stream.receive_some() == b"HTTP/1.1 100 Continue\r\n\r\n"
        await stream.send_all(b"abc")
        await trio.testing.wait_all_tasks_blocked(0.01)
        await stream.send_all(b"def")
        status, body = await read_response(stream, bytearray())

    assert status == 200
    assert json.loads(body)["body"] == "abcdef"


async def test_100_continue_is_sent_once() -> None:
    """A body that comes in small pieces is not invited again."""
    async with serving(echo) as served, await served.connect() as stream:
        head = b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"
        for piece in (head, b"3", b"\r\nabc\r\n0\r\nX-A", b": 1\r\n\r\n"):
            await stream.send_all(piece)
            await trio.testing.wait_all_tasks_blocked(0.01)
        await stream.send_eof()
        answer = await read_all(stream)

    assert answer.count(b"100 Continue") == 1
    assert answer.count(b"200 OK") == 1


async def test_a_refused_expectation_gets_no_invitation() -> None:
    """An application that answers without reading sends no `100 Continue`, and the connection ends."""

    async def app(_: Scope, __: Receive, send: Send) -> None:
        await respond(send, 403, b"no")

    async with serving(app) as served:
        answer = await talk(served, b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 6\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 403 ")


async def test_absolute_targets_and_asterisk_are_understood() -> None:
    """A proxy's form of the target means the same path; `OPTIONS *` asks about the server."""
    absolute = b"GET http://x/a?b HTTP/1.1\r\nHost: x\r\n\r\n"
    bare = b"GET http://x HTTP/1.1\r\nHost: x\r\n\r\n"
    asterisk = b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"
    async with serving(echo) as served, await served.connect() as stream:
        await stream.send_all(absolute + bare + asterisk)
        buffer = bytearray()
        paths = [json.loads((await read_response(stream, buffer))[1])["path"] for _ in range(3)]

    assert paths == ["/a", "/", "*"]


async def test_an_offer_to_upgrade_is_ignored() -> None:
    """The request is answered as plain HTTP/1.1."""
    async with serving(echo) as served:
        answer = await talk(
            served, b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: upgrade, close\r\nUpgrade: websocket\r\n\r\n"
        )

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
