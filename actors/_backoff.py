"""How long to wait before the next restart. Pure."""

from __future__ import annotations

import random

from actors.spec import Backoff


class RestartDelay:
    """Exponential back-off with a cap and seeded jitter, reset after a healthy spell."""

    def __init__(self, backoff: Backoff, seed: str) -> None:
        self._backoff = backoff
        self._random = random.Random(seed)  # noqa: S311  # spreads restarts; guards no secret
        self._exponent = 0

    def after(self, lived: float) -> float:
        """Return the seconds to wait after an incarnation that lived `lived` seconds; in 0..`maximum`."""
        backoff = self._backoff
        if lived >= backoff.healthy_after:
            self._exponent = 0
        base = _capped_power(backoff, self._exponent)
        self._exponent += 1
        return min(backoff.maximum, base * (1 + backoff.jitter * self._random.uniform(-1, 1)))


def _capped_power(backoff: Backoff, exponent: int) -> float:
    try:
        return min(backoff.maximum, backoff.initial * backoff.factor**exponent)
    except OverflowError:  # a float power past 1e308 is past every cap
        return backoff.maximum
