"""What does one HTTP request cost the server: ours beside the 40 lines that are the limit, and beside hypercorn's?

The clients are another process, so the CPU counted is the server's alone. `python -m benchmarks.http_server` is that
process, told over a pipe whom to ask: raw bytes on bare sockets, so that it is never the limit.
"""

from __future__ import annotations

import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Protocol

import httptools
import trio

from arawn.wire.asgi import Receive, Scope, Send
from arawn.wire.listeners import open_tcp_listeners
from arawn.wire.server import serve
from benchmarks.measure import Comparison, Run, alternate

CONNECTIONS = 32
REQUESTS = 4_800
ANSWER_BODY = b'{"choices":[{"message":{"role":"assistant","content":"' + b"y" * 965 + b'"}}]}'
REQUEST_BODY = b'{"model":"m","messages":[{"role":"user","content":"' + b"x" * 968 + b'"}]}'
FIELDS = (
    b"host: 127.0.0.1\r\nuser-agent: bench\r\naccept: */*\r\nauthorization: Bearer k\r\n"
    b"content-type: application/json\r\n"
)
ASKED = {
    "GET": b"GET /v1/models HTTP/1.1\r\n" + FIELDS + b"\r\n",
    "POST": b"POST /v1/chat/completions HTTP/1.1\r\n"
    + FIELDS
    + b"content-length: %d\r\n\r\n" % len(REQUEST_BODY)
    + REQUEST_BODY,
}


class Main(Protocol):
    """A server: reports its port as started, ends when the event is set."""

    async def __call__(self, stopping: trio.Event, *, task_status: trio.TaskStatus[int]) -> None: ...


async def _app(scope: Scope, receive: Receive, send: Send) -> None:
    """Read the body and answer with 1 kB."""
    if scope["type"] != "http":
        raise NotImplementedError
    while (await receive()).get("more_body", False):
        pass
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(ANSWER_BODY))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": ANSWER_BODY, "more_body": False})


async def _ours(stopping: trio.Event, *, task_status: trio.TaskStatus[int]) -> None:
    listeners = await open_tcp_listeners("127.0.0.1", 0)
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(serve, _app, listeners=listeners, stopping=stopping))
        task_status.started(listeners[0].socket.getsockname()[1])


async def _hypercorn(stopping: trio.Event, *, task_status: trio.TaskStatus[int]) -> None:
    config = import_module("hypercorn.config").Config()
    config.bind = ["127.0.0.1:0"]
    config.errorlog = None
    config.keep_alive_max_requests = REQUESTS  # else it closes each connection after a thousand
    async with trio.open_nursery() as nursery:
        binds = await nursery.start(
            partial(import_module("hypercorn.trio").serve, _app, config, shutdown_trigger=stopping.wait)
        )
        task_status.started(int(binds[0].rpartition(":")[2]))


class _Bare:
    """The limit: a parser and a stream; no limits, no times, no application, no checks."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._whole = False
        self._answer = (
            b"HTTP/1.1 200 OK\r\ndate: Sun, 01 Jan 2026 00:00:00 GMT\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\n\r\n%b" % (len(ANSWER_BODY), ANSWER_BODY)
        )

    def on_message_complete(self) -> None:
        self._whole = True

    async def serve(self) -> None:
        parser = httptools.HttpRequestParser(self)
        async for data in self._stream:
            parser.feed_data(data)
            if self._whole:
                self._whole = False
                await self._stream.send_all(self._answer)


async def _bare(stopping: trio.Event, *, task_status: trio.TaskStatus[int]) -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, lambda stream: _Bare(stream).serve(), listeners)
        task_status.started(listeners[0].socket.getsockname()[1])
        await stopping.wait()
        nursery.cancel_scope.cancel(reason="the round is over")


class _Clients:
    """The process that asks."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, port: int, method: str) -> None:
        """Have every request answered; returns then."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{port} {method}\n")
        self._process.stdin.flush()
        if self._process.stdout.readline() != "done\n":
            raise RuntimeError("a request was not answered as it should be; the error is above")


@contextmanager
def _clients() -> Iterator[_Clients]:
    command = [sys.executable, "-m", "benchmarks.http_server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield _Clients(process)
        finally:
            process.terminate()


def _round(main: Main, clients: _Clients, method: str) -> Run:
    async def serve_them() -> None:
        async with trio.open_nursery() as nursery:
            stopping = trio.Event()
            port = await nursery.start(main, stopping)
            await trio.to_thread.run_sync(clients.ask, port, method)
            stopping.set()

    def run() -> int:
        trio.run(serve_them)
        return REQUESTS

    return run


def run() -> Iterator[Comparison]:
    """Compare with the limit, then with hypercorn where it is installed."""
    for method, what in (("GET", "no body"), ("POST", "a 1 kB body")):
        question = f"A request with {what}, answered with 1 kB, {CONNECTIONS} connections"
        with _clients() as clients:
            ours = {"our server": _round(_ours, clients, method)}
            limit = {"40 lines of trio and httptools": _round(_bare, clients, method)}
            yield alternate(question, {**ours, **limit}, target=">= 0.5 x the limit", at_least=0.5)
            if find_spec("hypercorn"):
                rival = {"hypercorn, trio worker": _round(_hypercorn, clients, method)}
                yield alternate(question, {**ours, **rival}, target=">= 5 x hypercorn", at_least=5.0)


def _ask_all(port: int, raw: bytes) -> None:
    """Keep every connection busy until all is answered."""
    with ExitStack() as stack, select.epoll() as poll:
        clients: dict[int, socket.socket] = {}
        for _ in range(CONNECTIONS):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            clients[client.fileno()] = client
            poll.register(client, select.EPOLLIN)
            client.sendall(raw)
        asked, answered = CONNECTIONS, 0
        partial = dict.fromkeys(clients, b"")
        while answered < REQUESTS:
            for number, _ in poll.poll():
                piece = clients[number].recv(65536)
                partial[number] += piece
                assert piece, partial[number]
                if partial[number].endswith(ANSWER_BODY):
                    partial[number] = b""
                    answered += 1
                    if asked < REQUESTS:
                        asked += 1
                        clients[number].sendall(raw)


def _be_clients() -> None:
    for line in sys.stdin:
        port, method = line.split()
        _ask_all(int(port), ASKED[method])
        print("done", flush=True)


if __name__ == "__main__":
    _be_clients()
