"""What each name in a log directory stands for. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from arawn.interactions.files import DayFile, day_of_name, free_name, parse_name

__all__ = ["IGNORE", "MANIFEST", "NameKind", "damaged_name", "is_log", "kind_of_name", "part_of_name"]

MANIFEST = ".manifest.json"
IGNORE = ".gitignore"

NameKind = Literal["part", "manifest", "torn", "damaged", "unfinished", "own", "misnamed", "foreign"]

_OWN = frozenset((".lock", ".directory-id", ".last-housekeeping", IGNORE))
_ASIDE = re.compile(r"\.(torn|damaged)-\d{8}T")
_PART = re.compile(r"(interactions-\d{4}-\d\d-\d\d(?:\.part\d+)?)\.(?:jsonl|manifest\.json)", re.ASCII)
_LIKE_A_PART = re.compile(r"interactions.*\.jsonl(\.zst)?")


def kind_of_name(name: str) -> NameKind:
    """Return what a file is by its name; `own` are the small files of the log itself, `foreign` is what is not ours."""
    if parse_name(name) is not None:
        return "part"
    if name.removesuffix(".new") in _OWN:
        return "own"
    if day_of_name(name) is None:
        return "misnamed" if _LIKE_A_PART.fullmatch(name) else "foreign"
    if aside := _ASIDE.search(name):
        return "torn" if aside[1] == "torn" else "damaged"
    if name.endswith(".new"):
        return "unfinished"
    if name.endswith(MANIFEST):
        return "manifest"
    return "misnamed" if _LIKE_A_PART.fullmatch(name) else "foreign"


def is_log(names: Iterable[str]) -> bool:
    """Say whether a directory with these names is that of a log, or can become one: it is empty, or holds some of one.

    A `.gitignore` says nothing: other directories have one, too.
    """
    kinds = {kind_of_name(name) for name in names if name != IGNORE}
    return kinds != {"foreign"}


def part_of_name(name: str) -> DayFile | None:
    """Return the part (as its plain file) that a file belongs to: itself, its manifest, or what was cut off of it."""
    match = _PART.match(name)
    return parse_name(f"{match[1]}.jsonl") if match else None


def damaged_name(name: str, at: datetime, taken: Iterable[str]) -> str:
    """Return the name, none of those `taken`, under which the damaged bytes of `name` are kept."""
    return free_name(f"{name}.damaged-{at:%Y%m%dT%H%M%S.%fZ}", taken)
