"""Shows interactions as they are written, across the change of day."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Self

import trio

from arawn.interactions.entry import Entry
from arawn.interactions.files import DayFile, day_files
from arawn.interactions.filters import Filters, matches
from arawn.interactions.heads import UNREADABLE, Head, decode_head, head_or_none
from arawn.interactions.line_numbers import SeenLines
from arawn.interactions.raw_lines import backward_lines, forward_lines
from arawn.interactions.record import InteractionHead
from arawn.interactions.scan import Damage, OnDamage, line_number, require_regular

__all__ = ["Follower"]

_POLL_SECONDS = 0.2


class Follower:
    """An endless asynchronous iterator over the interactions written from now on.

    Tool results are not joined: they are not known yet when an interaction appears. `Filters.limit` is not applied.
    `has_all` says that the log had not begun: then no interaction is one from before.
    """

    def __init__(self, directory: Path, wanted: Filters, *, on_damage: OnDamage) -> None:
        """Begin behind what is written by now.

        Args:
            directory: The log directory. Of one that is not there yet, everything is shown.
            wanted: What to show.
            on_damage: Told of every line and file that cannot be read.

        Raises:
            OSError: The directory cannot be read.
        """
        self._directory = directory
        self._wanted = wanted
        self._on_damage = on_damage
        self._seen = SeenLines()
        self._ready: deque[Entry] = deque()
        self._positions: dict[DayFile, int] = {}
        self._ended: set[DayFile] = set()
        self._refused: set[str] = set()
        self._left: dict[tuple[int, int], dict[DayFile, int]] = {}  # positions, by the directory that they are of
        self._home: tuple[int, int] | None = None
        self.has_all = True
        files = self._files()
        self._first = files[-1].plain if files else DayFile("")
        if files:
            self.has_all = False
            self._positions[self._first] = self._end_of_last_line(files[-1])

    def __aiter__(self) -> Self:
        """Return itself."""
        return self

    async def __anext__(self) -> Entry:
        """Return the next interaction that is wanted; a directory that goes away is waited for, which is told.

        Raises:
            OSError: The directory cannot be read.

        Checkpoint: always.
        If cancelled: nothing is lost; the next call goes on.
        """
        await trio.lowlevel.checkpoint()
        while not self._ready:
            self._read_on()
            if not self._ready:
                await trio.sleep(_POLL_SECONDS)
        return self._ready.popleft()

    def _read_on(self) -> None:
        """Queue what has been written since the last look."""
        files = self._files()
        if files and (newest := files[-1].plain) < self._first:  # `repair` has moved what was there
            self._first = newest
            self._positions[newest] = self._end_of_last_line(files[-1])
        for file in files:
            if file.plain >= self._first and file.plain not in self._ended and self._has_more(file):
                self._read_file(file)

    def _files(self) -> list[DayFile]:
        try:
            status = self._directory.stat()
            files = day_files(path.name for path in self._directory.iterdir())
        except FileNotFoundError:
            if self._positions and self._home is not None:  # else the first call makes it
                self._home = None
                why = "the log is not there any more; what comes is shown when it is back"
                self._on_damage(Damage(str(self._directory), 0, why, skipped=False))
            return []
        home = (status.st_dev, status.st_ino)
        if home != self._home:
            self._turn_to(home, files)
        return files

    def _turn_to(self, home: tuple[int, int], files: list[DayFile]) -> None:
        """Go on where this directory was left; what is shorter than then is another file, and all of it is new."""
        self._home = home
        self._positions = self._left.setdefault(home, {**self._positions})
        for file in files:
            with suppress(FileNotFoundError):
                size = (self._directory / file.name).stat().st_size
                if not file.compressed and size < self._positions.get(file.plain, 0):
                    self._positions[file.plain] = 0

    def _has_more(self, file: DayFile) -> bool:
        """Say whether there is something to read. A shorter file was cut back, or rewritten without some lines."""
        if file.compressed:
            return True
        try:
            size = (self._directory / file.name).stat().st_size
        except FileNotFoundError:
            return False
        position = self._positions.get(file.plain, 0)
        if size < position:
            self._positions[file.plain] = self._end_of_last_line(file)
        return size > position

    def _read_file(self, file: DayFile) -> None:
        path, part = self._directory / file.name, file.plain
        try:
            require_regular(path)
            for offset, line in forward_lines(path, self._positions.get(part, 0)):
                if not line.endswith(b"\n"):  # still being written
                    break
                self._positions[part] = offset + len(line)
                head = self._head(path, offset, line)
                if isinstance(head, InteractionHead) and matches(head, self._wanted):
                    self._ready.append(Entry(path, offset, len(line), head))
        except FileNotFoundError:
            return
        except OSError as error:
            self._refuse(path, error)
        if file.compressed:  # it never changes again
            self._ended.add(part)

    def _refuse(self, path: Path, error: OSError) -> None:
        """Say once that a file cannot be read."""
        if path.name not in self._refused:
            self._refused.add(path.name)
            self._on_damage(Damage(path.name, 0, error.strerror or str(error)))

    def _head(self, path: Path, offset: int, line: bytes) -> Head | None:
        """Return the line's scalars; None for a damaged line, and for one that was shown before."""
        try:
            head = decode_head(line)
        except UNREADABLE as error:
            self._on_damage(Damage(path.name, line_number(path, offset), str(error)))
            return None
        return head if self._seen.is_new(head.writer, head.seq) else None

    def _end_of_last_line(self, file: DayFile) -> int:
        """Return where the last whole line ends; take every number up to its own as shown."""
        path = self._directory / file.name
        end = 0
        try:
            require_regular(path)
            for offset, line in backward_lines(path):
                end = end or (offset + len(line) if line.endswith(b"\n") else offset)
                if self._note_last(line):
                    break
        except OSError as error:
            self._refuse(path, error)
        return end

    def _note_last(self, line: bytes) -> bool:
        """Note the writer and number of `line`; False if it has none that can be read."""
        head = head_or_none(line)
        if head is None or head.writer is None or head.seq is None:
            return False
        self._seen.skip_to(head.writer, head.seq)
        return True
