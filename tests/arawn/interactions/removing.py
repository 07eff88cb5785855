"""What `rm` leaves of a log, as its tests look at it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from arawn.interactions.files import parse_name
from arawn.interactions.filters import Filters
from arawn.interactions.raw_lines import forward_lines
from arawn.interactions.removal_marks import texts_of
from arawn.interactions.remove import Removal, Target, remove
from tests.arawn.interactions.mending_logs import CONFIG, later


def everything(log: Path) -> bytes:
    """Return every byte in the directory, and those of compressed files decompressed."""
    found = []
    for path in sorted(log.iterdir()):
        found.append(path.read_bytes())
        if ".zst" in path.name:
            found += [text for text in texts_of(path) if text is not None]
    return b"\n".join(found)


def lines_of(log: Path) -> list[bytes]:
    parts = sorted(path for path in log.iterdir() if parse_name(path.name) is not None)
    return [line for path in parts for _, line in forward_lines(path)]


def removed(log: Path, *ids: str, **wanted: Any) -> Removal:
    target = Target(frozenset(ids), Filters(**wanted) if wanted else None)
    return remove(log, CONFIG, target, clock=later)


def ids_of(log: Path) -> list[str]:
    found = [msgspec.json.decode(line) for line in lines_of(log)]
    return [line["id"] for line in found if line["kind"] == "interaction"]
