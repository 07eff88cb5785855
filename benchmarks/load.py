"""Raw HTTP clients in a process of their own: they measure at the client and take little from what they measure.

`python -m benchmarks.load` is that process: it reads one `Asked` a line and answers each with one `Told`.
"""

from __future__ import annotations

import re
import select
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

_STATUS = re.compile(rb"HTTP/1\.1 200 ")
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_SILENCE_S = 60


class Asked(msgspec.Struct, frozen=True):
    """A load: `raw` is sent `requests` times, spread over `connections` that each wait for their answer."""

    port: int
    raw: bytes
    connections: int
    requests: int


class Told(msgspec.Struct, frozen=True):
    """What came of it: seconds from the first byte to the last, and how long each request waited."""

    seconds: float
    waits_ms: list[float]


class Loads:
    """The client process."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def ask(self, asked: Asked) -> Told:
        """Put the load on and return when every request has been answered.

        Raises:
            RuntimeError: An answer was not 200, or none came; the client process has said why.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(asked) + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the clients gave up; the reason is above")
        return msgspec.json.decode(line, type=Told)


@contextmanager
def open_loads() -> Iterator[Loads]:
    """Run the client process for as long as the block lasts."""
    command = [sys.executable, "-m", "benchmarks.load"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield Loads(process)
        finally:
            process.terminate()


def post(path: str, body: bytes, *headers: str) -> bytes:
    """Return the bytes of one request."""
    lines = ["host: 127.0.0.1", "content-type: application/json", "user-agent: bench", *headers]
    head = "".join(f"{line}\r\n" for line in lines)
    return f"POST {path} HTTP/1.1\r\n{head}content-length: {len(body)}\r\n\r\n".encode() + body


def is_whole(answer: bytes) -> bool:
    """Say whether all of an answer has arrived: by its length, or by the last chunk.

    Raises:
        RuntimeError: It is not a 200.
    """
    head, found, body = answer.partition(b"\r\n\r\n")
    if not found:
        return False
    if not _STATUS.match(head):
        raise RuntimeError(f"an answer was not 200: {answer[:600]!r}")
    length = _LENGTH.search(head)
    return body.endswith(b"0\r\n\r\n") if length is None else len(body) >= int(length[1])


def put_on(asked: Asked) -> Told:
    """Put one load on from this process."""
    epoll = select.epoll()
    clients: dict[int, socket.socket] = {}
    for _ in range(asked.connections):
        client = socket.create_connection(("127.0.0.1", asked.port))
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.setblocking(False)
        clients[client.fileno()] = client
        epoll.register(client, select.EPOLLIN)
    left = asked.requests
    waits: list[float] = []
    began_at: dict[int, float] = {}
    arrived = dict.fromkeys(clients, b"")
    free = deque(clients)
    began = time.perf_counter()
    while len(waits) < asked.requests:
        while free and left:
            number = free.popleft()
            began_at[number] = time.perf_counter()
            clients[number].sendall(asked.raw)  # so little always fits
            left -= 1
        ready = epoll.poll(_SILENCE_S)
        if not ready:
            raise RuntimeError(f"no answer within {_SILENCE_S} s; {len(waits)} of {asked.requests} had come")
        for number, _ in ready:
            data = clients[number].recv(262_144)
            if not data:
                raise RuntimeError("a connection was closed under load")
            arrived[number] += data
            if is_whole(arrived[number]):
                waits.append((time.perf_counter() - began_at[number]) * 1000)
                arrived[number] = b""
                free.append(number)
    seconds = time.perf_counter() - began
    for client in clients.values():
        client.close()
    return Told(seconds, waits)


def main() -> None:
    """Put on every load that is asked for on standard input."""
    for line in sys.stdin.buffer:
        told = put_on(msgspec.json.decode(line, type=Asked))
        sys.stdout.buffer.write(msgspec.json.encode(told) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
