"""What our transport and httpx's stock one both do: one suite over the two."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
import trio
import trio.testing

from tests.arawn.wire.test_transport_peer import (
    OK,
    Make,
    Wire,
    answering,
    ask,
    both,
    client_of,
    once,
    peer,
    words,
)

pytestmark = both

RESPONSES = {
    "a length": (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: 1\r\nX-A: 2\r\n\r\nhello", 200, b"hello"),
    "chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;e=1\r\nlo\r\n0\r\n\r\n",
        200,
        b"hello",
    ),
    "chunks and trailers": (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-t: 1\r\n\r\n",
        200,
        b"hello",
    ),
    "the end": (b"HTTP/1.1 200 OK\r\n\r\nhello", 200, b"hello"),
    "the end, in HTTP/1.0": (b"HTTP/1.0 200 OK\r\n\r\nhello", 200, b"hello"),
    "nothing": (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200, b""),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    "not modified": (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", 304, b""),
    "no reason": (b"HTTP/1.1 404\r\ncontent-length: 2\r\n\r\nno", 404, b"no"),
    "continue": (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, 200, b"ok"),
    "early hints": (b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + OK, 200, b"ok"),
    "odd values": (b"HTTP/1.1 200 OK\r\nx: \xe9 a\tb  \r\ny:\r\nz:1\r\ncontent-length: 0\r\n\r\n", 200, b""),
}


@pytest.mark.parametrize("name", RESPONSES)
async def test_every_kind_of_answer_is_understood(make: Make, name: str) -> None:
    """Status, reason, version, headers and body arrive, however the body ends."""
    raw, status, body = RESPONSES[name]

    response = await ask(make, once(raw))

    final = raw[raw.rindex(b"HTTP/1.") :]
    assert (response.status_code, response.content) == (status, body)
    assert response.http_version == final[:8].decode()
    assert response.extensions["reason_phrase"] == final.split(b"\r\n")[0][13:]
    lines = final.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    assert response.headers.raw == [
        (name, value.strip()) for name, _, value in (line.partition(b":") for line in lines)
    ]


@pytest.mark.parametrize("name", ["a length", "chunks", "continue"])
async def test_an_answer_may_drip_in(make: Make, name: str) -> None:
    """Byte by byte it is the same answer."""
    raw, status, body = RESPONSES[name]

    async def script(wire: Wire) -> None:
        await wire.request()
        for at in range(len(raw)):
            await wire.send(raw[at : at + 1])
            await trio.testing.wait_all_tasks_blocked()

    response = await ask(make, script)

    assert (response.status_code, response.content) == (status, body)


async def test_an_answer_to_head_has_no_body(make: Make) -> None:
    """Whatever length it announces; and the connection goes on."""
    async with peer(answering(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n")) as served, client_of(make) as client:
        for _ in range(2):
            assert (await client.head(served.url)).headers["content-length"] == "5"

    assert served.connections == 1


async def test_content_codings_are_left_to_httpx(make: Make) -> None:
    """A compressed body arrives as it was before."""
    packed = gzip.compress(b"hello" * 100)
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(packed)

    response = await ask(make, once(head + packed))

    assert response.content == b"hello" * 100


@pytest.mark.parametrize(
    ("sent", "arrives"),
    [
        ({}, b"content-length: 0\r\n"),
        ({"content": b"hello"}, b"content-length: 5\r\n\r\nhello"),
        ({"content": words}, b"\r\n\r\n3\r\none\r\n5\r\nthree\r\n0\r\n\r\n"),
        ({"content": words, "headers": {"content-length": "8"}}, b"\r\n\r\nonethree"),
        ({"content": b"x" * 3_000_000}, b"x" * 3_000_000),
        ({"files": {"f": b"hello"}}, b"hello\r\n"),
    ],
)
async def test_request_bodies_arrive(make: Make, sent: dict[str, Any], arrives: bytes) -> None:
    """From memory or from a stream, by length or in chunks, and the connection serves again."""
    seen: list[bytes] = []

    async def script(wire: Wire) -> None:
        while True:
            seen.append(await wire.request())
            await wire.send(OK)

    async with peer(script) as served, client_of(make) as client:
        for _ in range(2):
            content = {"content": sent["content"]()} if callable(sent.get("content")) else {}
            response = await client.post(served.url, **{**sent, **content})

    assert response.content == b"ok"
    assert served.connections == 1
    for request in seen:
        assert arrives.lower() in request.lower()
        assert request.startswith(b"POST / HTTP/1.1\r\n")


async def test_a_stream_arrives_piece_by_piece(make: Make) -> None:
    """What the server has sent is seen before it sends more."""
    seen = trio.Event()

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n")
        await seen.wait()
        await wire.send(b"3\r\ntwo\r\n0\r\n\r\n")
        await wire.closed()

    pieces = []
    async with peer(script) as served, client_of(make) as client, client.stream("GET", served.url) as response:
        async for piece in response.aiter_raw():
            pieces.append(piece)
            seen.set()

    assert pieces == [b"one", b"two"]


@pytest.mark.parametrize(
    ("answer", "connections"),
    [
        (OK, 1),
        (OK.replace(b"200 OK", b"500 Oh"), 1),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 1),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 1),
        (b"HTTP/1.1 200 OK\r\nconnection: keep-alive\r\ncontent-length: 0\r\n\r\n", 1),
        (b"HTTP/1.1 200 OK\r\nconnection: Close\r\ncontent-length: 0\r\n\r\n", 3),
        (b"HTTP/1.1 200 OK\r\nconnection: x, close\r\ncontent-length: 0\r\n\r\n", 3),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", 3),
    ],
)
async def test_a_connection_serves_again_when_both_sides_agree(make: Make, answer: bytes, connections: int) -> None:
    """One connection carries request after request, unless the answer says that it is the last."""
    async with peer(answering(answer)) as served, client_of(make) as client:
        for _ in range(3):
            await client.get(served.url)

    assert served.connections == connections


async def test_a_request_may_ask_for_the_end(make: Make) -> None:
    """`Connection: close` of ours is kept to."""
    async with peer(answering(OK)) as served, client_of(make) as client:
        for _ in range(2):
            await client.get(served.url, headers={"connection": "close"})

    assert served.connections == 2


async def test_a_body_left_unread_costs_its_connection(make: Make) -> None:
    """The rest of one answer can never be taken for the start of another."""
    long = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"
    async with peer(answering(long)) as served, client_of(make) as client:
        for _ in range(2):
            async with client.stream("GET", served.url) as response:
                assert response.status_code == 200

    assert served.connections == 2


async def test_a_connection_that_the_server_closed_is_not_used_again(make: Make) -> None:
    """It is noticed before anything is sent."""
    async with peer(once(OK)) as served, client_of(make) as client:
        for _ in range(3):
            assert (await client.post(served.url, content=b"x")).content == b"ok"
            await trio.testing.wait_all_tasks_blocked()

    assert served.connections == 3


async def test_an_answer_may_come_before_the_body_has_been_read(make: Make) -> None:
    """A server that answers at once and reads on gets all of the body."""
    got = 0

    async def script(wire: Wire) -> None:
        nonlocal got
        await wire.head()
        await wire.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        got = len(wire.buffer)
        while got < 3_000_000:
            got += len(await wire.stream.receive_some())
        await wire.send(b"2\r\nok\r\n0\r\n\r\n")
        await wire.closed()

    async with peer(script) as served, client_of(make) as client:
        response = await client.post(served.url, content=b"x" * 3_000_000)

    assert (response.content, got) == (b"ok", 3_000_000)


async def test_a_target_may_be_given_apart(make: Make) -> None:
    """As httpx's extension says; `OPTIONS *` needs it."""
    seen: list[bytes] = []

    async def script(wire: Wire) -> None:
        seen.append(await wire.request())
        await wire.send(OK)

    async with peer(script) as served, client_of(make) as client:
        await client.request("OPTIONS", served.url, extensions={"target": b"*"})

    assert seen[0].startswith(b"OPTIONS * HTTP/1.1\r\n")


async def test_many_callers_share_few_connections(make: Make) -> None:
    """Every one is answered, with no more connections than allowed."""
    answered = []
    async with peer(answering(OK)) as served, client_of(make, limit=3) as client:

        async def caller() -> None:
            answered.append((await client.get(served.url)).content)

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(caller)

    assert answered == [b"ok"] * 20
    assert served.connections <= 3
