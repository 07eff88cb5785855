"""Reads the log while it is being written: streaming, either way round, whole lines only, nothing twice."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta
from itertools import islice
from pathlib import Path

import msgspec

from arawn.errors import BadInput
from arawn.interactions.files import DayFile, day_files
from arawn.interactions.filters import Filters, matches
from arawn.interactions.heads import Head, decode_head, decode_line
from arawn.interactions.raw_lines import RawLine, backward_lines, forward_lines
from arawn.interactions.record import InteractionHead, InteractionRecord, ToolCallRecord, ToolResultLine
from arawn.interactions.seen import SeenLines

__all__ = ["Damage", "Entry", "LogReader", "OnDamage", "line_number"]

_HELD_ENTRIES = 1_024  # reading forwards: how long an interaction waits for its tool results
_HELD_RESULTS = 65_536  # reading backwards: how many results wait for their interaction

OnDamage = Callable[["Damage"], None]


class Damage(msgspec.Struct, frozen=True):
    """A line that was skipped: where it stands (counted from 1; 0 for a whole file) and why."""

    file: str
    line: int
    why: str


class Entry:
    """One interaction found in the log; its bodies are read only when asked for."""

    def __init__(self, path: Path, offset: int, size: int, head: InteractionHead) -> None:
        self._path = path
        self._offset = offset
        self._size = size
        self._head = head
        self._results: dict[str, ToolResultLine] = {}

    def __repr__(self) -> str:
        return f"<Entry {self._head.id} at {self._path.name}:{self._offset}>"

    @property
    def head(self) -> InteractionHead:
        """The scalars, tool results joined."""
        return msgspec.structs.replace(self._head, tool_calls=self._joined()) if self._results else self._head

    @property
    def is_waiting(self) -> bool:
        """Whether a tool call still has no result."""
        return any(call.tool_call_id not in self._results for call in self._head.tool_calls)

    def join(self, result: ToolResultLine) -> None:
        """Take the result of one of the interaction's tool calls; the first one stays."""
        self._results.setdefault(result.tool_call_id, result)

    def raw(self) -> bytes:
        """Return the line as it stands in the file.

        Raises:
            OSError: The file cannot be read any more.
        """
        with self._path.open("rb") as file:
            file.seek(self._offset)
            return file.read(self._size)

    def record(self) -> InteractionRecord:
        """Return everything, tool results joined.

        Raises:
            OSError: The file cannot be read any more.
            msgspec.DecodeError: The bodies are damaged.
        """
        record = decode_line(self.raw())
        assert isinstance(record, InteractionRecord)
        return msgspec.structs.replace(record, tool_calls=self._joined())

    def _joined(self) -> tuple[ToolCallRecord, ...]:
        return tuple(self._with_result(call) for call in self._head.tool_calls)

    def _with_result(self, call: ToolCallRecord) -> ToolCallRecord:
        result = self._results.get(call.tool_call_id)
        if result is None:
            return call
        return msgspec.structs.replace(call, result_success=result.success, result_content=result.content)


class LogReader:
    """Reads one log directory; takes no lock, so it never stands in a writer's way.

    A last line without its newline is a line being written and not shown. Every other line that cannot be read is
    reported to `on_damage` and skipped.
    """

    def __init__(self, directory: Path, *, on_damage: OnDamage) -> None:
        self._directory = directory
        self._on_damage = on_damage

    def newest_first(self, wanted: Filters) -> Iterator[Entry]:
        """Yield what is wanted, the last written first.

        Raises:
            OSError: A file cannot be read.
        """
        return islice(self._newest_first(wanted), wanted.limit)

    def oldest_first(self, wanted: Filters) -> Iterator[Entry]:
        """Yield what is wanted, the first written first.

        A tool result that stands more than 1,024 wanted interactions after its call is not joined; `newest_first` and
        `find` join them all.

        Raises:
            OSError: A file cannot be read.
        """
        return islice(self._oldest_first(wanted), wanted.limit)

    def find(self, id_prefix: str) -> Entry:
        """Return the interaction whose id is, or alone begins with, `id_prefix`.

        Raises:
            BadInput: None or several do; the message names them.
            OSError: A file cannot be read.
        """
        found = []
        for entry in self._newest_first(Filters()):
            if entry.head.id == id_prefix:
                return entry
            if entry.head.id.startswith(id_prefix):
                found.append(entry)
        if len(found) == 1:
            return found[0]
        if not found:
            raise BadInput(f"no interaction has an id that begins with `{id_prefix}`; `interactions list` shows them")
        ids = ", ".join(f"`{entry.head.id}`" for entry in found[:5])
        raise BadInput(f"{len(found)} interactions have an id that begins with `{id_prefix}`: {ids}; give more of it")

    def _newest_first(self, wanted: Filters) -> Iterator[Entry]:
        results: dict[str, list[ToolResultLine]] = {}
        for path, (offset, line), head in self._heads(reversed(self._files(wanted)), backward_lines):
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
        held: deque[Entry] = deque()
        by_id: dict[str, Entry] = {}
        for path, (offset, line), head in self._heads(self._files(wanted), forward_lines):
            if isinstance(head, ToolResultLine) and head.interaction_id in by_id:
                by_id[head.interaction_id].join(head)
            elif isinstance(head, InteractionHead) and matches(head, wanted):
                by_id[head.id] = entry = Entry(path, offset, len(line), head)
                held.append(entry)
            while held and (len(held) > _HELD_ENTRIES or not held[0].is_waiting):
                entry = held.popleft()
                by_id.pop(entry.head.id, None)
                yield entry
        yield from held

    def _files(self, wanted: Filters) -> list[DayFile]:
        """Return the files that can hold what is wanted: a call is in the file of its first day or of a later one."""
        files = day_files(path.name for path in self._directory.iterdir())
        first = wanted.start[:10] if wanted.start else ""
        last = (date.fromisoformat(wanted.end[:10]) + timedelta(days=1)).isoformat() if wanted.end else "9"
        chosen = [file for file in files if first <= file.day <= last]
        for file in chosen:
            if file.compressed:
                self._on_damage(Damage(file.name, 0, "the file is compressed, which this version cannot read"))
        return [file for file in chosen if not file.compressed]

    def _heads(
        self, files: Iterable[DayFile], lines_of: Callable[[Path], Iterable[RawLine]]
    ) -> Iterator[tuple[Path, RawLine, Head]]:
        """Yield every readable line once, decoded as far as filters need it."""
        seen = SeenLines()
        for file in files:
            path = self._directory / file.name
            for raw in lines_of(path):
                head = self._head(path, raw)
                if head is not None and seen.is_new(head.writer, head.seq):
                    yield path, raw, head

    def _head(self, path: Path, raw: RawLine) -> Head | None:
        offset, line = raw
        if not line.endswith(b"\n"):
            if not self._is_newest(path):
                self._report(path, offset, "the line has no end")
            return None
        try:
            return decode_head(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self._report(path, offset, str(error))
            return None

    def _is_newest(self, path: Path) -> bool:
        """Say whether a writer may still be writing to `path`."""
        return day_files(other.name for other in path.parent.iterdir())[-1].name == path.name

    def _report(self, path: Path, offset: int, why: str) -> None:
        self._on_damage(Damage(path.name, line_number(path, offset), why))


def line_number(path: Path, offset: int) -> int:
    """Return the number, counted from 1, of the line that begins at `offset`."""
    return 1 + sum(1 for start, _ in forward_lines(path) if start < offset)
