"""Ids that tell the tool calls of one answer apart; some models give two calls one id. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

__all__ = ["distinct_ids"]


def distinct_ids(ids: Sequence[str]) -> list[str]:
    """Return an id of its own for each call of an answer: the first of each keeps its id, a second one is `ID_2`."""
    taken = set(ids)
    if len(taken) == len(ids):
        return list(ids)
    made: list[str] = []
    seen: set[str] = set()
    for own in ids:
        free = own if own not in seen else next(new for number in count(2) if (new := f"{own}_{number}") not in taken)
        taken.add(free)
        seen.add(own)
        made.append(free)
    return made
