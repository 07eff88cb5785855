"""An MCP server of the official package for tests: over stdio, or HTTP on the port that is given."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import uvicorn
from mcp import MCPError
from mcp.server import MCPServer
from mcp.types import ToolAnnotations

server = MCPServer("tools-for-tests")


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool()
def fail() -> str:
    """Fail."""
    raise ValueError("it cannot be done")


@server.tool(name="where.am.i")
def where() -> str:
    """Say what the environment holds."""
    return os.environ.get("ARAWN_TEST_PLACE", "nowhere")


@server.tool()
def leave() -> str:
    """End the server without a word."""
    os._exit(3)


@server.tool()
def object_to() -> str:
    """Refuse as the protocol does."""
    raise MCPError(-32602, "not like this")


@server.tool()
def doze(seconds: float) -> str:
    """Take a while."""
    time.sleep(seconds)
    return "rested"


def serve_http(port: int, token: str) -> None:
    """Serve over HTTP on loopback; with a token, whoever does not send it is refused."""
    app = server.streamable_http_app()

    async def guarded(scope: Any, receive: Any, send: Any) -> None:
        sent = dict(scope.get("headers", ())).get(b"authorization", b"").decode()
        if scope["type"] == "http" and token and sent != f"Bearer {token}":
            await send({"type": "http.response.start", "status": 401, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        await app(scope, receive, send)

    uvicorn.run(guarded, port=port, log_level="warning")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        serve_http(int(sys.argv[1]), sys.argv[2])
    else:
        server.run("stdio")
