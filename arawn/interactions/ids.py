"""Identifiers of records and calls: UUID version 7, ordered by time."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

__all__ = ["RecordIds", "uuid7"]

_RANDOM_BITS = 74
_STEP_MASK = (1 << 64) - 1


def uuid7(unix_ms: int, random: int) -> str:
    """Return the UUIDv7 of a moment.

    Args:
        unix_ms: Milliseconds since 1970, 0 <= unix_ms < 2**48.
        random: The 74 bits that follow; higher bits are dropped.
    """
    return (  # a tenth of the time of `uuid.UUID`
        f"{unix_ms >> 16 & 0xFFFFFFFF:08x}-{unix_ms & 0xFFFF:04x}-7{random >> 62 & 0xFFF:03x}-"
        f"{random >> 48 & 0x3FFF | 0x8000:04x}-{random & 0xFFFFFFFFFFFF:012x}"
    )


class RecordIds:
    """A source of UUIDv7 that always grows, also within a millisecond and when the clock steps back."""

    def __init__(self, random_bits: Callable[[int], int] | None = None) -> None:
        """Start a source.

        Args:
            random_bits: Returns a number of so many bits; None takes a generator that the system's randomness seeds.
                An id must differ from all others and is no secret.
        """
        self._last = 0
        self._random_bits = random_bits or Random().getrandbits  # noqa: S311

    def next(self, unix_ms: int) -> str:
        """Return an id of the moment `unix_ms`, greater than every earlier one of this source."""
        random = self._random_bits(_RANDOM_BITS)
        wanted = unix_ms << _RANDOM_BITS | random
        if wanted <= self._last:
            # A random step keeps ids of two sources apart; one so long tells ids of one millisecond apart by the digits
            # in front, which is what a person types of an id.
            wanted = self._last + 1 + (random & _STEP_MASK)
        self._last = wanted
        return uuid7(wanted >> _RANDOM_BITS, wanted)
