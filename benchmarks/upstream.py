"""The upstream of the other benchmarks: a fixed-answer provider in a process of its own.

`python -m benchmarks.upstream` is that provider: one loop over `epoll` without any library, because whatever it spends
a rival cannot use. It speaks just enough of the OpenAI dialect to answer every `POST` with the same 1 kB, or, when the
body asks for a stream, with `PIECES` server-sent events `PACE` seconds apart. The name of the model says more: `hang`
is never answered, `after-0.05` is answered 50 ms later. Every piece of a stream says its number and when it was sent
on the machine's monotonic clock, so that a reader in another process knows how long it was under way.
"""

from __future__ import annotations

import heapq
import json
import os
import random
import re
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# Ordinary sentences: a letter that is repeated is what a search for keys takes longest for, or shortest.
_PROSE = (
    "The river rises in the hills to the north and runs past four old towns before it meets the sea. Each of them had "
    "a mill once, and two still grind flour for the bakers of the valley. Which of the four would you visit first, "
    "and how long would the way from one to the next take on foot? Please answer in a few sentences, with reasons. "
)
TEXT = (_PROSE * 3)[:700]
REQUEST_TEXT = (_PROSE * 3)[:900]
PIECES = 40
PACE = 0.1
_USAGE = {"prompt_tokens": 225, "completion_tokens": 175, "total_tokens": 400}
_SAID = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": TEXT}}
BODY = json.dumps(
    {"id": "chatcmpl-0", "object": "chat.completion", "created": 1, "model": "m", "choices": [_SAID], "usage": _USAGE}
).encode()
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY)
REQUEST = json.dumps({"model": "m", "messages": [{"role": "user", "content": REQUEST_TEXT}]}).encode()
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_DELAY = re.compile(rb'"model": ?"(?:after-([0-9.]+)|(hang))"')
_STREAMS = re.compile(rb'"stream": ?true')
_STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


class Upstream:
    """A running provider: where it answers, and how much processor it has taken so far."""

    def __init__(self, pid: int, port: int) -> None:
        self.pid = pid
        self.port = port
        self.address = f"http://127.0.0.1:{port}/v1"

    def cpu_seconds(self) -> float:
        """Return the processor time of the provider's process."""
        return cpu_seconds(self.pid)


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process and its threads, from its birth, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def open_upstream(*, pieces: int = PIECES, pace: float = PACE) -> Iterator[Upstream]:
    """Run the provider for as long as the block lasts.

    Args:
        pieces: How many a stream has.
        pace: Seconds between two pieces of one stream.
    """
    command = [sys.executable, "-m", "benchmarks.upstream", str(pieces), str(pace)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Upstream(process.pid, int(process.stdout.readline()))
        finally:
            process.terminate()


class _Server:
    """The loop: sockets that are ready, and what is due by the clock."""

    def __init__(self, pieces: int, pace: float) -> None:
        self._pieces = pieces
        self._pace = pace
        self._due: list[tuple[float, int, int]] = []  # when, whose, and which piece; -1 is a whole answer
        self._clients: dict[int, socket.socket] = {}
        self._arrived: dict[int, bytes] = {}
        self._epoll = select.epoll()

    def serve(self, door: socket.socket) -> None:
        door.setblocking(False)
        self._epoll.register(door, select.EPOLLIN)
        while True:
            wait = max(0.0, self._due[0][0] - time.monotonic()) if self._due else None
            for number, _ in self._epoll.poll(wait):
                if number == door.fileno():
                    self._let_in(door)
                else:
                    self._hear(number)
            while self._due and self._due[0][0] <= time.monotonic():
                self._say(*heapq.heappop(self._due))

    def _let_in(self, door: socket.socket) -> None:
        client, _ = door.accept()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.setblocking(False)
        self._clients[client.fileno()] = client
        self._arrived[client.fileno()] = b""
        self._epoll.register(client, select.EPOLLIN)

    def _hear(self, number: int) -> None:
        try:
            data = self._clients[number].recv(65536)
        except OSError:
            data = b""
        if not data:
            self._epoll.unregister(number)
            self._clients.pop(number).close()
            del self._arrived[number]
            return
        data = self._arrived[number] + data
        head, found, body = data.partition(b"\r\n\r\n")
        length = _LENGTH.search(head) if found else None
        if not found or (length is not None and len(body) < int(length[1])):
            self._arrived[number] = data
            return
        self._arrived[number] = b""
        self._answer(number, body)

    def _answer(self, number: int, body: bytes) -> None:
        delay = _DELAY.search(body[:200])
        now = time.monotonic()
        if _STREAMS.search(body):
            self._send(number, _STREAM_HEAD)
            heapq.heappush(self._due, (now + random.random() * self._pace, number, 0))
        elif delay is None:
            self._send(number, ANSWER)
        elif not delay[2]:
            heapq.heappush(self._due, (now + float(delay[1]), number, -1))

    def _say(self, due: float, number: int, piece: int) -> None:
        if number not in self._clients:
            return
        if piece < 0:
            self._send(number, ANSWER)
        elif piece < self._pieces:
            self._send(number, _event({"content": f"{piece} {time.monotonic_ns()} "}, None))
            heapq.heappush(self._due, (due + self._pace, number, piece + 1))
        else:
            self._send(number, _event({}, "stop") + _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")

    def _send(self, number: int, data: bytes) -> None:
        with suppress(OSError):  # it has left; its end is read next
            self._clients[number].send(data)  # so little always fits


def _event(delta: dict[str, str], finish: str | None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    chunk = {"id": "chatcmpl-0", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return _chunk(b"data: %b\n\n" % json.dumps(chunk).encode())


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def main() -> None:
    """Be the provider until killed."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as door:
        print(door.getsockname()[1], flush=True)
        _Server(int(sys.argv[1]), float(sys.argv[2])).serve(door)


if __name__ == "__main__":
    main()
