"""Layers of configuration and their merge: a later layer wins, key by key. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from arawn.config.keypath import KeyPath

__all__ = ["Layer", "holds", "merged", "origin_of", "single"]


class Layer(msgspec.Struct, frozen=True):
    """One place that sets keys: a file, an environment variable, a flag.

    Attributes:
        name: The place as a whole, for what cannot be pinned to a key.
        tree: The tables and values it sets.
        marks: Where a key stands, as text for a person; a key without a mark stands where the table around it does.
    """

    name: str
    tree: dict[str, Any]
    marks: dict[KeyPath, str] = {}

    def origin(self, path: KeyPath) -> str:
        """Say where `path`, or the nearest table around it, stands in this layer."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.marks:
                return self.marks[path[:length]]
        return self.name


def single(path: Sequence[str], value: object, name: str) -> Layer:
    """Return the layer called `name` that sets one key."""
    tree: object = value
    for part in reversed(path):
        tree = {part: tree}
    assert isinstance(tree, dict), "a key path has at least one part"
    return Layer(name, tree)


def merged(layers: Sequence[Layer]) -> dict[str, Any]:
    """Merge layers from first to last: tables merge key by key, everything else replaces."""
    tree: dict[str, Any] = {}
    for layer in layers:
        tree = _overlaid(tree, layer.tree)
    return tree


def origin_of(layers: Sequence[Layer], path: KeyPath) -> str | None:
    """Say where the merged value at `path` comes from, or the first table around it where `path` is missing.

    None if no layer sets `path` or any table around it.
    """
    for layer in reversed(layers):
        if holds(layer.tree, path):
            return layer.origin(path)
    for length in range(len(path) - 1, 0, -1):
        for layer in layers:
            if holds(layer.tree, path[:length]):
                return layer.origin(path[:length])
    return None


def holds(tree: Any, path: KeyPath) -> bool:
    """Say whether `tree` has something at `path`."""
    for part in path:
        if isinstance(part, int):
            inside = isinstance(tree, Sequence) and part < len(tree)
        else:
            inside = isinstance(tree, Mapping) and part in tree
        if not inside:
            return False
        tree = tree[part]
    return True


def _overlaid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    tree = dict(below)
    for key, value in above.items():
        under = tree.get(key)
        tree[key] = _overlaid(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return tree
