"""`python -m tests.planted [NAME…]`: plant each bug in a copy of `actors/` and demand that its tests go red."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import trio

from tests.planted.planting import Bug, Verdict, plant, planted, run_unpatched

AT_ONCE = 2  # the cores of a small CI machine


async def main(bugs: Sequence[Bug]) -> int:
    """Print one line for each copy as it ends; return 1 if one did not end as it should."""
    verdicts: list[Verdict] = []
    places = trio.CapacityLimiter(AT_ONCE)

    async def try_one(trial: Callable[[], Awaitable[Verdict]]) -> None:
        async with places:
            verdict = await trial()
        print(verdict, flush=True)
        verdicts.append(verdict)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(try_one, partial(run_unpatched, bugs))
        for bug in bugs:
            nursery.start_soon(try_one, partial(plant, bug))
    missed = [verdict.name for verdict in verdicts if not verdict.as_it_should]
    print(f"planted: {len(bugs)}; not as it should be: {', '.join(missed) or 'none'}")
    return 1 if missed else 0


def chosen_bugs() -> list[Bug]:
    """Return the bugs that the command line names; none named means all."""
    bugs = {bug.name: bug for bug in planted()}
    parser = argparse.ArgumentParser(prog="python -m tests.planted", description=__doc__)
    parser.add_argument("name", nargs="*", metavar="NAME", help="which to plant; none plants them all")
    parser.add_argument("--list", action="store_true", help="print what there is, and plant nothing")
    arguments = parser.parse_args()
    if arguments.list:
        for bug in bugs.values():
            print(f"{bug.name:<42} {bug.what}")
        parser.exit()
    for name in arguments.name:
        if name not in bugs:
            parser.error(f"there is no bug called `{name}`; `--list` names them")
    return [bugs[name] for name in arguments.name or bugs]


if __name__ == "__main__":
    sys.exit(trio.run(main, chosen_bugs()))
