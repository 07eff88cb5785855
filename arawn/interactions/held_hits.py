"""Calls that hold a text, put together from their own lines and from those that were written later. Pure."""

from __future__ import annotations

import msgspec

from arawn.interactions.entry import Entry
from arawn.interactions.search import Place

__all__ = ["HeldHits", "Hit", "joined"]

_HELD_BYTES = 1 << 24  # as of calls that wait for their tool results, see `LogReader.oldest_first`


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """A call that holds the text: in its own line, in the result of one of its tool calls, or in its feedback.

    `later` says whether lines after its own hold it. `entry` is the call; it is None, and `timestamp` of the first of
    those lines, while it is not known, and where the call is not in the log any more.
    """

    id: str
    timestamp: str
    entry: Entry | None
    places: tuple[Place, ...]
    later: bool = False


def joined(first: Hit, later: Hit) -> Hit:
    """Return what two hits of one call say together, in the order in which their lines were written."""
    if first.entry is None and later.entry is not None:
        first, later = later, first
    return msgspec.structs.replace(first, places=first.places + later.places, later=True)


class HeldHits:
    """Hits of lines, by the call that they are of, until all lines of the call were read."""

    def __init__(self) -> None:
        self._hits: dict[str, Hit] = {}
        self._bytes = 0

    def __bool__(self) -> bool:
        return bool(self._hits)

    def __contains__(self, identity: str) -> bool:
        return identity in self._hits

    @property
    def is_full(self) -> bool:
        """Whether what is held comes to more than 16 MiB."""
        return self._bytes > _HELD_BYTES

    def add(self, hit: Hit, size: int, *, is_first: bool = False) -> None:
        """Hold a hit whose call takes `size` bytes; `is_first` where its line stands before those that are held."""
        before = self._hits.get(hit.id)
        self._bytes += size + sum(len(place.before + place.match + place.after) for place in hit.places)
        if before is not None:
            hit = joined(hit, before) if is_first else joined(before, hit)
        self._hits[hit.id] = hit

    def pop(self, identity: str) -> Hit | None:
        """Give the hit of a call away; None if there is none."""
        hit = self._hits.pop(identity, None)
        if not self._hits:
            self._bytes = 0
        return hit

    def take(self) -> list[Hit]:
        """Give all away."""
        hits = list(self._hits.values())
        self._hits.clear()
        self._bytes = 0
        return hits
