"""Shows interactions as they are written, across the change of day."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Self

import msgspec
import trio

from arawn.interactions.files import DayFile, day_files
from arawn.interactions.filters import Filters, matches
from arawn.interactions.heads import Head, decode_head
from arawn.interactions.raw_lines import backward_lines, forward_lines
from arawn.interactions.reader import Damage, Entry, OnDamage, line_number
from arawn.interactions.record import InteractionHead
from arawn.interactions.seen import SeenLines

__all__ = ["Follower", "follow"]

_POLL_SECONDS = 0.2


class Follower:
    """An endless asynchronous iterator over the interactions written from now on. Use `follow` to make one.

    Tool results are not joined: they are not known yet when an interaction appears. `Filters.limit` is not applied.
    """

    def __init__(self, directory: Path, wanted: Filters, *, on_damage: OnDamage) -> None:
        self._directory = directory
        self._wanted = wanted
        self._on_damage = on_damage
        self._seen = SeenLines()
        self._ready: deque[Entry] = deque()
        self._positions: dict[DayFile, int] = {}
        files = self._files()
        self._first = files[-1] if files else None
        if self._first is not None:
            self._positions[self._first] = _end_of_last_line(directory / self._first.name)

    def __aiter__(self) -> Self:
        """Return itself."""
        return self

    async def __anext__(self) -> Entry:
        """Return the next interaction that is wanted.

        Raises:
            OSError: A file cannot be read.

        Checkpoint: always.
        If cancelled: nothing is lost; the next call goes on.
        """
        await trio.lowlevel.checkpoint()
        while not self._ready:
            self._read_on()
            if not self._ready:
                await trio.sleep(_POLL_SECONDS)
        return self._ready.popleft()

    def _files(self) -> list[DayFile]:
        files = day_files(path.name for path in self._directory.iterdir())
        return [file for file in files if not file.compressed]

    def _read_on(self) -> None:
        """Queue what has been written since the last look."""
        for file in self._files():
            if self._first is None or file >= self._first:
                self._read_file(file)

    def _read_file(self, file: DayFile) -> None:
        path = self._directory / file.name
        position = self._positions.get(file, 0)
        for offset, line in forward_lines(path, position):
            if not line.endswith(b"\n"):  # still being written
                break
            self._positions[file] = offset + len(line)
            head = self._head(path, offset, line)
            if isinstance(head, InteractionHead) and matches(head, self._wanted):
                self._ready.append(Entry(path, offset, len(line), head))

    def _head(self, path: Path, offset: int, line: bytes) -> Head | None:
        """Return the line's scalars; None for a damaged line, and for one that was shown before."""
        try:
            head = decode_head(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self._on_damage(Damage(path.name, line_number(path, offset), str(error)))
            return None
        return head if self._seen.is_new(head.writer, head.seq) else None


def follow(directory: Path, wanted: Filters, *, on_damage: OnDamage) -> Follower:
    """Return an iterator over what is written to the log in `directory` from now on.

    Args:
        directory: The log directory; it must exist.
        wanted: What to show.
        on_damage: Told of every line that cannot be read.

    Raises:
        OSError: The directory cannot be read.
    """
    return Follower(directory, wanted, on_damage=on_damage)


def _end_of_last_line(path: Path) -> int:
    for offset, line in backward_lines(path):
        return offset + len(line) if line.endswith(b"\n") else offset
    return 0
