"""Memories of a bounded size in bytes. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from itertools import repeat
from operator import itemgetter
from sys import getsizeof
from typing import Any, Generic, TypeVar

__all__ = ["Memory", "Seen"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_value_of = itemgetter(0)
_NOTHING: tuple[Any, int] = (None, 0)


class Memory(Generic[K, V]):
    """Values under their keys; what was not asked for lately is forgotten first.

    Two halves: when the young one is full it becomes the old one, and the old one is forgotten. What is asked for in
    the old half moves to the young one.
    """

    def __init__(self, limit: int) -> None:
        """Start empty.

        Args:
            limit: Bytes, by the sizes that `put` is told.
        """
        self._half = limit // 2
        self._young: dict[K, tuple[V, int]] = {}
        self._young_bytes = 0
        self._old: dict[K, tuple[V, int]] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, key: K) -> V | None:
        """Return the value under a key equal to `key`; None when there is none, or not any more."""
        entry = self._young.get(key)
        if entry is None:
            entry = self._old.pop(key, None)
            if entry is None:
                return None
            self.put(key, *entry)
        return entry[0]

    def get_all(self, keys: Sequence[K]) -> list[V | None]:
        """Return what `get` would for each of `keys`."""
        if self._old:
            for key in self._old.keys() & {*keys}:
                self.get(key)
        return list(map(_value_of, map(self._young.get, keys, repeat(_NOTHING))))

    def put(self, key: K, value: V, size: int) -> None:
        """Remember `value`, which takes `size` bytes together with its key; not if it is larger than half of all.

        What it replaces counts on until it would have been forgotten.
        """
        if size > self._half:
            self._young.pop(key, None)
            self._old.pop(key, None)
            return
        if self._young_bytes + size > self._half:
            self._old, self._young, self._young_bytes = self._young, {}, 0
        self._young[key] = (value, size)
        self._young_bytes += size


class Seen:
    """Values that were seen; forgets, in two halves, as `Memory` does."""

    def __init__(self, limit: int) -> None:
        """Start empty; `limit` is in bytes."""
        self._half = limit // 2
        self._young: set[Hashable] = set()
        self._young_bytes = 0
        self._old: set[Hashable] = set()

    def unseen(self, values: Iterable[K]) -> set[K]:
        """Return the values that were not seen, or not lately."""
        unseen = {*values} - self._young
        if unseen and (again := unseen & self._old):
            self.add(again)
            unseen -= again
        return unseen

    def add(self, values: set[K]) -> None:
        """Remember `values`, all of them new to `unseen`; not if they are larger than half of all."""
        size = sum(map(getsizeof, values))
        if size > self._half:
            return
        if self._young_bytes + size > self._half:
            self._old, self._young, self._young_bytes = self._young, set(), 0
        self._young |= values
        self._young_bytes += size
