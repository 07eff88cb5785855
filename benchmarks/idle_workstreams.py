"""What does a workstream hold while it is active, and once it has been put away; how soon does it answer again?

Memory is measured in fresh processes (`python -m benchmarks.idle_workstreams PART` is one), the log and HTTP left out:
a scripted backend answers. `BENCH_WORKSTREAMS` sets how many are used; as many as 100,000 lie in the store.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import trio

from arawn import open_runtime
from arawn.config.schema import Config, InteractionLogConfig, LoggingConfig, Profile, WorkstreamsConfig
from arawn.messages import Message, Text, user
from arawn.runtime_door import Runtime
from arawn.workstreams.store import WorkstreamState, WorkstreamStore
from arawn.workstreams.store_actor import Query
from benchmarks.measure import Finding, figure, percentile
from benchmarks.rivals import resident_mb

USED = int(os.environ.get("BENCH_WORKSTREAMS", "4000"))
STORED = 100_000
AT_ONCE = 64
FIRST_MESSAGES = 300
_IDLE_S = 1.0
_WARM = 256


def _config(directory: str, *, idle_after_s: float) -> Config:
    database = str(Path(directory) / "workstreams.db")
    return Config(
        profiles={"default": Profile(backend="scripted", max_concurrency=AT_ONCE)},
        workstreams=WorkstreamsConfig(database=database, idle_after_s=idle_after_s),
        logging=LoggingConfig(InteractionLogConfig(enabled=False)),
    )


async def _talk(runtime: Runtime, names: Sequence[str]) -> None:
    waiting = iter(names)

    async def talk() -> None:
        for name in waiting:
            await runtime.workstream(name).send("hello")

    async with trio.open_nursery() as nursery:
        for _ in range(AT_ONCE):
            nursery.start_soon(talk)


def _held() -> float:
    """Return the bytes that Python objects take if they are traced, else the resident bytes."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0] if tracemalloc.is_tracing() else resident_mb(os.getpid()) * 2**20


async def _grown(config: Config, *, wait_s: float) -> list[float]:
    """Return how much `USED` workstreams with one turn each have added, per workstream."""
    async with open_runtime(config, environ={}) as runtime:
        warm = USED if wait_s else _WARM  # as many as are measured: the allocator keeps what once was needed
        await _talk(runtime, [f"warm-{number}" for number in range(warm)])
        await trio.sleep(wait_s)
        before = _held()
        await _talk(runtime, [f"w-{number}" for number in range(USED)])
        await trio.sleep(wait_s)
        active = len(runtime.status().active_workstreams)
        expected = 0 if wait_s else USED + warm
        if active != expected:
            raise RuntimeError(f"{active} workstreams are active, {expected} should be")
        return [(_held() - before) / USED]


async def _stored(config: Config) -> list[float]:
    """Return the milliseconds of first messages among 100,000 stored conversations, and what opening them added (B)."""
    async with open_runtime(config, environ={}) as runtime:
        await _talk(runtime, ["warm"])
        before = resident_mb(os.getpid())
        await runtime._store.ask(Query(_store_many))
        await runtime.workstreams()  # the longest list that is ever made of them
        gc.collect()
    async with open_runtime(config, environ={}) as runtime:
        await _talk(runtime, ["warm"])
        waits: list[float] = []
        for number in range(FIRST_MESSAGES):
            began = time.perf_counter()
            await runtime.workstream(f"stored-{number * 331}").send("hello")
            waits.append((time.perf_counter() - began) * 1000)
        return [(resident_mb(os.getpid()) - before) * 2**20 / STORED, *waits]


def _store_many(store: WorkstreamStore) -> None:
    said = (user("hello"), Message("assistant", (Text("hello to you"),)))
    with store.group():
        for number in range(STORED):
            store.add_turn(WorkstreamState(name=f"stored-{number}"), 1, said, None)


def _measure(part: str, how: str) -> list[float]:
    if how == "traced":
        tracemalloc.start()
    with tempfile.TemporaryDirectory() as directory:
        if part == "stored":
            return trio.run(_stored, _config(directory, idle_after_s=900.0))
        put_away = part == "put away"
        config = _config(directory, idle_after_s=_IDLE_S if put_away else 900.0)
        return trio.run(partial(_grown, config, wait_s=3 * _IDLE_S if put_away else 0.0))


def _in_a_process(part: str, how: str = "resident") -> list[float]:
    command = [sys.executable, "-m", "benchmarks.idle_workstreams", part, how]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    found: list[float] = json.loads(done.stdout)
    return found


def run() -> Iterator[Finding]:
    """Measure each part in a process of its own."""
    for part, limit in (("active", 8_000.0), ("put away", 100.0)):
        objects = figure("Python objects, as `tracemalloc` counts them", _in_a_process(part, "traced"), "B")
        resident = figure("resident memory", _in_a_process(part), "B")
        question = f"What does each of {USED:,} workstreams hold, {part}, after one turn?"
        yield Finding(question, f"<= {limit:,.0f} B of objects each", (objects, resident), objects.median <= limit)
    added, *waits = _in_a_process("stored")
    yield Finding(
        f"How long does the first message to one of {STORED:,} stored workstreams take?",
        "<= 5 ms at the median",
        (
            figure("first message, median and spread", waits, "ms"),
            figure("first message, p99", [percentile(waits, 99)], "ms"),
            figure("resident memory that each stored one adds", [added], "B"),
        ),
        percentile(waits, 50) <= 5.0,
    )


if __name__ == "__main__":
    print(json.dumps(_measure(*sys.argv[1:])))
