"""Names the task that held the thread for too long: then no deadline, no stop and no other actor had a turn."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec
import trio

__all__ = ["SlowStep", "Watchdog"]


class SlowStep(msgspec.Struct, frozen=True):
    """One step of a task, from one checkpoint to the next, that took too long.

    Attributes:
        task: The task's name: for an actor its path (`root/log`).
        seconds: How long it held the thread.
    """

    task: str
    seconds: float


class Watchdog(trio.abc.Instrument):
    """Measures every step of every task; for `trio.run(..., instruments=[Watchdog(0.1, tell)])`.

    It costs about half a microsecond a step. A step is told of when it has ended: one that never ends is not.
    """

    def __init__(
        self, limit: float, tell: Callable[[SlowStep], object], *, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        """Watch from now on.

        Args:
            limit: Seconds, > 0, that a step may take.
            tell: Called with each step that took longer, in the thread of trio, between two steps. One that raises
                ends the watch, and trio logs its error.
            clock: Returns seconds.

        Raises:
            ValueError: If `limit` is not above 0.
        """
        if not limit > 0:  # `not >` also refuses NaN
            raise ValueError(f"need limit > 0, got {limit}")
        self._limit = limit
        self._tell = tell
        self._clock = clock
        self._began = 0.0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Take the time."""
        del task
        self._began = self._clock()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """Tell of the step if it took too long."""
        took = self._clock() - self._began
        if took > self._limit:
            self._tell(SlowStep(task.name, took))
