"""Names of the files in a log directory, and what each stands for. Pure.

`interactions-2026-01-28.jsonl` is a day's first part; `interactions-2026-01-28.part2.jsonl` the next, opened when the
first could not be written to any more. `.zst` at the end means a closed, compressed part; `.torn-<time>` a tail that
was cut off; `interactions-2026-01-28.manifest.json` says what is in the compressed part; `.new` is unfinished.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Literal

import msgspec

__all__ = [
    "IGNORE",
    "DayFile",
    "aside_name",
    "day_after",
    "day_files",
    "day_of_name",
    "is_log",
    "is_unfinished",
    "kind_of_name",
    "next_part",
    "parse_name",
    "part_of_name",
    "unfinished_name",
]

IGNORE = ".gitignore"

NameKind = Literal["part", "manifest", "torn", "damaged", "unfinished", "own", "misnamed", "foreign"]

_OWN = frozenset((".lock", ".directory-id", ".last-housekeeping", IGNORE))
_ASIDE = re.compile(r"\.(torn|damaged)-\d{8}T")
_PART = re.compile(r"(interactions-\d{4}-\d\d-\d\d(?:\.part\d+)?)\.(?:jsonl|manifest\.json)", re.ASCII)
_LIKE_A_PART = re.compile(r"interactions.*\.jsonl(\.zst)?")
_NAME = re.compile(r"interactions-(\d{4}-\d{2}-\d{2})(?:\.part([1-9]\d{0,5}))?\.jsonl(\.zst)?", re.ASCII)
_OWNED = re.compile(r"interactions-(\d{4}-\d{2}-\d{2})\.", re.ASCII)


class DayFile(msgspec.Struct, frozen=True, order=True):
    """One part of one day; sorts by day, then part. `day` is `YYYY-MM-DD`, so that texts sort as days do."""

    day: str
    part: int = 1
    compressed: bool = False

    @property
    def stem(self) -> str:
        """What the names of the part, compressed or not, and of its manifest begin with."""
        part = "" if self.part == 1 else f".part{self.part}"
        return f"interactions-{self.day}{part}"

    @property
    def name(self) -> str:
        """The file's name."""
        return f"{self.stem}.jsonl{'.zst' if self.compressed else ''}"

    @property
    def plain(self) -> DayFile:
        """The part as a plain file: the same for a file and its compressed form."""
        return DayFile(self.day, self.part)

    @property
    def sealed(self) -> DayFile:
        """The part as a compressed file."""
        return DayFile(self.day, self.part, compressed=True)


def parse_name(name: str) -> DayFile | None:
    """Return what a file name says, or None when it is not the name of a day's part."""
    match = _NAME.fullmatch(name)
    if match is None or not _is_day(match[1]):
        return None
    file = DayFile(match[1], int(match[2] or 1), match[3] is not None)
    return file if file.name == name else None  # `.part1` is nobody's name


def day_of_name(name: str) -> date | None:
    """Return the day that a file belongs to (parts, torn tails and manifests too), or None for any other file."""
    match = _OWNED.match(name)
    return date.fromisoformat(match[1]) if match and _is_day(match[1]) else None


def day_files(names: Iterable[str]) -> list[DayFile]:
    """Return the parts among `names`, oldest first.

    A part that is there twice, plain and compressed, is the plain one, of which the other is a copy; see `twins`.
    """
    found: dict[DayFile, DayFile] = {}
    for file in filter(None, map(parse_name, names)):
        known = found.setdefault(file.plain, file)
        if known.compressed:
            found[file.plain] = file
    return sorted(found.values())


def day_after(day: str) -> str:
    """Return the next day; of the last one that there is, itself."""
    parsed = date.fromisoformat(day)
    return (parsed + timedelta(days=1)).isoformat() if parsed < date.max else day


def next_part(files: Iterable[DayFile], day: str) -> DayFile:
    """Return the first part of `day` that does not exist yet and comes after all that do."""
    return DayFile(day, 1 + max((file.part for file in files if file.day == day), default=0))


def aside_name(name: str, why: Literal["torn", "damaged"], at: datetime, taken: Iterable[str] = ()) -> str:
    """Return the name, none of those `taken`, under which what was torn or damaged of `name` is kept."""
    aside, names = f"{name}.{why}-{at:%Y%m%dT%H%M%S.%fZ}", set(taken)
    while aside in names:
        aside += "+"
    return aside


def unfinished_name(name: str) -> str:
    """Return the name that the part or manifest `name` has while it is being written."""
    return f"{name}.new"


def is_unfinished(name: str) -> bool:
    """Say whether `name` is one that `unfinished_name` made; what has it is of no use to another process."""
    return day_of_name(name) is not None and name.endswith((".jsonl.new", ".jsonl.zst.new", ".manifest.json.new"))


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
    if name.endswith(".manifest.json"):
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


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
