"""Requests and tokens per minute: a token bucket that says how long to wait. Pure: takes times, returns waits."""

from __future__ import annotations

__all__ = ["RateLimit"]

_MINUTE = 60.0


class RateLimit:
    """A bucket of `per_minute` units, full at first, refilled evenly.

    It may go into debt: `spend` never refuses, and `wait` is how long until the debt is paid. That lets tokens be
    charged when they are known, after the call.
    """

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._level = float(per_minute)
        self._at: float | None = None

    def wait(self, now: float, amount: float = 0.0) -> float:
        """Return the seconds until `amount` units can be spent; 0 when they can be now."""
        self._refill(now)
        missing = min(amount, self._per_minute) - self._level
        return max(0.0, missing * _MINUTE / self._per_minute)

    def spend(self, now: float, amount: float) -> None:
        """Take `amount` units."""
        self._refill(now)
        self._level -= amount

    def _refill(self, now: float) -> None:
        if self._at is not None:
            self._level = min(self._per_minute, self._level + (now - self._at) * self._per_minute / _MINUTE)
        self._at = now
