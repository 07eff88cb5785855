"""How many opcodes of Python does a completion or a token take, here and through `arawn start`, and in which part?

They are counted, not timed: any machine finds the same, however busy it is. An opcode stands for 10 to 20 ns here; what
the kernel and libraries in C do is not in it, so a figure tells of a change of this code and not of a rate.
`python -m benchmarks.opcodes FILE start …` is the daemon, which counts from one SIGUSR2 to the next and writes FILE.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import FrameType, ModuleType
from typing import TYPE_CHECKING, Any

import msgspec
import trio

import actors
import arawn
from arawn import open_runtime
from arawn.cli import main
from arawn.config.schema import Config, InteractionLogConfig, LoggingConfig
from arawn.messages import CompletionRequest, user
from arawn.runtime_door import Runtime
from benchmarks.completion import Ask, MakeAsk, call_together, completing, configured
from benchmarks.gateway import AUTH, CONNECTIONS, ROUTES, open_arawn
from benchmarks.load import Asked, open_loads, post
from benchmarks.log_cost import Conversation
from benchmarks.measure import Finding, figure
from benchmarks.upstream import PIECES, REQUEST_TEXT, open_upstream

if TYPE_CHECKING:
    from benchmarks.rivals import Server

CALLS = 640  # twenty of each caller
STREAMS = 12  # more at once would be slower than their tokens come, while they are counted
TOKENS = STREAMS * PIECES
_STREAM_GAP_S = 0.02
_PACKAGES: tuple[ModuleType, ...] = (arawn, actors, trio)


class OpcodeCount:
    """Counts the opcodes that this thread runs, by the file they stand in."""

    def __init__(self) -> None:
        self.in_file: Counter[str] = Counter()
        self.counting = False

    def start(self) -> None:
        """Count from now on, in every function that begins or goes on."""
        self.counting = True
        sys.settrace(self._trace)

    def stop(self) -> None:
        """Count no more."""
        sys.settrace(None)
        self.counting = False

    def _trace(self, frame: FrameType, event: str, _: object) -> Any:
        if event == "opcode":
            self.in_file[frame.f_code.co_filename] += 1
        elif event == "call":
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return self._trace


def in_parts(in_file: Mapping[str, int]) -> Counter[str]:
    """Return the opcodes by part: each package of `arawn`, `actors`, `trio`, and all else."""
    parts: Counter[str] = Counter()
    for name, opcodes in in_file.items():
        parts[_part(Path(name))] += opcodes
    return parts


def _part(file: Path) -> str:
    for package in _PACKAGES:
        place = Path(package.__path__[0])
        if file.is_relative_to(place):
            inner = file.relative_to(place).parts[:-1]
            return "/".join((place.name, *inner[:1])) if package is arawn else place.name
    return "other"


def _conversing(runtime: Runtime) -> Ask:
    """Ask what is said in conversations of 1 kB, one for each caller, made before any of it is counted."""
    conversations = [Conversation(1_000, random.Random(number)) for number in range(CONNECTIONS)]
    requests = iter([conversation.next() for _ in range(CALLS // CONNECTIONS + 1) for conversation in conversations])

    def ask() -> Awaitable[object]:
        return runtime.complete(next(requests))

    return ask


def count_completions(address: str, make: MakeAsk = completing, *, log: bool = True) -> Counter[str]:
    """Return the opcodes, by part, of `CALLS` completions in this process, those of the writer's thread left out."""

    async def run(config: Config) -> Counter[str]:
        counted = OpcodeCount()
        async with open_runtime(config, environ={}) as runtime:
            ask = make(runtime)
            await call_together(ask, CONNECTIONS, CONNECTIONS)
            counted.start()
            await call_together(ask, CONNECTIONS, CALLS)
            counted.stop()
        return in_parts(counted.in_file)

    with tempfile.TemporaryDirectory() as directory:
        config = configured(Path(directory), address, at_once=CONNECTIONS)
        if not log:
            config = msgspec.structs.replace(config, logging=LoggingConfig(InteractionLogConfig(enabled=False)))
        return trio.run(run, config)


async def _read_together(read: Callable[[], Awaitable[None]]) -> None:
    """Read `STREAMS` streams, begun one after the other."""
    async with trio.open_nursery() as nursery:
        for _ in range(STREAMS):
            nursery.start_soon(read)
            await trio.sleep(_STREAM_GAP_S)


def count_streams(address: str) -> Counter[str]:
    """Return the opcodes, by part, of `TOKENS` streamed tokens in this process."""

    async def run(config: Config) -> Counter[str]:
        counted = OpcodeCount()
        async with open_runtime(config, environ={}) as runtime:

            async def read() -> None:
                async with runtime.stream(CompletionRequest(messages=(user(REQUEST_TEXT),))) as events:
                    async for _ in events:
                        pass

            await _read_together(read)
            counted.start()
            await _read_together(read)
            counted.stop()
        return in_parts(counted.in_file)

    with tempfile.TemporaryDirectory() as directory:
        return trio.run(run, configured(Path(directory), address, at_once=STREAMS))


def _count_daemon(address: str, ask: Callable[[Server], None]) -> Counter[str]:
    """Return the opcodes, by part, that a daemon runs when it is asked again."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "counted"
        with open_arawn(Path(directory), address, program=("benchmarks.opcodes", str(file))) as server:
            ask(server)
            _signal(server, file)
            ask(server)
            _signal(server, file)
        return in_parts(msgspec.json.decode(file.read_bytes(), type=dict[str, int]))


def _ask_for_streams(server: Server) -> None:
    path, body = ROUTES["openai"]
    raw = post(path, msgspec.json.encode({**msgspec.json.decode(body), "stream": True}), AUTH)

    async def read() -> None:
        data = b""
        async with await trio.open_tcp_stream("127.0.0.1", server.port) as stream:
            await stream.send_all(raw)
            while not data.endswith(b"0\r\n\r\n"):
                data += await stream.receive_some()

    trio.run(_read_together, read)


def _signal(server: Server, file: Path) -> None:
    """Have the daemon begin or end its count; it has done so when it has written its file anew."""
    file.unlink(missing_ok=True)
    os.kill(server.pid, signal.SIGUSR2)
    until = time.monotonic() + 30
    while not file.exists():
        if time.monotonic() > until:
            raise TimeoutError("the daemon did not begin or end its count within 30 s")
        time.sleep(0.01)


def _found(what: str, parts: Mapping[str, int], number: int = CALLS, together: int = CONNECTIONS) -> Finding:
    each = {name: opcodes / number for name, opcodes in sorted(parts.items(), key=lambda part: -part[1])}
    figures = [figure("together", [sum(each.values())], "opcodes")]
    figures += [figure(name, [opcodes], "opcodes") for name, opcodes in each.items() if opcodes >= 1]
    return Finding(f"How many opcodes does {what} take, {together} at once?", "none", tuple(figures))


def run() -> Iterator[Finding]:
    """Count completions with and without the log, requests through the daemon, and streamed tokens by either way."""
    with ExitStack() as stack:
        upstream = stack.enter_context(open_upstream())
        loads = stack.enter_context(open_loads())
        for what, make in (("a completion", completing), ("a completion in a conversation", _conversing)):
            yield _found(what, count_completions(upstream.address, make))
            yield _found(f"{what} without the log", count_completions(upstream.address, make, log=False))
        path, body = ROUTES["chat"]
        raw = post(path, body, AUTH)

        def ask(server: Server) -> None:
            loads.ask(Asked(server.port, raw, CONNECTIONS, CALLS))

        yield _found("a request through `POST /chat`", _count_daemon(upstream.address, ask))
        yield _found("a streamed token", count_streams(upstream.address), TOKENS, STREAMS)
        tokens = _count_daemon(upstream.address, _ask_for_streams)
        yield _found("a streamed token through `POST /v1/chat/completions`", tokens, TOKENS, STREAMS)


def _serve(file: Path) -> None:
    """Run the command line in a process that counts between signals; `file` is written last, as a whole."""
    counted = OpcodeCount()

    def toggle(_number: int, _frame: FrameType | None) -> None:
        then = counted.stop if counted.counting else counted.start
        counted.stop()
        scratch = file.with_suffix(".scratch")
        scratch.write_bytes(msgspec.json.encode(counted.in_file))
        scratch.rename(file)
        then()

    signal.signal(signal.SIGUSR2, toggle)
    main()


if __name__ == "__main__":
    _serve(Path(sys.argv.pop(1)))
