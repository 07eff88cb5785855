"""Identifiers of records: UUID version 7, ordered by time. Pure: takes the time and the randomness."""

from __future__ import annotations

import uuid

__all__ = ["RecordIds", "uuid7"]

_RANDOM_BITS = 74
_RANDOM_MASK = (1 << _RANDOM_BITS) - 1


def uuid7(unix_ms: int, random: int) -> str:
    """Return the UUIDv7 of a moment.

    Args:
        unix_ms: Milliseconds since 1970, 0 <= unix_ms < 2**48.
        random: The 74 bits that follow; higher bits are dropped.
    """
    random &= _RANDOM_MASK
    high, low = random >> 62, random & ((1 << 62) - 1)
    return str(uuid.UUID(int=(unix_ms & ((1 << 48) - 1)) << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low))


class RecordIds:
    """A source of UUIDv7 that always grows, also within a millisecond and when the clock steps back."""

    def __init__(self) -> None:
        self._last = 0

    def next(self, unix_ms: int, random: int) -> str:
        """Return an id greater than every earlier one of this source; the arguments are those of `uuid7`."""
        wanted = unix_ms << _RANDOM_BITS | (random & _RANDOM_MASK)
        if wanted <= self._last:
            wanted = self._last + 1 + (random & 0xFFFF)  # a random step keeps ids of two sources apart
        self._last = wanted
        return uuid7(wanted >> _RANDOM_BITS, wanted)
