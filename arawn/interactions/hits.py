"""Searches a log: which interactions hold a text, in their own line, a tool result's or a feedback's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import msgspec

from arawn.errors import BadInput
from arawn.interactions.entry import Entry, chosen_values
from arawn.interactions.fields import field_values
from arawn.interactions.files import DayFile, kind_of_name, parse_name
from arawn.interactions.filters import Filters, days_of_id, matches
from arawn.interactions.heads import UNREADABLE, decode_head, scalars_size
from arawn.interactions.held_hits import HeldHits, Hit, joined
from arawn.interactions.line_numbers import SeenLines
from arawn.interactions.raw_lines import RawLine
from arawn.interactions.reader import LogReader
from arawn.interactions.record import FeedbackLine, InteractionHead, ToolResultLine
from arawn.interactions.scan import LogScan, OnDamage, OnProgress, wanted_files
from arawn.interactions.search import Query

__all__ = ["Hit", "TextSearch", "call_of", "hit_of", "hit_values", "newest_hits", "unsearched"]

_FEEDBACK = b'"feedback"'
_CALL_BYTES = 2048  # of the scalars of a call whose line was not read yet, about


class TextSearch:
    """One search of one log directory; reads as `LogScan` does."""

    def __init__(
        self,
        directory: Path,
        query: Query,
        wanted: Filters,
        *,
        on_damage: OnDamage,
        on_progress: OnProgress | None = None,
    ) -> None:
        self._directory = directory
        self._query = query
        self._wanted = wanted
        self._on_progress = on_progress
        self._scan = LogScan(directory, on_damage=on_damage, on_progress=on_progress)
        self._asks_calls = wanted != Filters(limit=wanted.limit)
        self._seen = SeenLines()
        self._awaiting = HeldHits()  # reading backwards: of calls whose own line is still to come

    def oldest_first(self) -> Iterator[Hit]:
        """Yield every call that holds the text, the first written first; `Filters.limit` is not applied.

        Calls are kept back until all was read, since what is written later of one can hold it too, or until what is
        kept back comes to 16 MiB (about 8,000 calls): what is found later of those is a hit of its own.

        Raises:
            OSError: The directory cannot be read.
        """
        files = wanted_files(self._directory, self._wanted)
        rules_out = self._query.rules_out
        holding = partial(self._scan.holding, files, self._query.find_in, self._query.width)
        held = HeldHits()
        for hit, size in chain(self._hits(holding() if rules_out else self._scan.forwards(files)), self._later(files)):
            held.add(hit, size)
            if held.is_full:
                yield from self._whole(held.take())
        yield from self._whole(held.take())

    def newest_first(self) -> Iterator[Hit]:
        """Yield calls up to the limit, the last written first. What is kept back, and errors, as for `oldest_first`."""
        return islice(self._newest_first(), self._wanted.limit)

    def _newest_first(self) -> Iterator[Hit]:
        files, held = wanted_files(self._directory, self._wanted), self._awaiting
        for hit, size in self._later(files):
            held.add(hit, size)
            if held.is_full:
                yield from reversed(self._whole(held.take()))
        for hit, size in self._hits(self._scan.backwards(files)):
            if hit.entry is not None:
                yield hit
                continue
            held.add(hit, size, is_first=True)
            if held.is_full:
                yield from reversed(self._whole(held.take()))
        if self._asks_calls:  # their calls stand outside of the time asked for, or nowhere
            yield from reversed(self._whole(held.take()))
        else:
            yield from sorted(held.take(), key=lambda hit: hit.timestamp, reverse=True)

    def _whole(self, hits: Sequence[Hit]) -> list[Hit]:
        """Return what of these is wanted, with the call of each, in the order of the calls."""
        unknown = {hit.id for hit in hits if hit.entry is None}
        # The search itself names what it comes across.
        reader = LogReader(self._directory, on_damage=lambda _: None, on_progress=self._on_progress)
        entries = reader.entries_of(unknown) if unknown else {}
        whole = [_with_entry(hit, entries[hit.id]) if hit.id in entries else hit for hit in hits]
        return sorted(filter(self._is_wanted, whole), key=_place_of)

    def _is_wanted(self, hit: Hit) -> bool:
        return not self._asks_calls if hit.entry is None else matches(hit.entry.head, self._wanted)

    def _later(self, files: Sequence[DayFile]) -> Iterator[tuple[Hit, int]]:
        """Yield the hits in files behind those of the calls asked for: a call is judged on any later day."""
        if self._wanted.end is None:
            return iter(())
        later = [file for file in wanted_files(self._directory, Filters(start=self._wanted.start)) if file not in files]
        return self._hits(self._scan.holding(later, lambda data, *span: data.find(_FEEDBACK, *span), len(_FEEDBACK)))

    def _hits(self, lines: Iterator[tuple[Path, RawLine]]) -> Iterator[tuple[Hit, int]]:
        """Yield the hits of lines, each with the bytes that the scalars of its call take."""
        for path, raw in lines:
            hit = self._checked(path, *raw)
            size = _CALL_BYTES if hit is None or hit.entry is None else scalars_size(raw[1])
            del raw  # a line can be large, and the next one is on its way
            if hit is not None:
                yield hit, size

    def _checked(self, path: Path, offset: int, line: bytes) -> Hit | None:
        may_hit = self._query.may_be_in(line)
        if not (may_hit or self._awaiting):
            return None
        try:
            return self._hit(path, offset, line, may_hit=may_hit)
        except UNREADABLE as error:
            self._scan.report(path, offset, str(error))
            return None

    def _hit(self, path: Path, offset: int, line: bytes, *, may_hit: bool) -> Hit | None:
        head = decode_head(line)
        if isinstance(head, ToolResultLine):
            where = f"tool_calls[{head.tool_call_id}].result_content"
            return self._later_hit(head, line, "content", where) if may_hit else None
        if isinstance(head, FeedbackLine):
            return self._later_hit(head, line, "note", "feedback.note") if may_hit else None
        if not isinstance(head, InteractionHead):
            return None
        if not matches(head, self._wanted):
            self._awaiting.pop(head.id)
            return None
        places = tuple(self._query.places(line)) if may_hit else ()
        if not (places or head.id in self._awaiting) or not self._seen.is_new(head.writer, head.seq):
            return None
        entry = Entry(path, offset, len(line), head)
        hit = Hit(id=head.id, timestamp=head.timestamp, entry=entry, places=places)
        later = self._awaiting.pop(head.id)
        return hit if later is None else joined(hit, later)

    def _later_hit(self, head: ToolResultLine | FeedbackLine, line: bytes, key: str, where: str) -> Hit | None:
        """Return the hit of what was written after the interaction: the text at `key`, shown as at `where`."""
        found = [place for place in self._query.places(line) if place.where == key]
        if not found or not self._can_be_wanted(head.interaction_id) or not self._seen.is_new(head.writer, head.seq):
            return None
        place = msgspec.structs.replace(found[0], where=where)
        return Hit(id=head.interaction_id, timestamp=head.timestamp, entry=None, places=(place,), later=True)

    def _can_be_wanted(self, interaction_id: str) -> bool:
        """Say whether a call of this id can be of the time asked for."""
        first, last = days_of_id(interaction_id)
        return last >= (self._wanted.start or "")[:10] and first <= (self._wanted.end or "9")[:10]


def _with_entry(hit: Hit, entry: Entry) -> Hit:
    return msgspec.structs.replace(hit, entry=entry, timestamp=entry.head.timestamp)


def _place_of(hit: Hit) -> tuple[DayFile, int]:
    """Return where a call stands in the log; one that is there no more stood before the others."""
    file = parse_name(hit.entry.path.name) if hit.entry is not None else None
    return (file, hit.entry.offset) if hit.entry is not None and file is not None else (DayFile(""), 0)


def newest_hits(
    directory: Path,
    query: Query | None,
    wanted: Filters,
    *,
    on_damage: OnDamage,
    on_progress: OnProgress | None = None,
) -> Iterator[Hit]:
    """Yield calls up to `Filters.limit`, the last written first; without a query, every call that is wanted is a hit.

    Raises:
        OSError: The directory cannot be read.
    """
    if query is not None:
        return TextSearch(directory, query, wanted, on_damage=on_damage, on_progress=on_progress).newest_first()
    reader = LogReader(directory, on_damage=on_damage, on_progress=on_progress)
    return map(hit_of, reader.newest_first(wanted))


def hit_of(entry: Entry) -> Hit:
    """Return a call that was found without a query."""
    return Hit(id=entry.head.id, timestamp=entry.head.timestamp, entry=entry, places=())


def call_of(directory: Path, hit: Hit, *, on_progress: OnProgress | None = None) -> Entry:
    """Return the interaction of a hit, tool results joined where one of them is what holds the text.

    Raises:
        BadInput: It is not in the log any more.
        OSError: The directory cannot be read.
    """
    if hit.entry is not None and not (hit.later and hit.entry.is_waiting):
        return hit.entry
    reader = LogReader(directory, on_damage=lambda _: None, on_progress=on_progress)  # the search has named damage
    return reader.find(hit.id)


def hit_values(
    directory: Path, hit: Hit, paths: Sequence[str], *, on_damage: OnDamage, on_progress: OnProgress | None = None
) -> dict[str, Any]:
    """Return a hit in plain values: the fields of its call at `paths`, or its id and time without any; its places.

    Of a call that is not in the log any more, all fields but its id and time are None.

    Raises:
        OSError: As for `call_of`, and for `chosen_values`.
    """
    about: dict[str, Any] = {"id": hit.id, "timestamp": hit.timestamp}
    if paths:
        try:
            about = chosen_values(call_of(directory, hit, on_progress=on_progress), paths, on_damage=on_damage)
        except BadInput:  # its day was removed; what was written later, such as feedback, stays
            about = field_values(about, paths)
    return {**about, "places": msgspec.to_builtins(hit.places)}


def unsearched(directory: Path) -> list[str]:
    """Return the names of the pieces of files that are kept aside: what stands there alone is not found."""
    return sorted(path.name for path in directory.iterdir() if kind_of_name(path.name) in ("torn", "damaged"))
