"""How long do `arawn --help`, `import arawn` and the daemon take until they are ready; what does an idle one hold?"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.gateway import open_arawn
from benchmarks.measure import ROUNDS, Finding, figure
from benchmarks.rivals import resident_mb

_BARE = "an interpreter that does nothing"
_EVERYTHING = "import arawn and everything that a runtime needs"


def _seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def _in_turns(commands: dict[str, list[str]]) -> dict[str, list[float]]:
    for command in commands.values():
        _seconds(command)  # files are in the cache, bytecode is written
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(ROUNDS):
        for name, command in commands.items():
            times[name].append(_seconds(command) * 1000)
    return times


def _short_commands() -> Iterator[Finding]:
    times = _in_turns(
        {
            "arawn --help": [sys.executable, "-m", "arawn.cli", "--help"],
            _EVERYTHING: [sys.executable, "-c", "from arawn import *"],
            "import arawn": [sys.executable, "-c", "import arawn"],
            _BARE: [sys.executable, "-c", ""],
        }
    )
    yield _quick_enough("arawn --help", 120, times, _BARE)
    yield _quick_enough("import arawn", 300, times, _EVERYTHING, _BARE)


def _quick_enough(name: str, target_ms: float, times: dict[str, list[float]], *beside: str) -> Finding:
    figures = tuple(figure(each, times[each], "ms") for each in (name, *beside))
    return Finding(f"How long does `{name}` take?", f"<= {target_ms:g} ms", figures, figures[0].median <= target_ms)


def _until(is_so: Callable[[], bool], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > until:
            raise TimeoutError("the daemon did not become ready")
        time.sleep(0.005)


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError):
        return False


def _start_once() -> tuple[float, float, float]:
    """Return milliseconds from exec to ready, and megabytes a second later: now and at most."""
    with tempfile.TemporaryDirectory() as directory:
        began = time.perf_counter()
        with open_arawn(Path(directory), "http://127.0.0.1:9/v1") as server:
            _until(lambda: _is_ready(server.port), 30)
            ready = (time.perf_counter() - began) * 1000
            time.sleep(1)
            return ready, resident_mb(server.pid), resident_mb(server.pid, "VmHWM")


def run() -> Iterator[Finding]:
    """Measure the short commands, then the daemon."""
    yield from _short_commands()
    starts = [_start_once() for _ in range(ROUNDS)]
    ready, now, most = zip(*starts, strict=True)
    yield Finding(
        "How long does the daemon take from exec to ready?",
        "<= 700 ms",
        (figure("exec to `GET /readyz` answered with 200", ready, "ms"),),
        figure("", ready, "").median <= 700,
    )
    yield Finding(
        "How much memory does an idle daemon hold?",
        "<= 50 MB",
        (figure("resident (VmRSS)", now, "MB"), figure("at most (VmHWM)", most, "MB")),
        figure("", now, "").median <= 50,
    )
