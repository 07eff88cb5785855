"""`python -m benchmarks` lists the benchmarks; `python -m benchmarks NAME… [--json]` runs them."""

from __future__ import annotations

import argparse
import pkgutil
import sys
from importlib import import_module

import msgspec

import benchmarks
from benchmarks.measure import Comparison, machine

_NO_BENCHMARKS = {"__main__", "measure", "log_records"}


def main() -> int:
    """List or run; exit 1 if a target was missed."""
    names = sorted(
        module.name for module in pkgutil.iter_modules(benchmarks.__path__) if module.name not in _NO_BENCHMARKS
    )
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=benchmarks.__doc__)
    parser.add_argument("name", nargs="*", choices=[[], *names], help="which to run; none lists them")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    chosen = parser.parse_args()
    if not chosen.name:
        for name in names:
            print(f"{name:<14} {(import_module(f'benchmarks.{name}').__doc__ or '').splitlines()[0]}")
        return 0
    if not chosen.json:
        print(machine(), file=sys.stderr)
    results: list[Comparison] = []
    for name in chosen.name:
        for result in import_module(f"benchmarks.{name}").run():
            results.append(result)
            if not chosen.json:
                print(result, flush=True)
    if chosen.json:
        sys.stdout.buffer.write(msgspec.json.encode({"machine": machine(), "results": results}) + b"\n")
    return 0 if all(result.met for result in results) else 1


sys.exit(main())
