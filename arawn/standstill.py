"""A clock for trio that stops while the process does (SIGSTOP, a machine that hangs), so that no deadline passes then.

After such a time the wait for sockets ends with nothing found (`select.epoll.poll` does not look again, PEP 475), and
trio would cancel what waits for words that have long arrived.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import trio

__all__ = ["StandstillClock"]

_LATE_S = 1.0  # how late a wait may end in a process that runs; and what a deadline has left after a standstill


class StandstillClock(trio.abc.Clock):
    """Time as trio counts it, but for what a wait took too long; what stands still while code runs is not seen."""

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        """`now` returns seconds, and never goes back."""
        self._now = now
        self._read = now
        self._stood_still = 0.0
        self._asleep_since = 0.0
        self._late_from = math.inf
        self._was_late = False

    def start_clock(self) -> None:
        """Do nothing: it runs already."""

    def current_time(self) -> float:
        """Return seconds since some moment, without those in which the process stood still."""
        return self._read() - self._stood_still

    def _read_after_wait(self) -> float:
        """Read the time for the first time after a wait, and judge how long that took."""
        self._read = self._now
        now = self._now()
        if now > self._late_from:
            self._stood_still += now - max(self._asleep_since, self._late_from - 2 * _LATE_S)
            self._was_late = True
        return now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Return the seconds until `deadline`; trio waits for no longer than that, and then asks for the time.

        The wait after one that was late is not judged: where each one is, as on a machine that is far too slow, time
        must go on.
        """
        seconds = deadline - self.current_time()
        self._asleep_since = self._now()
        self._late_from = math.inf if self._was_late else self._asleep_since + max(0.0, seconds) + _LATE_S
        self._was_late = False
        self._read = self._read_after_wait
        return seconds
