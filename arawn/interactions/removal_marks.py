"""By what the files of a log are known to hold what goes: ids, names, days; and what can be decoded of a lost file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import msgspec

from arawn.interactions.files import DayFile, day_after
from arawn.interactions.filters import Filters, days_of_id
from arawn.interactions.sealed import BadFrame, load_frame, stream, table

__all__ = ["Marks", "marks_of", "texts_of"]

_ID = re.compile(rb'"(?:interaction_)?id":"([^"\\]{1,200})')
_ANY_ID = re.compile(rb'"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"')


class Marks(msgspec.Struct, frozen=True):
    """By what a piece of a line is known: ids as they stand in a file, or other text."""

    ids: set[bytes]
    literals: tuple[bytes, ...]
    days: tuple[tuple[str, str], ...]

    def may_stand_in(self, file: DayFile | None) -> bool:
        """Say whether what cannot be read of `file` could be of one of them, by the day."""
        return file is not None and any(first <= file.day <= last for first, last in self.days)

    def stand_in(self, data: bytes) -> bool:
        """Say whether `data` has one of them."""
        return any(found[1] in self.ids for found in _ID.finditer(data)) or any(text in data for text in self.literals)

    def are_named(self, data: bytes) -> bool:
        """Say whether `data`, of a form that is not known here, has one of them, or an id as any value or key."""
        return any(found[1] in self.ids for found in _ANY_ID.finditer(data)) or self.stand_in(data)


def marks_of(named: Iterable[str], wanted: Filters | None, ids: Iterable[str]) -> Marks:
    """Return the marks of what goes.

    Args:
        named: The ids that were named.
        wanted: What filters say of the others, if there are any.
        ids: All ids that go.
    """
    return Marks({identity.encode() for identity in ids}, _literals(wanted), tuple(_days(named, wanted)))


def _days(named: Iterable[str], wanted: Filters | None) -> Iterator[tuple[str, str]]:
    """Yield the first and last day of the files in which what goes can stand: past midnight in the next day's."""
    yield from map(days_of_id, named)
    if wanted is not None:
        yield (wanted.start or "")[:10], (day_after(wanted.end[:10]) if wanted.end else "9")


def _literals(wanted: Filters | None) -> tuple[bytes, ...]:
    """Return what stands in a piece of a line that `wanted` could have matched, as far as that is one text."""
    if wanted is None:
        return ()
    names = {"workstream": wanted.workstream, "session_id": wanted.session}
    return tuple(b'"%s":%s' % (key.encode(), msgspec.json.encode(name)) for key, name in names.items() if name)


def texts_of(path: Path) -> Iterator[bytes | None]:
    """Yield the text of every frame of a file that is no part of the log any more, or not yet; None for a damaged one.

    Without a table it is the beginning, as far as it can be decoded.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        read = partial(os.pread, file.fileno())
        frames = table(read, path.stat().st_size)
        if frames is None:
            yield from _beginning(stream(read))
            return
        for frame in frames:
            try:
                yield load_frame(read, frame)
            except BadFrame:
                yield None


def _beginning(pieces: Iterator[bytes]) -> Iterator[bytes | None]:
    """Yield pieces joined over a little of what came before, so that an id is whole in one of them."""
    before = b""
    try:
        for piece in pieces:
            yield before + piece
            before = piece[-300:]
    except BadFrame:
        yield None
