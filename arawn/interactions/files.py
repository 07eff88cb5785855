"""Names of the files in a log directory. Pure.

`interactions-2026-01-28.jsonl` is a day's first part; `interactions-2026-01-28.part2.jsonl` the next, opened when the
first could not be written to any more. `.zst` at the end means a closed, compressed part; `.torn-<time>` a tail that
was cut off; `interactions-2026-01-28.manifest.json` says what is in the compressed part; `.new` is unfinished.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime, timedelta

import msgspec

__all__ = [
    "DayFile",
    "day_after",
    "day_files",
    "day_of_name",
    "free_name",
    "is_unfinished",
    "next_part",
    "parse_name",
    "torn_name",
    "unfinished_name",
]

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


def torn_name(name: str, at: datetime, taken: Iterable[str] = ()) -> str:
    """Return the name, none of those `taken`, under which the torn tail of `name` is kept."""
    return free_name(f"{name}.torn-{at:%Y%m%dT%H%M%S.%fZ}", taken)


def free_name(name: str, taken: Iterable[str]) -> str:
    """Return `name`, with as many `+` behind it as make it none of those `taken`."""
    names = set(taken)
    while name in names:
        name += "+"
    return name


def unfinished_name(name: str) -> str:
    """Return the name that the part or manifest `name` has while it is being written."""
    return f"{name}.new"


def is_unfinished(name: str) -> bool:
    """Say whether `name` is one that `unfinished_name` made; what has it is of no use to another process."""
    return day_of_name(name) is not None and name.endswith((".jsonl.new", ".jsonl.zst.new", ".manifest.json.new"))


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
