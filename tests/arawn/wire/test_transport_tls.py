"""TLS: what is trusted, what is not, and that everything else is as without it. The stock transport beside ours."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import httpx
import pytest
import trio
import trio.testing

from arawn.backends.connection_failures import from_httpx
from arawn.wire.connect import default_tls
from arawn.wire.transport import Transport
from tests.arawn.wire.test_transport_peer import PATIENCE

trustme = pytest.importorskip("trustme")

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

Make = Callable[[ssl.SSLContext], httpx.AsyncBaseTransport]


def ours(context: ssl.SSLContext) -> httpx.AsyncBaseTransport:
    return Transport(tls=lambda: context)


def stock(context: ssl.SSLContext) -> httpx.AsyncBaseTransport:
    return httpx.AsyncHTTPTransport(verify=context)


both = pytest.mark.parametrize("make", [ours, stock])


@pytest.fixture(scope="module")
def authority() -> Any:
    return trustme.CA()


class Corked(trio.abc.Stream):
    """A stream that keeps back what is sent while it is corked."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._kept: list[bytes] = []
        self.corked = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self._kept.append(bytes(data))
        if not self.corked:
            await self._stream.send_all(b"".join(self._kept))
            self._kept.clear()

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        return await self._stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        await self._stream.aclose()


class Peer:
    """A TLS server that reads requests of a known length and answers each with what it is told."""

    def __init__(self, answer: bytes, *, farewell: bool, surplus: bytes) -> None:
        self.port = 0
        self.connections = 0
        self.received = b""
        self._answer = answer
        self._farewell = farewell
        self._surplus = surplus

    async def serve(self, context: ssl.SSLContext, stream: trio.SocketStream) -> None:
        self.connections += 1
        below = Corked(stream)
        tls = trio.SSLStream(below, context, server_side=True)
        try:
            async for data in tls:
                self.received += data
                if self.received.endswith(b"end"):
                    below.corked = bool(self._surplus)  # two records in one packet
                    await tls.send_all(self._answer)
                    below.corked = False
                    if self._surplus:
                        await tls.send_all(self._surplus)
                    if self._answer.startswith(b"HTTP/1.0"):
                        break
            if self._farewell:
                await tls.aclose()
        except trio.BrokenResourceError:
            pass  # the client has left, or did not trust us
        finally:
            await trio.aclose_forcefully(tls)


@asynccontextmanager
async def serving(
    authority: Any, answer: bytes = OK, *, name: str = "localhost", farewell: bool = True, surplus: bytes = b""
) -> AsyncIterator[Peer]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    served = Peer(answer, farewell=farewell, surplus=surplus)
    served.port = listeners[0].socket.getsockname()[1]
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, partial(served.serve, context), listeners)
            yield served
            nursery.cancel_scope.cancel(reason="the test is over")


def trusting(authority: Any) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@both
@pytest.mark.parametrize("body", [b"the end", b"x" * 1_000_000 + b"end"])
async def test_a_trusted_server_is_asked(make: Make, authority: Any, body: bytes) -> None:
    """Small and big requests, again and again over one connection."""
    async with serving(authority) as served, httpx.AsyncClient(transport=make(trusting(authority))) as client:
        for _ in range(3):
            served.received = b""
            response = await client.post(f"https://localhost:{served.port}/", content=body)
            assert response.content == b"ok"
            assert served.received.endswith(body)

        assert served.connections == 1


@both
@pytest.mark.parametrize(
    ("name", "trusted", "words"),
    [("elsewhere.test", True, "mismatch"), ("localhost", False, "unable to get local issuer")],
)
async def test_another_certificate_is_refused(make: Make, authority: Any, name: str, trusted: bool, words: str) -> None:
    """A wrong name and an unknown authority are connect errors that say so, and nothing is sent."""
    context = trusting(authority) if trusted else ssl.create_default_context()
    async with serving(authority, name=name) as served, httpx.AsyncClient(transport=make(context)) as client:
        with pytest.raises(httpx.ConnectError) as caught:
            await client.get(f"https://localhost:{served.port}/")

        told = str(from_httpx("it", caught.value, connect_s=1))
        assert "is not trusted" in told
        assert words in told
        assert served.received == b""


@both
async def test_the_name_may_be_given_apart(make: Make, authority: Any) -> None:
    """As httpx's extension says."""
    async with serving(authority, name="other.test") as served, make(trusting(authority)) as transport:
        request = httpx.Request(
            "POST", f"https://127.0.0.1:{served.port}/", content=b"end", extensions={"sni_hostname": "other.test"}
        )
        assert (await transport.handle_async_request(request)).status_code == 200


@both
@pytest.mark.parametrize("farewell", [True, False])
async def test_an_end_needs_no_farewell(make: Make, authority: Any, farewell: bool) -> None:
    """Many servers just close; a body that ends with the connection is complete then."""
    answer = b"HTTP/1.0 200 OK\r\n\r\nhello"
    async with (
        serving(authority, answer, farewell=farewell) as served,
        httpx.AsyncClient(transport=make(trusting(authority))) as client,
    ):
        response = await client.post(f"https://localhost:{served.port}/", content=b"end")

        assert response.content == b"hello"


@both
async def test_a_cut_answer_is_an_error(make: Make, authority: Any) -> None:
    """With a length the cut is seen."""
    answer = b"HTTP/1.0 200 OK\r\ncontent-length: 9\r\n\r\nhello"
    async with (
        serving(authority, answer, farewell=False) as served,
        httpx.AsyncClient(transport=make(trusting(authority))) as client,
    ):
        with pytest.raises(httpx.RemoteProtocolError):
            await client.post(f"https://localhost:{served.port}/", content=b"end")


async def test_bytes_not_yet_decrypted_cost_the_connection(authority: Any) -> None:
    """What came in the same packet as the answer, in a record of its own, is not taken for the next answer."""
    async with serving(authority, surplus=OK.replace(b"ok", b"no")) as served, ours(trusting(authority)) as transport:
        for _ in range(2):
            request = httpx.Request("POST", f"https://localhost:{served.port}/", content=b"end")
            response = await transport.handle_async_request(request)
            assert b"".join([piece async for piece in response.aiter_raw()]) == b"ok"
            await trio.testing.wait_all_tasks_blocked(0.01)

        assert served.connections == 2


def test_the_systems_roots_and_certifis_are_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless the environment names others."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    both = default_tls().cert_store_stats()["x509_ca"]
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file")
    monkeypatch.setenv("SSL_CERT_DIR", "/no/such/directory")
    named = default_tls()

    assert both > 50
    assert named.cert_store_stats()["x509_ca"] == 0
    assert named.verify_mode is ssl.CERT_REQUIRED
    assert named.check_hostname
