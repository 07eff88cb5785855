"""Sliding-window restart budget. Pure: takes times, returns verdicts."""

from __future__ import annotations

from actors.spec import Intensity


class RestartWindow:
    """Count crashes over the last `period` seconds.

    The window is half open: a crash exactly `period` seconds old no longer counts, so `limit=1, period=5` allows one
    restart every five seconds for ever.
    """

    def __init__(self, intensity: Intensity) -> None:
        self._limit = intensity.limit
        self._period = intensity.period
        self._times: list[float] = []  # a deque takes ten times as much without any

    def allows(self, now: float) -> bool:
        """Record a crash at `now` (seconds, monotonic) and say whether a restart is in budget."""
        self._times.append(now)
        while now - self._times[0] >= self._period:
            self._times.pop(0)
        return len(self._times) <= self._limit
