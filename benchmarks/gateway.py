"""How many completions a second go through `arawn start`, beside Portkey's gateway and LiteLLM's proxy?

Auth and the log with full content are on; the token is checked with every request. All gateways ask the same upstream,
are asked by the same clients, and are processes of their own, as are clients and upstream. `BENCH_ROUTE` is the
route that is asked (a name out of `ROUTES`).
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.completion import check_records
from benchmarks.load import Asked, Loads, open_loads, post
from benchmarks.measure import Comparison, Finding, Load, Result, Run, alternate, figure
from benchmarks.rivals import Server, free_port, litellm, portkey, started
from benchmarks.upstream import REQUEST, REQUEST_TEXT, Upstream, open_upstream

CONNECTIONS = 32
REQUESTS = 768
REQUESTS_OF_THE_SLOW = 64
TOKEN = "t" * 43
ROUTES: dict[str, tuple[str, bytes]] = {
    "chat": ("/chat", json.dumps({"message": REQUEST_TEXT}).encode()),
    "openai": ("/v1/chat/completions", REQUEST),
}
_CONFIG = """
[llm]
backend = "custom"
dialect = "openai"
model = "m"
base_url = "{address}"
max_concurrency = 256
mailbox = 1000
"""
AUTH = f"authorization: Bearer {TOKEN}"


@contextmanager
def open_arawn(
    directory: Path, address: str, more: str = "", program: Sequence[str] = ("arawn.cli",)
) -> Iterator[Server]:
    """Run `arawn start` with the default configuration, asking `address`; its files are below `directory`.

    `program` is the module that runs, and what it is told before the command.
    """
    port = free_port()
    (directory / "config").mkdir()
    (directory / "config" / "config.toml").write_text(_CONFIG.format(address=address) + more, "utf-8")
    command = [sys.executable, "-m", *program, "start", "--listen", f"127.0.0.1:{port}"]
    with started(command, port, places(directory)) as server:
        yield server


def places(directory: Path) -> dict[str, str]:
    """Return the environment that keeps everything of Arawn below `directory`."""
    return {
        "ARAWN_CONFIG_DIR": str(directory / "config"),
        "ARAWN_STATE_DIR": str(directory / "state"),
        "ARAWN_RUNTIME_DIR": str(directory / "run"),
        "ARAWN_TOKEN": TOKEN,
    }


class _Counted:
    """A gateway under load; remembers how often it was asked, and how long each request waited in the last round."""

    def __init__(self, loads: Loads, server: Server, raw: bytes, requests: int) -> None:
        self._loads = loads
        self._server = server
        self._raw = raw
        self._requests = requests
        self.asked = 0

    def run(self, connections: int) -> Run:
        def run() -> Load:
            used = self._server.cpu_seconds()
            told = self._loads.ask(Asked(self._server.port, self._raw, connections, self._requests))
            self.asked += self._requests
            return Load(self._requests, told.seconds, self._server.cpu_seconds() - used)

        return run


def _rivals(stack: ExitStack, loads: Loads, upstream: Upstream) -> dict[str, tuple[_Counted, Server, float]]:
    """Start the rivals that are installed: name -> what to load, the process, the ratio that is the target."""
    found: dict[str, tuple[_Counted, Server, float]] = {}
    server = stack.enter_context(portkey())
    if server is not None:
        host = f"x-portkey-custom-host: {upstream.address}"
        raw = post("/v1/chat/completions", REQUEST, "authorization: Bearer k", "x-portkey-provider: openai", host)
        found["Portkey"] = (_Counted(loads, server, raw, REQUESTS // 2), server, 5.0)
    server = stack.enter_context(litellm(upstream.address))
    if server is not None:
        raw = post("/v1/chat/completions", REQUEST, "authorization: Bearer k")
        found["LiteLLM"] = (_Counted(loads, server, raw, REQUESTS_OF_THE_SLOW), server, 50.0)
    return found


def run() -> Iterator[Result]:
    """Compare with each rival at 32 connections, then look at more connections, CPU and memory."""
    path, body = ROUTES[os.environ.get("BENCH_ROUTE", "chat")]
    with ExitStack() as stack:
        upstream = stack.enter_context(open_upstream())
        loads = stack.enter_context(open_loads())
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        rivals = _rivals(stack, loads, upstream)
        memory = {name: server for name, (_, server, _) in rivals.items()}
        with open_arawn(directory, upstream.address) as server:
            ours = _Counted(loads, server, post(path, body, AUTH), REQUESTS)
            at_32: list[float] = []
            for name, (rival, _, at_least) in rivals.items():
                beside = alternate(
                    f"A completion through `POST {path}`, {CONNECTIONS} connections",
                    {"arawn start": ours.run(CONNECTIONS), name: rival.run(CONNECTIONS)},
                    target=f">= {at_least:g} x {name}",
                    at_least=at_least,
                )
                at_32.append(beside.rows[0].cpu_us)
                yield beside
            steady = _at_more_connections(ours, path)
            yield steady
            yield _cpu([*at_32, steady.rows[1].cpu_us])
            yield _memory({"arawn start": server, **memory})
        check_records(directory, ours.asked)


def _at_more_connections(ours: _Counted, path: str) -> Comparison:
    return alternate(
        f"Does the rate of `POST {path}` hold at 128 connections?",
        {f"{number} connections": ours.run(number) for number in (128, 32)},
        target=">= 0.9 x the rate at 32",
        at_least=0.9,
    )


def _cpu(at_32: Sequence[float]) -> Finding:
    """What each of the comparisons above has found for 32 connections."""
    each = figure("processor time a request", [us / 1000 for us in at_32], "ms")
    return Finding("What does a request cost the daemon?", "<= 0.5 ms at 32 connections", (each,), each.median <= 0.5)


def _memory(servers: dict[str, Server]) -> Finding:
    figures = tuple(figure(name, [server.memory_mb()], "MB") for name, server in servers.items())
    return Finding("How much memory does each gateway hold after this load?", "none", figures)
