"""A memory of a bounded size in bytes. Pure."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

__all__ = ["Memory"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


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
            self._keep(key, entry)
        return entry[0]

    def put(self, key: K, value: V, size: int) -> None:
        """Remember `value`, which takes `size` bytes together with its key; not if it is larger than half of all."""
        self._old.pop(key, None)
        _, before = self._young.pop(key, (None, 0))
        self._young_bytes -= before
        if size <= self._half:
            self._keep(key, (value, size))

    def _keep(self, key: K, entry: tuple[V, int]) -> None:
        if self._young_bytes + entry[1] > self._half:
            self._old, self._young, self._young_bytes = self._young, {}, 0
        self._young[key] = entry
        self._young_bytes += entry[1]
