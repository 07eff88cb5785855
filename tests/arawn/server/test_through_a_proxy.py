"""Providers behind a forward proxy: what reaches them is what reaches them on the direct way."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from arawn.config.schema import Profile
from tests.arawn.server.sdk.doors import TOKEN, open_api
from tests.serving import read_all

trustme = pytest.importorskip("trustme")

BODY = b'{"model":"m-1","messages":[{"role":"user","content":"hi"}]}'
ANSWER = (
    b'{"id":"c","object":"chat.completion","model":"m-1",'
    b'"choices":[{"index":0,"message":{"role":"assistant","content":"Paris"},"finish_reason":"stop"}]}'
)
QUERY = bytes(sorted(set(range(33, 127)) - set(b"#"))) + b"%zz%f%2f&&=?"
PATH = b"/v1/chat/completions"


async def head_of(stream: trio.abc.Stream) -> tuple[bytes, bytes]:
    """Return the head of the next message, and what has come of its body."""
    got = b""
    while b"\r\n\r\n" not in got:
        piece = await stream.receive_some()
        assert piece
        got += piece
    head, _, rest = got.partition(b"\r\n\r\n")
    return head, rest


class ForwardProxy:
    """Takes absolute addresses, which it asks for as origins want it, and `CONNECT`; keeps each request line."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    async def serve(self, stream: trio.abc.Stream) -> None:
        head, rest = await head_of(stream)
        line, _, headers = head.partition(b"\r\n")
        self.lines.append(line)
        method, target, version = line.split(b" ")
        place, slash, path = target.removeprefix(b"http://").partition(b"/")
        host, _, port = place.partition(b":")
        async with await trio.open_tcp_stream(host, int(port)) as origin:
            if method == b"CONNECT":
                await stream.send_all(b"HTTP/1.1 200 OK\r\n\r\n")
            else:
                line = b" ".join((method, slash + path, version))
                await origin.send_all(line + b"\r\n" + headers + b"\r\n\r\n" + rest)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(relay, stream, origin)
                await relay(origin, stream)
                nursery.cancel_scope.cancel()


async def relay(source: trio.abc.Stream, target: trio.abc.Stream) -> None:
    with trio.move_on_after(5):
        try:
            while data := await source.receive_some():
                await target.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return


class Origin:
    """A provider that keeps the request lines that it gets; over TLS, if it has a certificate."""

    def __init__(self, tls: ssl.SSLContext | None) -> None:
        self.lines: list[bytes] = []
        self._tls = tls

    async def serve(self, stream: trio.abc.Stream) -> None:
        if self._tls is not None:
            stream = trio.SSLStream(stream, self._tls, server_side=True, https_compatible=True)
        head, got = await head_of(stream)
        self.lines.append(head.partition(b"\r\n")[0])
        while len(got) < len(BODY):
            got += await stream.receive_some()
        answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(ANSWER)
        await stream.send_all(answer + ANSWER)


@asynccontextmanager
async def listening(server: ForwardProxy | Origin) -> AsyncIterator[int]:
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, server.serve, [listener])
        yield listener.socket.getsockname()[1]
        nursery.cancel_scope.cancel()


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_each_character_of_a_query_passes_through_a_proxy(
    scheme: str, tmp_path: Path, environment: pytest.MonkeyPatch
) -> None:
    """Forwarded or in a tunnel, it reaches the provider as the client has said it."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    environment.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    proxy, origin = ForwardProxy(), Origin(context if scheme == "https" else None)

    with trio.fail_after(10):
        async with listening(origin) as port, listening(proxy) as proxy_port:
            environment.setenv(f"{scheme}_proxy", f"http://127.0.0.1:{proxy_port}")
            settings: Any = {"dialect": "openai", "base_url": f"{scheme}://127.0.0.1:{port}", "model": "m-1"}
            async with open_api(tmp_path, {"p": Profile(backend="custom", **settings)}) as url:
                status = await asked(url)

    assert status == b"HTTP/1.1 200 OK"
    seen = b"CONNECT 127.0.0.1:%d HTTP/1.1" % port
    if scheme == "http":
        seen = b"POST http://127.0.0.1:%d/chat/completions?%b HTTP/1.1" % (port, QUERY)
    assert proxy.lines == [seen]
    assert origin.lines == [b"POST /chat/completions?%b HTTP/1.1" % QUERY]


async def asked(url: str) -> bytes:
    """Ask with the odd query, which no client would send, and return the status line."""
    head = b"POST %b?%b HTTP/1.1\r\nHost: localhost\r\nx-api-key: %b\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    async with await trio.open_tcp_stream("127.0.0.1", int(url.rpartition(":")[2])) as stream:
        await stream.send_all(head % (PATH, QUERY, TOKEN.encode(), len(BODY)) + BODY)
        answer = await read_all(stream)
    return answer.partition(b"\r\n")[0]
