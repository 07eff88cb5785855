"""Reads the log while it is being written: streaming, either way round, whole lines only, nothing twice."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from arawn.errors import BadInput
from arawn.interactions.entry import Entry
from arawn.interactions.files import DayFile
from arawn.interactions.filters import Filters, days_of_id, matches
from arawn.interactions.heads import UNREADABLE, Head, decode_head, scalars_size
from arawn.interactions.line_numbers import SeenLines
from arawn.interactions.raw_lines import RawLine
from arawn.interactions.record import FeedbackLine, InteractionHead, ToolResultLine
from arawn.interactions.scan import Damage, LogScan, OnDamage, OnProgress, wanted_files

__all__ = ["LATEST", "Damage", "Entry", "LogReader", "NoSuchCall", "OnDamage"]

LATEST = "latest"  # what a person may call the newest call

_HELD_BYTES = 1 << 24  # reading forwards: bytes of scalars kept while an interaction waits for its tool results
_HELD_RESULTS = 65_536  # reading backwards: how many results wait for their interaction
_LATE_FILES = 7  # looking for one interaction: files after its own in which its tool results are looked for
_NAMED = 5  # ids named when several begin alike


class NoSuchCall(BadInput):
    """No call in the log is the one that was named."""


class LogReader:
    """Reads one log directory; takes no lock, so it never stands in a writer's way.

    A last line without its newline is a line being written and not shown. Every other line that cannot be read is
    reported to `on_damage` and skipped, and so is every file; a file that is compressed while it is read stays itself.
    """

    def __init__(self, directory: Path, *, on_damage: OnDamage, on_progress: OnProgress | None = None) -> None:
        self._directory = directory
        self._scan = LogScan(directory, on_damage=on_damage, on_progress=on_progress)

    def newest_first(self, wanted: Filters) -> Iterator[Entry]:
        """Yield what is wanted, the last written first.

        Tool results are joined that were written up to one day (UTC) after the end of the time asked for.

        Raises:
            OSError: The directory cannot be read.
        """
        return islice(self._newest_first(wanted), wanted.limit)

    def oldest_first(self, wanted: Filters) -> Iterator[Entry]:
        """Yield what is wanted, the first written first.

        A call is kept back, and all after it, until its tool results were read, or until the scalars of what is kept
        back come to 16 MiB (about 10,000 calls): a result that stands later than that is not joined. `newest_first`
        and `find` have no such limit.

        Raises:
            OSError: The directory cannot be read.
        """
        return islice(self._oldest_first(wanted), wanted.limit)

    def lines(self, wanted: Filters) -> Iterator[tuple[Path, RawLine, Head]]:
        """Yield every readable line of any kind once, oldest first, from the files that can hold what is wanted.

        Raises:
            OSError: The directory cannot be read.
        """
        return self._heads(self._scan.forwards(wanted_files(self._directory, wanted)))

    def find(self, id_prefix: str) -> Entry:
        """Return the interaction whose id is, or alone begins with, `id_prefix`.

        Raises:
            NoSuchCall: None does.
            BadInput: Several do, and the message names them; or the text is empty.
            OSError: The directory cannot be read.
        """
        if not id_prefix:
            raise BadInput("an empty text is no id; `interactions list` shows ids")
        id_prefix = id_prefix.lower()  # as the log writes them
        files = wanted_files(self._directory, Filters())
        first, last = days_of_id(id_prefix)
        likely = [file for file in files if first <= file.day <= last]
        entry = self._found(likely, id_prefix) or self._found([f for f in files if f not in likely], id_prefix)
        if entry is None:
            raise NoSuchCall(f"no interaction has an id that begins with `{id_prefix}`; `interactions list` shows them")
        self._join_results(entry, files)
        return entry

    def entries_of(self, ids: Collection[str]) -> dict[str, Entry]:
        """Return the interactions with these whole ids, tool results joined, in one pass; not those of which is none.

        Raises:
            OSError: The directory cannot be read.
        """
        spans = [days_of_id(one) for one in ids]
        first, last = min(span[0] for span in spans), max(span[1] for span in spans)
        files = wanted_files(self._directory, Filters())
        entries = self._entries_in([file for file in files if first <= file.day <= last], ids)
        missing = {*ids} - entries.keys()
        others = [file for file in files if not first <= file.day <= last]
        return {**entries, **self._entries_in(others if missing else (), missing)}

    def named(self, interaction: str) -> Entry:
        """Return the interaction that a person means: the newest for `latest`, else as `find`.

        Raises:
            NoSuchCall: There is none.
            BadInput: There are several.
            OSError: The directory cannot be read.
        """
        if interaction != LATEST:
            return self.find(interaction)
        for entry in self.newest_first(Filters(limit=1)):
            return entry
        raise NoSuchCall("the interaction log is empty: there is no latest call")

    def feedback_of(self, entry: Entry) -> list[FeedbackLine]:
        """Return what was said of `entry`, the first written first. Reads its own file and all later ones.

        Raises:
            OSError: The directory cannot be read.
        """
        files = wanted_files(self._directory, Filters())
        own = next((place for place, file in enumerate(files) if file.name == entry.path.name), 0)
        heads = self._heads(_holding(self._scan.forwards(files[own:]), entry.head.id))
        lines = (head for _, _, head in heads if isinstance(head, FeedbackLine))
        return [line for line in lines if line.interaction_id == entry.head.id]

    def _entries_in(self, files: Sequence[DayFile], ids: Collection[str]) -> dict[str, Entry]:
        entries: dict[str, Entry] = {}
        for path, (offset, line), head in self._heads(self._scan.forwards(files)):
            if isinstance(head, InteractionHead) and head.id in ids:
                entries[head.id] = Entry(path, offset, len(line), head)
            elif isinstance(head, ToolResultLine) and head.interaction_id in entries:
                entries[head.interaction_id].join(head)
        return entries

    def _newest_first(self, wanted: Filters) -> Iterator[Entry]:
        results: dict[str, list[ToolResultLine]] = {}
        for path, (offset, line), head in self._heads(self._scan.backwards(wanted_files(self._directory, wanted))):
            if isinstance(head, ToolResultLine):
                results.setdefault(head.interaction_id, []).append(head)
                if len(results) > _HELD_RESULTS:  # results of interactions that are not in the log
                    del results[next(iter(results))]
            elif isinstance(head, InteractionHead):
                joined = results.pop(head.id, [])
                if matches(head, wanted):
                    entry = Entry(path, offset, len(line), head)
                    for result in reversed(joined):  # in the order written
                        entry.join(result)
                    yield entry

    def _oldest_first(self, wanted: Filters) -> Iterator[Entry]:
        held = _Held()
        for path, (offset, line), head in self.lines(wanted):
            if isinstance(head, ToolResultLine):
                held.join(head)
            elif isinstance(head, InteractionHead) and matches(head, wanted):
                held.add(Entry(path, offset, len(line), head), scalars_size(line))
            yield from held.released()
        yield from held.rest()

    def _heads(self, lines: Iterable[tuple[Path, RawLine]]) -> Iterator[tuple[Path, RawLine, Head]]:
        """Yield every readable line once, decoded as far as filters need it."""
        seen = SeenLines()
        for path, raw in lines:
            try:
                head = decode_head(raw[1])
            except UNREADABLE as error:
                self._scan.report(path, raw[0], str(error))
                continue
            if seen.is_new(head.writer, head.seq):
                yield path, raw, head

    def _found(self, files: Sequence[DayFile], id_prefix: str) -> Entry | None:
        """Return the one interaction in these files with the id or the beginning of it; None if there is none."""
        found: list[Entry] = []
        for path, (offset, line), head in self._heads(_holding(self._scan.backwards(files), id_prefix)):
            if isinstance(head, InteractionHead) and head.id.startswith(id_prefix):
                entry = Entry(path, offset, len(line), head)
                if head.id == id_prefix:
                    return entry
                found = [*found, entry][: _NAMED + 1]
        if len(found) > 1:
            ids = ", ".join(f"`{entry.head.id}`" for entry in found[:_NAMED])
            count, which = (str(len(found)), ":") if len(found) <= _NAMED else (f"more than {_NAMED}", ", such as")
            raise BadInput(
                f"{count} interactions have an id that begins with `{id_prefix}`{which} {ids}; give more of it"
            )
        return found[0] if found else None

    def _join_results(self, entry: Entry, files: Sequence[DayFile]) -> None:
        """Read on for the tool results of `entry`, in its own file and the next ones."""
        own = next((place for place, file in enumerate(files) if file.name == entry.path.name), 0)
        lines = self._scan.forwards(files[own : own + 1 + _LATE_FILES]) if entry.is_waiting else iter(())
        for _, _, head in self._heads(_holding(lines, entry.head.id)):
            if isinstance(head, ToolResultLine) and head.interaction_id == entry.head.id:
                entry.join(head)
                if not entry.is_waiting:
                    return


class _Held:
    """Interactions in the order they were read, the first of which waits for a tool result."""

    def __init__(self) -> None:
        self._entries: deque[tuple[Entry, int]] = deque()
        self._by_id: dict[str, Entry] = {}
        self._bytes = 0

    def add(self, entry: Entry, size: int) -> None:
        """Keep an interaction whose scalars take `size` bytes."""
        self._entries.append((entry, size))
        self._by_id[entry.head.id] = entry
        self._bytes += size

    def join(self, result: ToolResultLine) -> None:
        entry = self._by_id.get(result.interaction_id)
        if entry is not None and entry.join(result):
            self._bytes += len(result.content or "")

    def released(self) -> Iterator[Entry]:
        """Yield the first ones that wait no more, or that there is no room for."""
        while self._entries and (self._bytes > _HELD_BYTES or not self._entries[0][0].is_waiting):
            yield self._released_first()

    def rest(self) -> Iterator[Entry]:
        while self._entries:
            yield self._released_first()

    def _released_first(self) -> Entry:
        entry, size = self._entries.popleft()
        self._bytes -= size + sum(len(call.result_content or "") for call in entry.head.tool_calls)
        self._by_id.pop(entry.head.id, None)
        return entry


def _holding(lines: Iterable[tuple[Path, RawLine]], text: str) -> Iterator[tuple[Path, RawLine]]:
    """Yield the lines that hold `text` somewhere."""
    needle = text.encode("utf-8", "replace")
    return ((path, raw) for path, raw in lines if needle in raw[1])
