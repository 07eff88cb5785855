"""Where results are kept: `results/NAME.json` and a plot of the same figures, `results/NAME.svg`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from benchmarks.measure import Result, machine
from benchmarks.plot import bars

__all__ = ["PLACE", "encode", "save"]

PLACE = Path(__file__).parent / "results"


def encode(results: Sequence[Result]) -> bytes:
    """Return the results as JSON, with the machine that they are of."""
    return msgspec.json.format(msgspec.json.encode({"machine": machine(), "results": results}), indent=1)


def save(name: str, results: Sequence[Result], place: Path = PLACE) -> None:
    """Write the results of one benchmark and their plot, over what was there."""
    place.mkdir(exist_ok=True)
    (place / f"{name}.json").write_bytes(encode(results) + b"\n")
    (place / f"{name}.svg").write_text(bars(name, results), "utf-8")
