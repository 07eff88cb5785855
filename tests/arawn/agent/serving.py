"""Tool servers under a root of their own."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from actors import SupervisorSpec, open_supervisor
from arawn.agent.servers import ToolServers, start_tool_servers
from arawn.config.schema import Config, ToolSource

__all__ = ["MCP_SERVER", "http_server", "open_servers", "wait_for_port"]

MCP_SERVER = str(Path(__file__).with_name("mcp_tools.py"))
_PATIENCE = 60.0


@asynccontextmanager
async def open_servers(
    sources: dict[str, ToolSource], environ: Mapping[str, str] | None = None
) -> AsyncIterator[ToolServers]:
    config = Config(tools=sources)
    async with open_supervisor(SupervisorSpec(name="root"), hooks=[]) as root:
        yield await start_tool_servers(root, lambda: config, environ or {})


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def wait_for_port(port: int) -> None:
    """Return once something listens there."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline, "the server does not start"
            time.sleep(0.05)
        else:
            return


@contextmanager
def http_server(token: str = "") -> Iterator[str]:
    """Run the MCP server of the tests over HTTP and yield its address; with a token it serves nobody without it."""
    port = free_port()
    child = subprocess.Popen(
        [sys.executable, MCP_SERVER, str(port), token], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for_port(port)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        child.kill()
        child.wait()
