"""What does the log cost a call: CPU with logging on and off, and the 99th percentile of what a caller waits?"""

from __future__ import annotations

import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import msgspec
import trio

from arawn import open_runtime
from arawn.config.schema import Config, InteractionLogConfig, LoggingConfig, Profile, WorkstreamsConfig
from arawn.messages import CompletionRequest
from benchmarks.log_records import sample_request
from benchmarks.measure import Comparison, Row, alternate

CALLS = 600
CLIENTS = 32
SIZES = (1_000, 10_000, 100_000)
ROUNDS = 5

_PROVIDER = """
import json, re, sys, trio
BODY = json.dumps({"id": "c", "object": "chat.completion", "model": "m", "created": 1,
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Paris."}}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}}).encode()
ANSWER = b"HTTP/1.1 200 OK\\r\\ncontent-type: application/json\\r\\ncontent-length: %d\\r\\n\\r\\n" % len(BODY) + BODY
LENGTH = re.compile(rb"content-length: *(\\d+)", re.I)

async def serve(stream):
    data = b""
    while True:
        head, found, rest = data.partition(b"\\r\\n\\r\\n")
        if found and len(rest) >= (size := int(LENGTH.search(head)[1])):
            data = rest[size:]
            await stream.send_all(ANSWER)
        elif not (more := await stream.receive_some(1 << 20)):
            return
        else:
            data += more

trio.run(trio.serve_tcp, serve, int(sys.argv[1]))
"""


@contextmanager
def _provider() -> Iterator[str]:
    """Run a provider with a fixed answer in a process of its own, so that its CPU is not ours."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-c", _PROVIDER, str(port)])
    try:
        _wait_for(port)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.kill()
        process.wait()


def _wait_for(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError("the provider did not start")


def _config(directory: Path, address: str, log: InteractionLogConfig) -> Config:
    profile = Profile(backend="custom", dialect="openai", model="m", base_url=address)
    return Config(
        profiles={"default": profile},
        workstreams=WorkstreamsConfig(database=str(directory / "workstreams.db")),
        logging=LoggingConfig(msgspec.structs.replace(log, path=str(directory / "log"))),
    )


async def _calls(config: Config, request: CompletionRequest, calls: int, clients: int) -> list[float]:
    """Make `calls` calls; return how long each took, in milliseconds."""
    waits: list[float] = []

    async with open_runtime(config, environ={}) as runtime:

        async def client() -> None:
            for _ in range(calls // clients):
                began = time.perf_counter()
                await runtime.complete(request)
                waits.append((time.perf_counter() - began) * 1000)

        async with trio.open_nursery() as nursery:
            for _ in range(clients):
                nursery.start_soon(client)
    return waits


def _run(address: str, size: int, log: InteractionLogConfig, clients: int = CLIENTS) -> list[float]:
    with tempfile.TemporaryDirectory() as directory:
        config = _config(Path(directory), address, log)
        waits = trio.run(_calls, config, sample_request(size), CALLS, clients)
        lines = sum(path.read_bytes().count(b'{"kind":"interaction"') for path in Path(directory).rglob("*.jsonl"))
        assert lines == (len(waits) if log.enabled else 0), "calls made = records in the log"
    return waits


def _cpu(address: str, size: int) -> Comparison:
    logs = {
        "logging on": InteractionLogConfig(),
        "logging off": InteractionLogConfig(enabled=False),
        "logging on, redaction off": InteractionLogConfig(redact_secrets=False),
    }
    contestants = {name: partial(lambda log: len(_run(address, size, log)), log) for name, log in logs.items()}
    question = f"A call of {size // 1000} kB, {CLIENTS} callers (the ratio is one of CPU)"
    found = alternate(question, contestants, target="<= 1.10", at_least=0.0)
    ratio = found.rows[0].cpu_us / found.rows[1].cpu_us
    return msgspec.structs.replace(found, ratio=ratio, ratio_low=ratio, ratio_high=ratio, met=ratio <= 1.10)


def _p99(waits: list[float]) -> float:
    return statistics.quantiles(waits, n=100)[98]


def _waits(address: str) -> Comparison:
    """Compare single callers of 100 kB: the ratio is the milliseconds that the log adds to their 99th percentile."""
    on, off = InteractionLogConfig(), InteractionLogConfig(enabled=False)
    measured: dict[str, list[float]] = {"logging on": [], "logging off": []}
    for _ in range(ROUNDS):
        for name, log in zip(measured, (on, off), strict=True):
            measured[name].append(_p99(_run(address, 100_000, log, clients=1)))
    added = sorted(with_log - without for with_log, without in zip(*measured.values(), strict=True))
    rows = tuple(_row(name, p99s) for name, p99s in measured.items())
    added_ms = statistics.median(added)
    question = "A call of 100 kB, one caller (the ratio is milliseconds added to the p99)"
    return Comparison(question, "<= 1 ms", rows, added_ms, added[0], added[-1], added_ms <= 1.0)


def _row(name: str, p99s: list[float]) -> Row:
    middle = statistics.median(p99s)
    return Row(f"{name}, p99 {middle:.2f} ms", 1000 / middle, 1000 / max(p99s), 1000 / min(p99s), 0.0)


def run() -> Iterator[Comparison]:
    """Compare CPU at three sizes of a request, then what one caller of the largest waits."""
    with _provider() as address:
        for size in SIZES:
            yield _cpu(address, size)
        yield _waits(address)
