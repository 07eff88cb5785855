"""What the calls of each profile came to, in numbers that only grow. Pure: one owner, no clock, no lock.

Counting is a few additions: it happens for every call, while reading happens once in a scrape.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import Literal

from arawn.interactions.record import Status
from arawn.messages import Usage

__all__ = ["Counts", "Ending", "Histogram", "ProfileCounts"]

Ending = Literal["ok", "error", "cancelled"]

_CALL_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0)
_FIRST_TOKEN_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0)
_QUEUE_SECONDS = (0.001, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0)


class Histogram:
    """Counts values by upper bounds, each included in its bucket; the last bucket has no bound."""

    __slots__ = ("_counts", "bounds", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        """Make an empty one; `bounds` rise."""
        self.bounds = bounds
        self.total = 0.0
        self._counts = [0] * (len(bounds) + 1)

    def add(self, value: float) -> None:
        """Count one value."""
        self._counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def cumulative(self) -> Iterator[tuple[float | None, int]]:
        """Yield each bound with how many values are not above it; None and all of them at the end."""
        count = 0
        for bound, more in zip((*self.bounds, None), self._counts, strict=True):
            count += more
            yield bound, count


class ProfileCounts:
    """The numbers of one profile; they outlive its backend's restarts and replacements."""

    def __init__(self) -> None:
        self.calls: dict[Ending, int] = {"ok": 0, "error": 0, "cancelled": 0}
        self.attempts: dict[Status, int] = {"ok": 0, "error": 0, "cancelled": 0, "partial": 0}
        self.refused = 0  # by a full mailbox
        self.retries = 0
        self.tokens = {"input": 0, "output": 0, "cache_read": 0, "cache_write": 0, "reasoning": 0}
        self.call_seconds = Histogram(_CALL_SECONDS)
        self.first_token_seconds = Histogram(_FIRST_TOKEN_SECONDS)
        self.queue_seconds = Histogram(_QUEUE_SECONDS)

    def count_call(self, ending: Ending, *, seconds: float) -> None:
        """Count a call that has ended.

        Args:
            ending: How.
            seconds: Seconds from its sending to its end: queue, attempts and the waits between them.
        """
        self.calls[ending] += 1
        self.call_seconds.add(seconds)

    def count_attempt(
        self, status: Status, *, number: int, waited: float, first_token: float | None, usage: Usage | None
    ) -> None:
        """Count one attempt at a call: what the log has one record of.

        Args:
            status: As in its record.
            number: 1 for the first; a higher one is a retry.
            waited: Seconds from the sending of the call to its beginning; those of the first are its queue.
            first_token: Seconds from its beginning to the first token of a stream; None if there was none.
            usage: Tokens, as far as the provider reported them.
        """
        self.attempts[status] += 1
        if number > 1:
            self.retries += 1
        else:
            self.queue_seconds.add(waited)
        if first_token is not None:
            self.first_token_seconds.add(first_token)
        if usage is not None:
            self._count_tokens(usage)

    def _count_tokens(self, usage: Usage) -> None:
        tokens = self.tokens
        tokens["input"] += usage.input_tokens or 0
        tokens["output"] += usage.output_tokens or 0
        tokens["cache_read"] += usage.cache_read_tokens or 0
        tokens["cache_write"] += usage.cache_write_tokens or 0
        tokens["reasoning"] += usage.reasoning_tokens or 0


class Counts:
    """The numbers of every profile that there is or was since the start."""

    def __init__(self) -> None:
        self._profiles: dict[str, ProfileCounts] = {}

    def of(self, profile: str) -> ProfileCounts:
        """Return the numbers of a profile, all zero for a new one."""
        return self._profiles.setdefault(profile, ProfileCounts())

    def __iter__(self) -> Iterator[tuple[str, ProfileCounts]]:
        """Yield every profile and its numbers."""
        yield from self._profiles.items()
