"""What the server refuses before the application has a say is worded as the application would."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio

from arawn.server.app import server_words
from arawn.wire.asgi import Receive, Scope, Send
from arawn.wire.limits import Limits
from arawn.wire.listeners import open_tcp_listeners
from arawn.wire.server import serve
from tests.serving import PATIENCE, http_only, read_all, read_body, respond

SMALL = Limits(header_bytes=200, header_seconds=0.2, body_seconds=0.2, linger_seconds=1.0)
LONG = b"X-A: " + b"a" * 300
FAULTS = {
    "headers too long": (b"HTTP/1.1\r\nHost: x\r\n" + LONG, 431),
    "headers too slow": (b"HTTP/1.1\r\nHos", 408),
    "body too slow": (b"HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nGET /a HTTP/1.1\r\n", 408),
    "a chunk that is none": (b"HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nGET /other HTTP/1.1\r\n", 400),
    "no host": (b"HTTP/1.1\r\n\r\n", 400),
    "a failed application": (b"HTTP/1.1\r\nHost: x\r\nX-Fail: 1\r\n\r\n", 500),
}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if (b"x-fail", b"1") in scope["headers"]:
        raise RuntimeError("a fault of the application")
    if await read_body(receive) is not None:
        await respond(send, 200, b"")


@asynccontextmanager
async def open_port(limits: Limits) -> AsyncIterator[int]:
    """Serve `app` with the words of the daemon."""
    listeners = await open_tcp_listeners("127.0.0.1", 0)
    run = partial(serve, http_only(app), listeners=listeners, stopping=trio.Event(), limits=limits, words=server_words)
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            await nursery.start(run)
            yield listeners[0].socket.getsockname()[1]
            nursery.cancel_scope.cancel(reason="the test is over")


async def answer_to(raw: bytes, limits: Limits = SMALL) -> tuple[int, dict[str, str], dict[str, object]]:
    """Return status, headers and body of the answer to `raw`."""
    async with open_port(limits) as port, await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(raw)
        head, _, body = (await read_all(stream)).decode().partition("\r\n\r\n")
    line, *fields = head.split("\r\n")
    return int(line.split()[1]), dict(field.split(": ", 1) for field in fields), json.loads(body)


@pytest.mark.parametrize(("rest", "status"), FAULTS.values(), ids=FAULTS.keys())
async def test_a_refusal_has_an_id_and_the_envelope_of_its_path(rest: bytes, status: int) -> None:
    """A client of Anthropic finds the id in header and body; the path in the body of a request counts for nothing."""
    found, headers, body = await answer_to(b"POST /v1/messages?beta=true " + rest)

    assert found == status
    assert len(headers["x-request-id"]) == 32
    assert headers["request-id"] == headers["x-request-id"] == body["request_id"]
    assert (body["type"], headers["connection"]) == ("error", "close")


@pytest.mark.parametrize(("rest", "status"), FAULTS.values(), ids=FAULTS.keys())
@pytest.mark.parametrize(
    ("path", "keys"), [("/v1/chat/completions", {"message", "type", "code", "param"}), ("/chat", {"message", "type"})]
)
async def test_other_paths_have_their_own_envelopes(path: str, keys: set[str], rest: bytes, status: int) -> None:
    """That of OpenAI below `/v1`, elsewhere Arawn's own; each with an id."""
    found, headers, body = await answer_to(f"POST {path} ".encode() + rest)

    assert (found, set(body)) == (status, {"error"})
    assert isinstance(body["error"], dict)
    assert set(body["error"]) == keys
    assert len(headers["x-request-id"]) == 32


@pytest.mark.parametrize(
    "raw", [b"\x16\x03\x01\r\n\r\n", b"POST /v1/messages", b"POST /v1/m%ff HTTP/1.1\r\n" + LONG, LONG * 9]
)
async def test_without_a_path_the_envelope_is_that_of_arawn(raw: bytes) -> None:
    """What cannot be read says nothing of who has called."""
    status, headers, body = await answer_to(raw)

    assert status in {400, 408, 431}
    assert set(body) == {"error"}
    assert len(headers["x-request-id"]) == 32


async def test_one_connection_too_many_has_an_id_too() -> None:
    """It is refused before a byte of it was read; the words that tell when to come again stay."""
    status, headers, body = await answer_to(b"", Limits(connections=0, linger_seconds=1.0))

    assert (status, headers["retry-after"], len(headers["x-request-id"])) == (503, "1", 32)
    assert body == {
        "error": {"type": "too_many_connections", "message": "all 0 connections are in use; try again later"}
    }


async def test_the_path_of_the_request_before_does_not_count() -> None:
    """On a connection that is kept, each refusal has the envelope of its own request."""
    first = b"GET /v1/messages HTTP/1.1\r\nHost: x\r\n\r\n"
    async with open_port(SMALL) as port, await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(first + b"\x16\x03\x01\r\n\r\n")
        answers = (await read_all(stream)).decode()

    assert json.loads(answers.rpartition("\r\n\r\n")[2])["error"]["type"] == "invalid_request"
