"""How a benchmark measures: the real thing and its rival in turns, in one process, and the ratio between them."""

from __future__ import annotations

import gc
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

__all__ = ["Comparison", "Row", "alternate", "machine"]

ROUNDS = 5

Run = Callable[[], int]
"""One run of a contestant; returns how many operations it did."""


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
            wall, used = time.perf_counter(), time.process_time()
            count = run()
            rates[name].append(count / (time.perf_counter() - wall))
            cpu[name].append((time.process_time() - used) / count * 1e6)
    first, second, *_ = rates.values()
    ratios = sorted(ours / theirs for ours, theirs in zip(first, second, strict=True))
    rows = tuple(
        Row(name, statistics.median(rates[name]), min(rates[name]), max(rates[name]), statistics.median(cpu[name]))
        for name in contestants
    )
    ratio = statistics.median(ratios)
    return Comparison(question, target, rows, ratio, ratios[0], ratios[-1], ratio >= at_least)


def machine() -> str:
    """Return one line about the machine: its processor, cores, and the interpreter."""
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text("utf-8").splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        processor = f"{names[0]}, {len(names)} cores" if names else processor
    return f"{processor}; {platform.system()} {platform.release()}; CPython {platform.python_version()}"
