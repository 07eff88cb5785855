"""How fast is a completion in this process: actor, backend, HTTP, record on disk; beside TensorZero and bare httpx?

Everything that is on by default is on: the log with full content and redaction, limits, health, retries. The callers
are 1, 32, 128 and 256; a backend takes as many at once as there are callers. Each run opens a runtime, warms it up,
measures `CALLS` calls, and ends with as many records in the log as calls were made.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from functools import partial
from itertools import count
from pathlib import Path

import httpx
import trio

from arawn import open_runtime
from arawn.config.schema import Config, InteractionLogConfig, LoggingConfig, Profile, WorkstreamsConfig
from arawn.messages import CompletionRequest, user
from arawn.runtime_door import Runtime
from benchmarks.load import Asked, Loads, open_loads, post
from benchmarks.measure import Comparison, Load, Run, alternate
from benchmarks.rivals import tensorzero
from benchmarks.upstream import REQUEST, REQUEST_TEXT, Upstream, open_upstream

CALLS = 768  # a multiple of every number of callers
TURNS = 4  # of one conversation, before the next

Ask = Callable[[], Awaitable[object]]
MakeAsk = Callable[[Runtime], Ask]


def configured(directory: Path, address: str, *, at_once: int) -> Config:
    """Return the default configuration but for the places of its files and one profile that asks `address`."""
    profile = Profile(
        backend="custom", dialect="openai", model="m", base_url=address, max_concurrency=at_once, mailbox=1_000
    )
    return Config(
        profiles={"default": profile},
        workstreams=WorkstreamsConfig(database=str(directory / "workstreams.db")),
        logging=LoggingConfig(InteractionLogConfig(path=str(directory / "log"))),
    )


def check_records(directory: Path, calls: int) -> None:
    """Refuse figures of a run that lost or invented records.

    Raises:
        RuntimeError: The log below `directory` does not hold one good record for each call.
    """
    files = sorted(directory.rglob("interactions-*.jsonl"))
    lines = [line for path in files for line in path.read_bytes().splitlines()]
    found = sum(line.startswith(b'{"kind":"interaction"') and b'"status":"ok"' in line for line in lines)
    if found != calls:
        raise RuntimeError(f"{calls} calls were answered and {found} records of that are in the log")


async def call_together(ask: Ask, callers: int, calls: int) -> Load:
    """Have `callers` tasks make `calls` calls between them; return what that took."""

    async def caller() -> None:
        for _ in range(calls // callers):
            await ask()

    wall, used = time.perf_counter(), time.process_time()
    async with trio.open_nursery() as nursery:
        for _ in range(callers):
            nursery.start_soon(caller)
    return Load(calls // callers * callers, time.perf_counter() - wall, time.process_time() - used)


def completing(runtime: Runtime) -> Ask:
    numbers = count()

    def ask() -> Awaitable[object]:
        return runtime.complete(CompletionRequest(messages=(user(f"{next(numbers)} {REQUEST_TEXT}"),)))

    return ask


def _send(runtime: Runtime) -> Ask:
    numbers = count()

    def ask() -> Awaitable[object]:
        number = next(numbers)
        return runtime.workstream(f"w{number // TURNS}").send(f"{number} {REQUEST_TEXT}")

    return ask


def _arawn(make: MakeAsk, address: str, callers: int) -> Run:
    async def main(config: Config) -> Load:
        async with open_runtime(config, environ={}) as runtime:
            ask = make(runtime)
            await call_together(ask, callers, callers)  # connections are opened, code is warm
            return await call_together(ask, callers, CALLS)

    def run() -> Load:
        with tempfile.TemporaryDirectory() as directory:
            load = trio.run(main, configured(Path(directory), address, at_once=callers))
            check_records(Path(directory), load.count + callers)
        return load

    return run


def _bare_httpx(address: str, callers: int) -> Run:
    """The stock client on trio, the answer decoded, and nothing else."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    context = httpx.create_ssl_context()  # made once: reading the roots is not what is measured

    async def main() -> Load:
        transport = httpx.AsyncHTTPTransport(verify=context, limits=limits)
        headers = {"content-type": "application/json"}
        async with httpx.AsyncClient(transport=transport, timeout=60, headers=headers) as client:

            async def ask() -> object:
                answer = await client.post(f"{address}/chat/completions", content=REQUEST)
                return answer.json()["choices"][0]["message"]["content"]

            await call_together(ask, callers, callers)
            return await call_together(ask, callers, CALLS // 4)

    return lambda: trio.run(main)


def _direct(upstream: Upstream, loads: Loads, callers: int) -> Run:
    """The upstream alone; the processor time is its own."""

    def run() -> Load:
        used = upstream.cpu_seconds()
        raw = post("/v1/chat/completions", REQUEST)
        told = loads.ask(Asked(upstream.port, raw, callers, 8 * CALLS))
        return Load(8 * CALLS, told.seconds, upstream.cpu_seconds() - used)

    return run


def run() -> Iterator[Comparison]:
    """Compare with TensorZero and httpx, then the same at more callers; the upstream proves itself in between."""
    with ExitStack() as stack:
        upstream = stack.enter_context(open_upstream())
        loads = stack.enter_context(open_loads())
        rival = stack.enter_context(tensorzero(upstream.address))
        complete, send = (partial(_arawn, make, upstream.address) for make in (completing, _send))
        yield alternate(
            "The upstream itself beside a completion through it, 32 callers",
            {"the upstream, asked by raw bytes": _direct(upstream, loads, 32), "runtime.complete": complete(32)},
            target=">= 10 x what is measured through it",
            at_least=10.0,
        )
        if rival is not None:
            for callers in (32, 1):
                theirs: Run = partial(rival.run, CALLS, callers)
                yield alternate(
                    f"A completion in this process, {callers} callers",
                    {
                        "runtime.complete": complete(callers),
                        "TensorZero embedded, its logging off": theirs,
                        "workstream.send": send(callers),
                    },
                    target=">= 1.5 x TensorZero",
                    at_least=1.5,
                )
        yield alternate(
            "A completion in this process, 32 callers",
            {"runtime.complete": complete(32), "bare httpx on trio": _bare_httpx(upstream.address, 32)},
            target=">= 5 x bare httpx",
            at_least=5.0,
        )
        for name, arawn in (("runtime.complete", complete), ("workstream.send", send)):
            for callers in (128, 256):
                yield alternate(
                    f"Does the rate of `{name}` hold at {callers} callers?",
                    {f"{name}, {number} callers": arawn(number) for number in (callers, 32)},
                    target=">= 0.9 x the rate at 32",
                    at_least=0.9,
                )
