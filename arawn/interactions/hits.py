"""Searches a log: which interactions hold a text, in their own line, a tool result's or a feedback's."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import msgspec

from arawn.errors import BadInput
from arawn.interactions.entry import Entry, chosen_values
from arawn.interactions.fields import field_values
from arawn.interactions.files import DayFile, kind_of_name
from arawn.interactions.filters import Filters, days_of_id, matches
from arawn.interactions.heads import UNREADABLE, decode_head
from arawn.interactions.line_numbers import SeenLines
from arawn.interactions.raw_lines import RawLine
from arawn.interactions.reader import LogReader
from arawn.interactions.record import FeedbackLine, InteractionHead, ToolResultLine
from arawn.interactions.scan import LogScan, OnDamage, OnProgress, wanted_files
from arawn.interactions.search import Place, Query

__all__ = ["Hit", "TextSearch", "call_of", "hit_of", "hit_values", "newest_hits", "unsearched"]

_FEEDBACK = b'"feedback"'
_REMEMBERED = 65_536  # interactions of which is known whether they are wanted, for what follows them


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """A line that holds the text: of the interaction `id`, of the result of one of its tool calls, or of its feedback.

    `entry` is the interaction; None for the others, which stand elsewhere.
    """

    id: str
    timestamp: str
    entry: Entry | None
    places: tuple[Place, ...]


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
        self._known: dict[str, bool] = {}
        self._looked_at: set[tuple[str, str]] = set()  # days of which all calls were looked up once
        self._seen = SeenLines()

    def oldest_first(self) -> Iterator[Hit]:
        """Yield every hit, the first written first; `Filters.limit` is not applied.

        Raises:
            OSError: The directory cannot be read.
        """
        files = wanted_files(self._directory, self._wanted)
        if self._asks_calls or not self._query.is_literal:
            return chain(self._hits(self._scan.forwards(files)), self._later_notes(files))
        return self._hits(self._scan.holding(files, self._query.find_in, self._query.width))

    def newest_first(self) -> Iterator[Hit]:
        """Yield hits up to the limit, the last written first. Errors as for `oldest_first`."""
        files = wanted_files(self._directory, self._wanted)
        later = deque(self._later_notes(files), maxlen=self._wanted.limit)
        return islice(chain(reversed(later), self._hits(self._scan.backwards(files))), self._wanted.limit)

    def _later_notes(self, files: Sequence[DayFile]) -> Iterator[Hit]:
        """Yield the hits in files behind those of the calls asked for: a call is judged on any later day."""
        if self._wanted.end is None:
            return iter(())
        later = [file for file in wanted_files(self._directory, Filters(start=self._wanted.start)) if file not in files]
        return self._hits(self._scan.holding(later, lambda data, *span: data.find(_FEEDBACK, *span), len(_FEEDBACK)))

    def _hits(self, lines: Iterator[tuple[Path, RawLine]]) -> Iterator[Hit]:
        for path, raw in lines:
            hit = self._checked(path, *raw)
            del raw  # a line can be large, and the next one is on its way
            if hit is not None:
                yield hit

    def _checked(self, path: Path, offset: int, line: bytes) -> Hit | None:
        may_hit = self._query.may_be_in(line)
        if not (may_hit or self._asks_calls):
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
        is_wanted = matches(head, self._wanted)
        self._remember(head.id, is_wanted=is_wanted)
        places = tuple(self._query.places(line)) if may_hit and is_wanted else ()
        if not places or not self._seen.is_new(head.writer, head.seq):
            return None
        entry = Entry(path, offset, len(line), head)
        return Hit(id=head.id, timestamp=head.timestamp, entry=entry, places=places)

    def _later_hit(self, head: ToolResultLine | FeedbackLine, line: bytes, key: str, where: str) -> Hit | None:
        """Return the hit of what was written after the interaction: the text at `key`, shown as at `where`."""
        found = [place for place in self._query.places(line) if place.where == key]
        if not found or not self._is_wanted(head.interaction_id) or not self._seen.is_new(head.writer, head.seq):
            return None
        place = msgspec.structs.replace(found[0], where=where)
        return Hit(id=head.interaction_id, timestamp=head.timestamp, entry=None, places=(place,))

    def _remember(self, interaction_id: str, *, is_wanted: bool) -> None:
        if self._asks_calls:
            self._known[interaction_id] = is_wanted
            if len(self._known) > _REMEMBERED:
                del self._known[next(iter(self._known))]

    def _is_wanted(self, interaction_id: str) -> bool:
        """Say whether an interaction is one of those asked for; look it up if it is not known."""
        if not self._asks_calls:
            return True
        if interaction_id not in self._known:
            self._remember(interaction_id, is_wanted=self._looked_up(interaction_id))
        return self._known[interaction_id]

    def _looked_up(self, interaction_id: str) -> bool:
        start, end = self._wanted.start or "", self._wanted.end or "9"
        first, last = days_of_id(interaction_id)
        if last < start[:10] or first > end[:10]:
            return False
        # The search itself names what it comes across.
        reader = LogReader(self._directory, on_damage=lambda _: None, on_progress=self._on_progress)
        if first and (first, last) not in self._looked_at:  # all at once: notes and results come in numbers
            self._looked_at.add((first, last))
            days = Filters(start=f"{first}T00:00:00.000000Z", end=f"{last}T23:59:59.999999Z")
            for _, _, head in reader.lines(days):
                if isinstance(head, InteractionHead):
                    self._remember(head.id, is_wanted=matches(head, self._wanted))
            if interaction_id in self._known:
                return self._known[interaction_id]
        try:
            entry = reader.find(interaction_id)
        except BadInput:  # it is not in the log any more
            return False
        return matches(entry.head, self._wanted)


def newest_hits(
    directory: Path,
    query: Query | None,
    wanted: Filters,
    *,
    on_damage: OnDamage,
    on_progress: OnProgress | None = None,
) -> Iterator[Hit]:
    """Yield hits up to `Filters.limit`, the last written first; without a query, every call that is wanted is one.

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
    """Return the interaction of a hit: for a tool result, that is a search of its own.

    Raises:
        BadInput: It is not in the log any more.
        OSError: The directory cannot be read.
    """
    if hit.entry is not None:
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
