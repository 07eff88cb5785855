"""What `arawn config show` prints: every key in effect, its value, and where it was set. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from arawn.config.describe import plain
from arawn.config.hidden import HIDDEN
from arawn.config.load import Loaded

__all__ = ["Row", "rows"]


class Row(msgspec.Struct, frozen=True):
    """One line: the dotted key path, its value (secrets as `(hidden)`), the value as text, and where it was set."""

    key: str
    value: Any
    text: str
    origin: str


def rows(loaded: Loaded) -> list[Row]:
    """Return a row for every key in effect, profiles first, in the order of the schema."""
    return [
        Row(key, source.value, HIDDEN if source.value == HIDDEN else plain(source.value), source.origin)
        for key, source in loaded.sources.items()
    ]
