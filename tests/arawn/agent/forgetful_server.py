"""An MCP server over HTTP that keeps sessions, and can forget them as one that was started again does."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

__all__ = ["Forgetful", "forgetful_server"]


class Forgetful(ThreadingHTTPServer):
    """Knows its sessions; clear them to make it forget."""

    def __init__(self) -> None:
        self.sessions: set[str] = set()
        super().__init__(("127.0.0.1", 0), _Answering)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/mcp"


class _Answering(BaseHTTPRequestHandler):
    server: Forgetful
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["content-length"])))
        method = message["method"]
        if method == "server/discover":
            self._say(200, {"id": message["id"], "error": {"code": -32601, "message": "no such method"}})
        elif method == "initialize":
            session = uuid.uuid4().hex
            self.server.sessions.add(session)
            about: dict[str, Any] = {"capabilities": {"tools": {}}, "serverInfo": {"name": "forgetful", "version": "1"}}
            version = message["params"]["protocolVersion"]
            self._say(200, {"id": message["id"], "result": {"protocolVersion": version, **about}}, session)
        elif self.headers["mcp-session-id"] not in self.server.sessions:
            self._say(404, None)
        elif "id" not in message:
            self._say(202, None)
        elif method == "tools/list":
            tools = [{"name": "fine", "inputSchema": {"type": "object"}}]
            self._say(200, {"id": message["id"], "result": {"tools": tools}})
        else:
            self._say(200, {"id": message["id"], "result": {"content": [{"type": "text", "text": "fine"}]}})

    def do_GET(self) -> None:
        self._say(405, None)

    def do_DELETE(self) -> None:
        self._say(200, None)

    def _say(self, status: int, message: dict[str, Any] | None, session: str | None = None) -> None:
        body = b"" if message is None else json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.send_response(status)
        if session is not None:
            self.send_header("mcp-session-id", session)
        if body:
            self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing on stderr."""


@contextmanager
def forgetful_server() -> Iterator[Forgetful]:
    """Serve in a thread for as long as the block lasts."""
    with Forgetful() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
