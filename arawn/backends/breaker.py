"""When to stop asking a provider that only fails, and when to try it again. Pure: takes times, returns waits."""

from __future__ import annotations

__all__ = ["Breaker"]

FAILURES = 5  # calls in a row
FIRST_REST_S = 5.0
LONGEST_REST_S = 60.0
PROBE_S = 1.0  # what others are told while a probe is under way


class Breaker:
    """Opens after `FAILURES` failures in a row; then one attempt at a time tests the water (a circuit breaker).

    The first probe goes out after `FIRST_REST_S`, each further one after twice the time, at most `LONGEST_REST_S`. Any
    success closes it. Attempts are told apart by identity. A call counts once, by its first attempt, so that one call
    which no provider could answer cannot shut out the others by its retries.
    """

    def __init__(self) -> None:
        self._failures = 0
        self._rest = FIRST_REST_S
        self._open_until: float | None = None
        self._probe: object = None

    @property
    def is_open(self) -> bool:
        """Whether attempts are refused, but for probes."""
        return self._open_until is not None

    def admit(self, attempt: object, now: float) -> float | None:
        """Return None if `attempt` may be made, and must be reported afterwards; else the seconds to wait first."""
        if self._open_until is None:
            return None
        if now < self._open_until:
            return self._open_until - now
        if self._probe is not None:
            return PROBE_S
        self._probe = attempt
        return None

    def succeeded(self) -> None:
        """The provider answered."""
        self._failures, self._rest, self._open_until, self._probe = 0, FIRST_REST_S, None, None

    def failed(self, attempt: object, now: float, *, again: bool) -> None:
        """The provider failed in a way that may pass, at `now`; `again`: the call had failed before."""
        if self._open_until is None:
            self._failures += not again
            if self._failures >= FAILURES:
                self._open_until = now + self._rest
        elif attempt is self._probe:
            self._probe = None
            self._rest = min(2 * self._rest, LONGEST_REST_S)
            self._open_until = now + self._rest

    def undecided(self, attempt: object) -> None:
        """The attempt ended without saying anything of the provider: it was cancelled, or the request was at fault."""
        if attempt is self._probe:
            self._probe = None
