"""Ids that tell the tool calls of one answer apart; some models give two calls one id. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count

__all__ = ["distinct_ids"]


def distinct_ids(ids: Sequence[str]) -> list[str]:
    """Return an id of its own for each call of an answer: the first of each keeps its id, a second one is `ID_2`."""
    taken = set(ids)
    if len(taken) == len(ids):
        return list(ids)
    made: list[str] = []
    numbers: dict[str, Iterator[int]] = {}  # what each id goes on with: begun anew, many with one id would take minutes
    for own in ids:
        free = own
        if own in numbers:
            free = next(new for number in numbers[own] if (new := f"{own}_{number}") not in taken)
        else:
            numbers[own] = count(2)
        taken.add(free)
        made.append(free)
    return made
