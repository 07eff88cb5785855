"""Key paths and what is found wrong at them. Pure data."""

from __future__ import annotations

import json
import re

import msgspec

__all__ = ["Finding", "KeyPath", "dotted"]

KeyPath = tuple[str | int, ...]

_BARE = re.compile(r"[A-Za-z0-9_-]+")


class Finding(msgspec.Struct, frozen=True):
    """One thing wrong at `path`; `text` says what is wrong and what is accepted."""

    path: KeyPath
    text: str


def dotted(path: KeyPath) -> str:
    """Return `path` the way TOML would write it, with array positions in brackets: `routing.rules[0].name`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if _BARE.fullmatch(part) else json.dumps(part, ensure_ascii=False))
    return text
