"""`python -m benchmarks` lists the benchmarks; `python -m benchmarks NAME… [--json] [--save]` runs them."""

from __future__ import annotations

import argparse
import pkgutil
import sys
from importlib import import_module

import benchmarks
from benchmarks.measure import Result, machine
from benchmarks.saving import encode, save

_NO_BENCHMARKS = {
    "__main__",
    "load",
    "log_records",
    "measure",
    "plot",
    "saving",
    "rival_tensorzero",
    "rivals",
    "upstream",
}


def main() -> int:
    """List or run; exit 1 if a target was missed."""
    names = sorted(
        module.name for module in pkgutil.iter_modules(benchmarks.__path__) if module.name not in _NO_BENCHMARKS
    )
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=benchmarks.__doc__)
    parser.add_argument("name", nargs="*", choices=[[], *names], help="which to run; none lists them")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/NAME.json and a plot")
    chosen = parser.parse_args()
    if not chosen.name:
        for name in names:
            print(f"{name:<17} {(import_module(f'benchmarks.{name}').__doc__ or '').splitlines()[0]}")
        return 0
    if not chosen.json:
        print(machine(), file=sys.stderr)
    results: list[Result] = []
    for name in chosen.name:
        found: list[Result] = []
        for result in import_module(f"benchmarks.{name}").run():
            found.append(result)
            if not chosen.json:
                print(result, flush=True)
        if chosen.save:
            save(name, found)
        results += found
    if chosen.json:
        sys.stdout.buffer.write(encode(results) + b"\n")
    return 1 if any(result.met is False for result in results) else 0


sys.exit(main())
