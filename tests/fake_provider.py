"""A small real HTTP provider on loopback for tests: plays set replies and keeps what it was sent."""

from __future__ import annotations

import json
import select
import socket
import struct
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class Fault(Enum):
    """What a reply may do instead of sending its next piece."""

    STALL = "send nothing until the client leaves or the server closes"
    CUT = "reset the connection"
    END = "close the connection without ending the body"


@dataclass(frozen=True)
class Reply:
    """One answer. `pieces` are sent chunked and flushed one by one; `body` is sent with its length."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    pieces: Sequence[bytes | Fault] | None = None
    before: Fault | None = None  # happens instead of the head


@dataclass(frozen=True)
class Received:
    """One request; header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class FakeProvider:
    """Answers each request with the next reply set, the last one again and again.

    Use as `with FakeProvider(reply, ...) as provider`; `provider.address` is its base URL without a path.
    """

    def __init__(self, *replies: Reply) -> None:
        self.received: list[Received] = []
        self.hung_up = threading.Event()  # a client left during a stall
        self.connections = 0
        self._replies = list(replies) or [Reply(body=openai_reply("ok"))]
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._sockets: list[socket.socket] = []
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def address(self) -> str:
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *details: object) -> None:
        self._closing.set()
        self._server.shutdown()
        for connection in self._sockets:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # already gone
        self._server.server_close()
        self._thread.join()

    def accept(self, connection: socket.socket) -> None:
        self.connections += 1
        self._sockets.append(connection)

    def answer_to(self, request: Received) -> Reply:
        with self._lock:
            self.received.append(request)
            return self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]

    def stall(self, connection: socket.socket) -> None:
        """Wait until the client leaves or the server closes."""
        while not self._closing.is_set():
            readable, _, _ = select.select([connection], [], [], 0.01)
            if readable and not connection.recv(1, socket.MSG_PEEK):
                self.hung_up.set()
                return


class _Server(ThreadingHTTPServer):
    daemon_threads = False

    def __init__(self, owner: FakeProvider) -> None:
        self.owner = owner
        super().__init__(("127.0.0.1", 0), _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self.owner.accept(connection)
        return connection, address

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that leaves is part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self.server.owner.answer_to(Received(self.command, self.path, headers, body))
        if reply.before is not None:
            self._fault(reply.before)
            return
        self.send_response(reply.status)
        self.send_header("content-type", reply.content_type)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.pieces is None:
            self.send_header("content-length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)
        else:
            self._send_pieces(reply.pieces)

    do_GET = do_POST  # noqa: N815  # the name that http.server looks for

    def _send_pieces(self, pieces: Sequence[bytes | Fault]) -> None:
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for piece in pieces:
            if isinstance(piece, Fault):
                self._fault(piece)
                return
            self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def _fault(self, fault: Fault) -> None:
        self.close_connection = True
        if fault is Fault.STALL:
            self.server.owner.stall(self.connection)
        elif fault is Fault.CUT:  # closing with unsent data set to linger for 0 s resets the connection
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # named by http.server
        """Tests read `received` instead."""


def events(*data: object, named: bool = False) -> list[bytes]:
    """Return server-sent events, one bytes object each; `named` adds the `type` of each as its event name."""
    lines = []
    for item in data:
        text = item if isinstance(item, str) else json.dumps(item)
        name = f"event: {item['type']}\n" if named and isinstance(item, dict) else ""
        lines.append(f"{name}data: {text}\n\n".encode())
    return lines


def openai_reply(text: str, **message: object) -> bytes:
    """Return a plain chat completion."""
    said = {"role": "assistant", "content": text, **message}
    finish = "tool_calls" if message.get("tool_calls") else "stop"
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    choice = {"index": 0, "message": said, "finish_reason": finish}
    return json.dumps({"id": "chatcmpl-1", "model": "fake-1", "choices": [choice], "usage": usage}).encode()


def openai_chunk(finish: str | None = None, **delta: object) -> dict[str, Any]:
    """Return one chunk of a streamed chat completion."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "fake-1", "choices": [choice]}


def openai_stream(*words: str) -> list[bytes]:
    """Return a whole streamed chat completion that says `words`."""
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    return events(
        openai_chunk(role="assistant", content=""),
        *(openai_chunk(content=word) for word in words),
        openai_chunk("stop"),
        {"id": "chatcmpl-1", "model": "fake-1", "choices": [], "usage": usage},
        "[DONE]",
    )


def anthropic_reply(text: str) -> bytes:
    """Return a plain message."""
    usage = {"input_tokens": 7, "output_tokens": 3}
    content = [{"type": "text", "text": text}]
    message = {"type": "message", "id": "msg_1", "role": "assistant", "model": "fake-1", "content": content}
    return json.dumps({**message, "stop_reason": "end_turn", "usage": usage}).encode()


def anthropic_stream(*words: str) -> list[bytes]:
    """Return a whole streamed message that says `words`."""
    message = {"type": "message", "id": "msg_1", "role": "assistant", "model": "fake-1", "content": []}
    started = {**message, "stop_reason": None, "usage": {"input_tokens": 7, "output_tokens": 1}}
    return events(
        {"type": "message_start", "message": started},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        *({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}} for word in words),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}},
        {"type": "message_stop"},
        named=True,
    )


def stream_reply(pieces: Sequence[bytes | Fault]) -> Reply:
    """Return a reply that streams `pieces` as server-sent events."""
    return Reply(content_type="text/event-stream", pieces=pieces)
