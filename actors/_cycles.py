"""Who waits for whom: finds the cycle an ask would close. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar


class _Workers(Protocol):
    @property
    def workers(self) -> int: ...


class Waiting(Protocol):
    """What the search needs to know of an actor: whom its handlers wait for, and how many handlers it may run."""

    @property
    def awaiting(self) -> Mapping[Any, int]: ...
    @property
    def spec(self) -> _Workers: ...


W = TypeVar("W", bound=Waiting)


def find_cycle(asker: W, target: W) -> list[W] | None:
    """Return the actors of the cycle that `asker` would close by asking `target`, or None.

    Only actors all of whose workers wait can hold up a chain: one with a free worker will answer.
    """
    if target is asker:
        return [asker, asker]
    paths = [[asker, target]]
    seen = {id(target)}
    while paths:
        path = paths.pop()
        last = path[-1]
        if sum(last.awaiting.values()) < last.spec.workers:
            continue
        for following in last.awaiting:
            if following is asker:
                return [*path, asker]
            if id(following) not in seen:
                seen.add(id(following))
                paths.append([*path, following])
    return None
