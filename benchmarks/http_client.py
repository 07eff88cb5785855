"""What does one HTTP request cost the client: our transport beside httpx's own?

The server is another process, so the CPU counted is the client's alone.
`python -m benchmarks.http_client` is that server.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager

import httpx
import trio

from arawn.wire.client_request import Content
from arawn.wire.transport import Transport, TransportLimits
from benchmarks.measure import Comparison, Run, alternate

REQUEST_BODY = b'{"model":"m","messages":[{"role":"user","content":"' + b"x" * 950 + b'"}]}'
ANSWER_BODY = b'{"choices":[{"message":{"role":"assistant","content":"' + b"y" * 900 + b'"}}]}'
ANSWER = (
    b"HTTP/1.1 200 OK\r\ndate: Sun, 01 Jan 2026 00:00:00 GMT\r\ncontent-type: application/json\r\nserver: fixed\r\n"
    b"x-request-id: req_0123456789\r\ncontent-length: %d\r\n\r\n" % len(ANSWER_BODY)
) + ANSWER_BODY
REQUESTS = 1_500

Ask = Callable[[], Awaitable[bytes]]
Client = Callable[[str], AbstractAsyncContextManager[Ask]]


async def _answer(stream: trio.SocketStream) -> None:
    """Answer every request: heads and bodies of one connection are all of the length of the first."""
    buffer, whole = b"", 0
    async for data in stream:
        buffer += data
        if not whole and b"\r\n\r\n" in buffer:
            whole = buffer.index(b"\r\n\r\n") + 4 + len(REQUEST_BODY)
        if whole and len(buffer) >= whole:
            buffer = buffer[whole:]
            await stream.send_all(ANSWER)


async def _serve() -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    print(listeners[0].socket.getsockname()[1], flush=True)
    await trio.serve_listeners(_answer, listeners)


@contextmanager
def _server() -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.http_client"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}/v1/chat/completions"
        finally:
            process.terminate()


def _headers(url: str) -> dict[str, str]:
    host = httpx.URL(url).netloc.decode()
    return {"host": host, "content-type": "application/json", "user-agent": "bench", "authorization": "Bearer k"}


@asynccontextmanager
async def _own_direct(url: str) -> AsyncIterator[Ask]:
    target = httpx.URL(url)
    headers = httpx.Headers({**_headers(url), "content-length": str(len(REQUEST_BODY))})
    async with Transport(TransportLimits(connections=None)) as transport:

        async def ask() -> bytes:
            request = httpx.Request("POST", target, headers=headers, stream=Content(REQUEST_BODY))
            response = await transport.handle_async_request(request)
            return b"".join([piece async for piece in response.stream])  # type: ignore[union-attr]

        yield ask


def _under_client(transport: Callable[[], httpx.AsyncBaseTransport]) -> Client:
    @asynccontextmanager
    async def opened(url: str) -> AsyncIterator[Ask]:
        async with httpx.AsyncClient(transport=transport(), timeout=None, headers=_headers(url)) as client:

            async def ask() -> bytes:
                return (await client.post(url, content=REQUEST_BODY)).content

            yield ask

    return opened


@asynccontextmanager
async def _bare(url: str) -> AsyncIterator[Ask]:
    """Hand-made bytes on plain trio streams: what trio itself costs."""
    head = "".join(f"{name}: {value}\r\n" for name, value in _headers(url).items())
    raw = f"POST /v1 HTTP/1.1\r\n{head}content-length: {len(REQUEST_BODY)}\r\n\r\n".encode() + REQUEST_BODY
    idle: list[trio.SocketStream] = []
    everything: list[trio.SocketStream] = []

    async def ask() -> bytes:
        if idle:
            stream = idle.pop()
        else:
            stream = await trio.open_tcp_stream("127.0.0.1", httpx.URL(url).port or 80)
            everything.append(stream)
        await stream.send_all(raw)
        answer = b""
        while len(answer) < len(ANSWER):
            answer += await stream.receive_some()
        idle.append(stream)
        return answer

    try:
        yield ask
    finally:
        for stream in everything:
            await stream.aclose()


def _load(client: Client, url: str, concurrency: int) -> Run:
    async def caller(ask: Ask, times: int) -> None:
        for _ in range(times):
            assert await ask()

    async def main() -> None:
        async with client(url) as ask, trio.open_nursery() as nursery:
            for _ in range(concurrency):
                nursery.start_soon(caller, ask, REQUESTS // concurrency)

    def run() -> int:
        trio.run(main)
        return REQUESTS // concurrency * concurrency

    return run


def run() -> Iterator[Comparison]:
    """Compare at 1, 32 and 128 callers; yields three results."""
    unlimited = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    context = httpx.create_ssl_context()  # made once: reading the roots is not what is measured
    clients: dict[str, Client] = {
        "our transport, given an httpx.Request": _own_direct,
        "httpx, stock transport": _under_client(lambda: httpx.AsyncHTTPTransport(verify=context, limits=unlimited)),
        "httpx, our transport": _under_client(lambda: Transport(TransportLimits(connections=None))),
        "bare trio streams, hand-made bytes": _bare,
    }
    with _server() as url:
        for concurrency, at_least in ((1, 3.0), (32, 5.0), (128, 5.0)):
            contestants = {name: _load(client, url, concurrency) for name, client in clients.items()}
            question = f"A request with 1 kB each way, {concurrency} at a time"
            yield alternate(question, contestants, target=f">= {at_least:g} x stock", at_least=at_least)


if __name__ == "__main__":
    trio.run(_serve)
