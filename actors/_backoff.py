"""How long to wait before the next restart. Pure."""

from __future__ import annotations

import random

from actors.spec import Backoff


class RestartDelay:
    """Exponential back-off with a cap and seeded jitter, reset after a healthy spell."""

    def __init__(self, backoff: Backoff, seed: str) -> None:
        self._backoff = backoff
        self._seed = seed
        self._restarts = 0
        self._exponent = 0

    def after(self, lived: float) -> float:
        """Return the seconds to wait after an incarnation that lived `lived` seconds; in 0..`maximum`."""
        backoff = self._backoff
        if lived >= backoff.healthy_after:
            self._exponent = 0
        base = _capped_power(backoff, self._exponent)
        self._exponent += 1
        return min(backoff.maximum, base * (1 + backoff.jitter * self._spread()))

    def _spread(self) -> float:
        """Return a number in -1..1; made anew each time, for a generator weighs 2.5 kB and most actors never crash."""
        self._restarts += 1
        return random.Random(f"{self._seed} {self._restarts}").uniform(-1, 1)  # noqa: S311  # guards no secret


def _capped_power(backoff: Backoff, exponent: int) -> float:
    try:
        return min(backoff.maximum, backoff.initial * float(backoff.factor) ** exponent)
    except OverflowError:  # a float power past 1e308 is past every cap, unless there is nothing to multiply
        return backoff.maximum if backoff.initial else 0.0
