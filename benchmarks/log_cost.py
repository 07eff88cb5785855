"""What does the log cost a call: CPU with logging on and off, and the 99th percentile of what a caller waits?

The target means a call with HTTP; those of the scripted provider, which cost next to nothing themselves, stand beside.
CPU is user and system time of the whole process, threads included, until after the last sync. All runtimes live in one
process and take turns every few dozen calls with the same requests, so that a busy machine slows them alike.
"""

from __future__ import annotations

import gc
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from pathlib import Path

import msgspec
import trio

from arawn import open_runtime
from arawn.config.schema import Config, InteractionLogConfig, LoggingConfig, Profile, WorkstreamsConfig
from arawn.messages import CompletionRequest, Message, Text, ToolDefinition, user
from arawn.runtime_door import Runtime
from benchmarks.log_records import sample_request
from benchmarks.measure import Comparison, Row

CLIENTS = 8
TURN_CALLS = 10  # of each client
TURNS = 40
SETTLE_SECONDS = 0.12  # the last sync of a turn has ended by then
SINGLE_CALLS = 600
SIZES = (1_000, 10_000, 100_000)
ROUNDS = 5
_LOGS = {
    "logging on": InteractionLogConfig(),
    "logging off": InteractionLogConfig(enabled=False),
    "logging on, redaction off": InteractionLogConfig(redact_secrets=False),
}

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


def _config(directory: Path, address: str | None, log: InteractionLogConfig) -> Config:
    profile = Profile(backend="custom", dialect="openai", model="m", base_url=address)
    return Config(
        profiles={"default": profile if address else Profile(backend="scripted")},
        workstreams=WorkstreamsConfig(database=str(directory / "workstreams.db")),
        logging=LoggingConfig(msgspec.structs.replace(log, path=str(directory / "log"))),
    )


class Conversation:
    """Requests of one conversation: each holds the one before it and two messages more; from half to 1.5 x `size`."""

    def __init__(self, size: int, dice: random.Random) -> None:
        self._size = size
        self._dice = dice
        self._piece = max(100, min(2_000, size // 25))
        self._tools = tuple(ToolDefinition(f"tool{number}", description="Look something up.") for number in range(4))
        self._messages: list[Message] = []

    def next(self) -> CompletionRequest:
        """Return the next request; a conversation that has grown too long starts anew."""
        if not self._messages or len(self._messages) * self._piece > 1.5 * self._size:
            self._messages = [user(self._text())]
            while len(self._messages) * self._piece < self._size // 2:
                self._grow()
        else:
            self._grow()
        return CompletionRequest(messages=tuple(self._messages), system="Be brief.", tools=self._tools)

    def _grow(self) -> None:
        self._messages += [Message("assistant", (Text(self._text()),)), user(self._text())]

    def _text(self) -> str:
        words = [f"{self._dice.choice(_WORDS)} {number}" for number in range(self._piece // 6)]
        return " ".join(words)[: self._piece]


_WORDS = ("the", "result", "of", "def f(x):", "return", "https://example.com/a", "we", "have", "seen_it", "A", "- if")


async def _take_turns(address: str | None, size: int, directory: Path) -> dict[str, list[float]]:
    """Return microseconds of CPU a call, turn by turn, of each way to log."""
    spent: dict[str, list[float]] = {name: [] for name in _LOGS}
    conversations = [Conversation(size, random.Random(number)) for number in range(CLIENTS)]
    async with AsyncExitStack() as stack:
        runtimes = {}
        for number, (name, log) in enumerate(_LOGS.items()):
            place = directory / str(number)
            place.mkdir()
            runtimes[name] = await stack.enter_async_context(open_runtime(_config(place, address, log), environ={}))
        for turn in range(-2, TURNS):  # two to warm up
            requests = [[each.next() for _ in range(TURN_CALLS)] for each in conversations]
            for name in sorted(runtimes, key=lambda name: (turn + list(_LOGS).index(name)) % len(_LOGS)):
                cpu = await _turn(runtimes[name], requests)
                if turn >= 0:
                    spent[name].append(cpu)
    return spent


async def _turn(runtime: Runtime, requests: Sequence[Sequence[CompletionRequest]]) -> float:
    async def client(own: Sequence[CompletionRequest]) -> None:
        for request in own:
            await runtime.complete(request)

    gc.collect()
    before = time.process_time()
    async with trio.open_nursery() as nursery:
        for own in requests:
            nursery.start_soon(client, own)
    await trio.sleep(SETTLE_SECONDS)
    return (time.process_time() - before) / sum(map(len, requests)) * 1e6


def _cpu(address: str | None, size: int) -> Comparison:
    with tempfile.TemporaryDirectory() as directory:
        spent = trio.run(_take_turns, address, size, Path(directory))
        calls = (TURNS + 2) * CLIENTS * TURN_CALLS
        assert _lines(Path(directory)) == 2 * calls, "calls made = records in the log"
    ratios = sorted(on / off for on, off in zip(spent["logging on"], spent["logging off"], strict=True))
    rows = tuple(
        Row(name, 1e6 / statistics.median(cpu), 1e6 / max(cpu), 1e6 / min(cpu), statistics.median(cpu))
        for name, cpu in spent.items()
    )
    ratio, quarter = statistics.median(ratios), len(ratios) // 4
    how = "over HTTP" if address else "of the scripted provider (no target)"
    question = f"A call {how}, conversations of {size // 1000} kB (ratio of CPU, its middle half)"
    met = ratio <= 1.10 or address is None
    return Comparison(question, "<= 1.10", rows, ratio, ratios[quarter], ratios[-1 - quarter], met)


def _lines(directory: Path) -> int:
    return sum(path.read_bytes().count(b'{"kind":"interaction"') for path in directory.rglob("*.jsonl"))


async def _single_calls(config: Config, request: CompletionRequest) -> list[float]:
    """Return how long each call of one caller took, in milliseconds."""
    waits: list[float] = []
    async with open_runtime(config, environ={}) as runtime:
        for _ in range(SINGLE_CALLS):
            began = time.perf_counter()
            await runtime.complete(request)
            waits.append((time.perf_counter() - began) * 1000)
    return waits


def _p99(address: str, log: InteractionLogConfig) -> float:
    with tempfile.TemporaryDirectory() as directory:
        waits = trio.run(_single_calls, _config(Path(directory), address, log), sample_request(100_000))
    return statistics.quantiles(waits, n=100)[98]


def _waits(address: str) -> Comparison:
    """Compare single callers of 100 kB: the ratio is the milliseconds that the log adds to their 99th percentile."""
    runs = {name: partial(_p99, address, _LOGS[name]) for name in ("logging on", "logging off")}
    measured: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, measure in runs.items():
            measured[name].append(measure())
    added = sorted(with_log - without for with_log, without in zip(*measured.values(), strict=True))
    rows = tuple(_row(name, p99s) for name, p99s in measured.items())
    added_ms = statistics.median(added)
    question = "A call of 100 kB, one caller (the ratio is milliseconds added to the p99)"
    return Comparison(question, "<= 1 ms", rows, added_ms, added[0], added[-1], added_ms <= 1.0)


def _row(name: str, p99s: list[float]) -> Row:
    middle = statistics.median(p99s)
    return Row(f"{name}, p99 {middle:.2f} ms", 1000 / middle, 1000 / max(p99s), 1000 / min(p99s), 0.0)


def run() -> Iterator[Comparison]:
    """Compare CPU at three sizes, with HTTP and without, then what one caller of the largest waits."""
    with _provider() as address:
        for size in SIZES:
            yield _cpu(address, size)
            yield _cpu(None, size)
        yield _waits(address)
