"""Python's garbage collector, told to disturb a process of many streams less."""

from __future__ import annotations

import gc

__all__ = ["calm_collector"]


def calm_collector() -> None:
    """Have the collector pass over what lives as long as the process, and look at the rest fourteen times less often.

    With its usual settings it stops 500 streams for 10 ms twice a second (docs/performance.md). A library must not
    choose this for the program around it: `arawn start` does, whose process is its own.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 100)
