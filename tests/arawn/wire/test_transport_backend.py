"""A backend asked through our transport directly, and through httpx's client around the stock one: the same answers."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
import trio

from arawn.backends.http_provider import Carrier, Endpoint, HttpProvider
from arawn.backends.openai import OpenAIDialect
from arawn.config.schema import Profile, TimeoutsConfig
from arawn.errors import BackendError, BadReply, ConnectionFailed, TimedOut
from arawn.messages import Begun, CompletionRequest, StreamEvent, TextDelta, user
from arawn.wire.transport import Transport, TransportLimits
from tests.fake_provider import FakeProvider, Fault, Reply, openai_reply, openai_stream, stream_reply

ASK = CompletionRequest(messages=(user("hi"),), model="m")

Make = Callable[[], Carrier]


def direct() -> Carrier:
    return Transport(TransportLimits(connections=2))


def by_client() -> Carrier:
    return httpx.AsyncClient(transport=httpx.AsyncHTTPTransport())


pytestmark = pytest.mark.parametrize("make", [direct, by_client])


@asynccontextmanager
async def opened(make: Make, address: str, **deadlines: float) -> AsyncIterator[HttpProvider]:
    profile = Profile(
        backend="custom",
        model="asked",
        headers={"x-mine": "1"},
        timeouts=TimeoutsConfig(**deadlines),
    )
    endpoint = Endpoint("custom", address, "k")
    async with make() as carrier:
        yield HttpProvider("p", profile, OpenAIDialect(), endpoint, carrier)


async def stream(provider: HttpProvider, sink: list[StreamEvent]) -> str:
    async def emit(event: StreamEvent | Begun) -> None:
        if not isinstance(event, Begun):
            sink.append(event)

    return (await provider.stream(ASK, emit)).text


async def test_calls_and_streams_are_answered(make: Make) -> None:
    """One connection serves them all; the key, the profile's headers and what HTTP needs arrive."""
    with FakeProvider(Reply(body=openai_reply("a b")), stream_reply(openai_stream("a", " b"))) as fake:
        async with opened(make, fake.address) as provider:
            sink: list[StreamEvent] = []
            assert (await provider.complete(ASK)).text == "a b"
            assert [await stream(provider, sink) for _ in range(2)] == ["a b", "a b"]

    assert sink == [TextDelta(0, "a"), TextDelta(0, " b")] * 2
    assert fake.connections == 1
    for received, accept in zip(
        fake.received, ["application/json", "text/event-stream", "text/event-stream"], strict=True
    ):
        assert received.headers["accept"] == accept
        assert received.headers["authorization"] == "Bearer k"
        assert received.headers["content-type"] == "application/json"
        assert received.headers["host"] == fake.address.removeprefix("http://")
        assert received.headers["x-mine"] == "1"
        assert int(received.headers["content-length"]) == len(received.body)


async def test_compressed_answers_are_read(make: Make) -> None:
    """Plain and streamed, as httpx decodes them."""
    plain = Reply(body=gzip.compress(openai_reply("hello")), headers={"content-encoding": "gzip"})
    pieces = Reply(
        pieces=[gzip.compress(b"".join(openai_stream("hello")))],
        content_type="text/event-stream",
        headers={"content-encoding": "gzip"},
    )
    with FakeProvider(plain, pieces) as fake:
        async with opened(make, fake.address) as provider:
            assert (await provider.complete(ASK)).text == "hello"
            assert await stream(provider, []) == "hello"


async def test_user_and_password_of_an_address_are_sent(make: Make) -> None:
    """As any HTTP client does it."""
    with FakeProvider() as fake:
        async with opened(make, fake.address.replace("://", "://me:s3cret@")) as provider:
            await provider.complete(ASK)

    assert fake.received[0].headers["authorization"] == "Basic bWU6czNjcmV0"


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(before=Fault.CUT), ConnectionFailed),
        (Reply(before=Fault.END), ConnectionFailed),
        (Reply(before=Fault.STALL), TimedOut),
        (stream_reply([*openai_stream("a")[:2], Fault.CUT]), BadReply),
        (stream_reply([*openai_stream("a")[:2], Fault.END]), BadReply),
        (stream_reply([*openai_stream("a")[:2], Fault.STALL]), TimedOut),
    ],
)
async def test_faults_are_told_apart(make: Make, reply: Reply, error: type[BackendError]) -> None:
    """Broken, cut, silent: the same error whoever carries the call, and the next call is answered."""
    with FakeProvider(reply, Reply(body=openai_reply("ok"))) as fake:
        async with opened(make, fake.address, first_token_s=0.2, idle_s=0.2) as provider:
            with pytest.raises(error):
                await stream(provider, [])

            assert (await provider.complete(ASK)).text == "ok"


async def test_a_call_may_be_cancelled_while_it_waits(make: Make) -> None:
    """The server sees the client leave, and no connection stays in use."""
    with FakeProvider(Reply(before=Fault.STALL), Reply(body=openai_reply("ok"))) as fake:
        async with opened(make, fake.address) as provider:
            with trio.move_on_after(0.1) as scope:
                await provider.complete(ASK)
            assert scope.cancelled_caught

            assert (await provider.complete(ASK)).text == "ok"
        assert fake.hung_up.wait(2)
