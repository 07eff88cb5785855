"""Does anything grow in a long run at half load with faults: memory, tasks, descriptors? Is the log complete?

Of twenty calls one hangs until its deadline and one is refused; callers leave early now and then. It lasts
`BENCH_SOAK_S` seconds (180); the first third warms up, and the last third is held against the middle one.
"""

from __future__ import annotations

import os
import random
import statistics
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import trio

from actors import ActorError
from arawn import open_runtime
from arawn.config.schema import Config, RetryConfig, TimeoutsConfig
from arawn.errors import ArawnError
from arawn.messages import CompletionRequest, user
from arawn.runtime_door import Runtime
from benchmarks.completion import call_together, configured
from benchmarks.measure import Figure, Finding, figure
from benchmarks.upstream import REQUEST_TEXT, open_upstream

SECONDS = float(os.environ.get("BENCH_SOAK_S", "180"))
LOAD = 0.5
GROWTH = 1.05  # of the last third over the middle one
_AT_ONCE = 64
_SAMPLES = 60
_HANGS_S = 2.0
_LEAVES = 0.02  # of all callers, after 10 ms
_CALIBRATION = 1_024
_REQUEST = CompletionRequest(messages=(user(REQUEST_TEXT),))
_KINDS = ("answers", *(["answers"] * 17), "hangs", "refused")  # of 20 calls


class _Soak(msgspec.Struct):
    """How calls ended, and what the process held at each sample."""

    ended: Counter[str] = msgspec.field(default_factory=Counter)
    held: dict[str, list[float]] = msgspec.field(default_factory=dict)

    def sample(self) -> None:
        """Take note of what the process holds now."""
        pages = int(Path("/proc/self/statm").read_text("utf-8").split()[1])
        now = {
            "resident memory": pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
            "tasks": trio.lowlevel.current_statistics().tasks_living,
            "descriptors": sum(1 for _ in Path("/proc/self/fd").iterdir()),
        }
        for name, value in now.items():
            self.held.setdefault(name, []).append(value)


def _config(directory: Path, address: str) -> Config:
    one = configured(directory, address, at_once=_AT_ONCE)
    answers = one.profiles["default"]
    hangs = msgspec.structs.replace(
        answers, model="hang", timeouts=TimeoutsConfig(total_s=_HANGS_S), retry=RetryConfig(attempts=1)
    )
    refused = msgspec.structs.replace(answers, base_url="http://127.0.0.1:9", retry=RetryConfig(attempts=1))
    profiles = {"answers": answers, "hangs": hangs, "refused": refused}
    return msgspec.structs.replace(one, profiles=profiles)


async def _call(runtime: Runtime, soak: _Soak) -> None:
    kind = random.choice(_KINDS)
    patience = 0.01 if random.random() < _LEAVES else float("inf")
    outcome = "left"
    with trio.move_on_after(patience):
        try:
            await runtime.complete(_REQUEST, profile=kind)
            outcome = "answered"
        except (ArawnError, ActorError) as error:
            outcome = type(error).__name__
    soak.ended[outcome] += 1


async def _sample(soak: _Soak) -> None:
    while True:
        await trio.sleep(SECONDS / _SAMPLES)
        soak.sample()


async def _soak(config: Config, soak: _Soak) -> int:
    """Put the load on; return how many records the runtime says it made."""
    async with open_runtime(config, environ={}) as runtime:
        load = await call_together(lambda: runtime.complete(_REQUEST, profile="answers"), 64, _CALIBRATION)
        rate = LOAD * load.count / load.seconds
        async with trio.open_nursery() as nursery, trio.open_nursery() as calls:
            nursery.start_soon(_sample, soak)
            until = due = trio.current_time()
            until += SECONDS
            while due < until:
                await trio.sleep_until(due)
                calls.start_soon(_call, runtime, soak)
                due += random.expovariate(rate)
            nursery.cancel_scope.deadline = trio.current_time() + 2 * _HANGS_S
        attempts = sum(sum(counts.attempts.values()) for _, counts in runtime.counts)
        assert runtime.status().log.health.state == "ok"
    return attempts


def _records(directory: Path) -> int:
    files = sorted(directory.rglob("interactions-*.jsonl"))
    return sum(line.startswith(b'{"kind":"interaction"') for file in files for line in file.open("rb"))


def _growth(held: Mapping[str, list[float]]) -> Iterator[tuple[Figure, float]]:
    """Yield each thing held in the last third, with how much more that is than in the middle one."""
    for name, values in held.items():
        third = len(values) // 3
        middle, last = values[third : 2 * third], values[2 * third :]
        unit = "MB" if name == "resident memory" else ""
        yield figure(f"{name}, last third", last, unit), statistics.median(last) / statistics.median(middle)


def run() -> Iterator[Finding]:
    """One long run."""
    soak = _Soak()
    with open_upstream() as upstream, tempfile.TemporaryDirectory() as name:
        attempts = trio.run(_soak, _config(Path(name), upstream.address), soak)
        missing = attempts - _records(Path(name))
    found = list(_growth(soak.held))
    yield Finding(
        f"{soak.ended.total():,} calls in {SECONDS:,.0f} s at {LOAD:.0%} of what the process can do, with faults",
        f"growth <= {GROWTH:.2f} x, no record missing",
        (
            *(figure(f"growth of {each.name.partition(',')[0]}", [growth], "x") for each, growth in found),
            *(each for each, _ in found),
            figure("records missing", [float(missing)], ""),
            *(figure(f"calls: {outcome}", [float(count)], "") for outcome, count in soak.ended.most_common()),
        ),
        missing == 0 and all(growth <= GROWTH for _, growth in found),
    )
