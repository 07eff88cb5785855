"""How a benchmark measures: the real thing and its rival in turns, in one process, and the ratio between them."""

from __future__ import annotations

import gc
import math
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

__all__ = ["Comparison", "Figure", "Finding", "Load", "Result", "Row", "alternate", "figure", "machine", "percentile"]

ROUNDS = 5


class Load(msgspec.Struct, frozen=True):
    """How many operations one run did, where the run itself knows best how long they took and what they cost.

    `cpu_seconds` is that of the process which is measured, be it this one or another.
    """

    count: int
    seconds: float
    cpu_seconds: float


Run = Callable[[], int | Load]
"""One run of a contestant; returns how many operations it did. A bare number is timed from outside."""


class Row(msgspec.Struct, frozen=True):
    """One contestant: operations per second and CPU microseconds per operation, medians with the whole spread."""

    name: str
    per_second: float
    slowest: float
    fastest: float
    cpu_us: float


class Comparison(msgspec.Struct, frozen=True):
    """The answer to one question; `ratio` is the first contestant's rate over the second's, round by round."""

    question: str
    target: str
    rows: tuple[Row, ...]
    ratio: float
    ratio_low: float
    ratio_high: float
    met: bool

    def __str__(self) -> str:
        lines = [self.question]
        lines += [
            f"  {row.name:<44} {row.per_second:>12,.0f}/s  ({row.slowest:,.0f} to {row.fastest:,.0f})"
            f"  {row.cpu_us:,.1f} µs CPU each"
            for row in self.rows
        ]
        verdict = "met" if self.met else "MISSED"
        lines.append(
            f"  ratio {self.ratio:.2f} ({self.ratio_low:.2f} to {self.ratio_high:.2f}); target {self.target}: {verdict}"
        )
        return "\n".join(lines)


def alternate(question: str, contestants: Mapping[str, Run], *, target: str, at_least: float) -> Comparison:
    """Run every contestant once to warm up, then `ROUNDS` times in turns.

    Args:
        question: What is asked.
        contestants: Name -> run; the first is the real thing, the second its rival, more are shown beside them.
        target: The target in words.
        at_least: The ratio that meets it.
    """
    for run in contestants.values():
        run()
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    cpu: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(ROUNDS):
        for name, run in contestants.items():
            gc.collect()
            load = _timed(run)
            rates[name].append(load.count / load.seconds)
            cpu[name].append(load.cpu_seconds / load.count * 1e6)
    first, second, *_ = rates.values()
    ratios = sorted(ours / theirs for ours, theirs in zip(first, second, strict=True))
    rows = tuple(
        Row(name, statistics.median(rates[name]), min(rates[name]), max(rates[name]), statistics.median(cpu[name]))
        for name in contestants
    )
    ratio = statistics.median(ratios)
    return Comparison(question, target, rows, ratio, ratios[0], ratios[-1], ratio >= at_least)


def _timed(run: Run) -> Load:
    wall, used = time.perf_counter(), time.process_time()
    done = run()
    if isinstance(done, Load):
        return done
    return Load(done, time.perf_counter() - wall, time.process_time() - used)


class Figure(msgspec.Struct, frozen=True):
    """One thing measured several times: the median and the whole spread."""

    name: str
    median: float
    low: float
    high: float
    unit: str

    def __str__(self) -> str:
        return f"{self.name:<60} {self.median:>10,.2f} {self.unit}  ({self.low:,.2f} to {self.high:,.2f})"


class Finding(msgspec.Struct, frozen=True):
    """The answer to one question that is not one of rates; `met` is None where there is no target."""

    question: str
    target: str
    figures: tuple[Figure, ...]
    met: bool | None = None

    def __str__(self) -> str:
        verdict = {True: "met", False: "MISSED", None: "for information"}[self.met]
        return "\n".join([self.question, *(f"  {each}" for each in self.figures), f"  target {self.target}: {verdict}"])


Result = Comparison | Finding


def figure(name: str, values: Sequence[float], unit: str) -> Figure:
    """Return the median of `values` with their spread."""
    return Figure(name, statistics.median(values), min(values), max(values), unit)


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest of `values` that at least `percent` of a hundred do not exceed (the nearest rank)."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(len(ranked) * percent / 100) - 1)]


def machine() -> str:
    """Return one line about the machine: its processor, cores, and the interpreter.

    CPython in a library of its own runs coroutines up to a third slower than in one executable.
    """
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text("utf-8").splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        processor = f"{names[0]}, {len(names)} cores" if names else processor
    maps = Path("/proc/self/maps")
    where = " in a shared library" if maps.exists() and "libpython" in maps.read_text("utf-8") else ""
    return f"{processor}; {platform.system()} {platform.release()}; CPython {platform.python_version()}{where}"
