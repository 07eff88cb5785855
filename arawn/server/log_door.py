"""The log as routes read it: in a thread, by few at a time and for a bounded time, so that no call waits for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec
import trio

from arawn.errors import BadInput
from arawn.interactions.encode import encode_line
from arawn.interactions.heads import UNREADABLE
from arawn.interactions.health import LogHealth, perhaps_unwritten
from arawn.interactions.reader import LATEST, Damage, LogReader, NoSuchCall, OnDamage
from arawn.interactions.scan import Progress
from arawn.server.reply import Refused, refusal

__all__ = ["LogDoor", "end_if_cancelled", "newest_last"]

_READ_SECONDS = 30.0
_READERS = 2  # threads that read at the same time; others wait
_ANSWER_BYTES = 32 * 1024 * 1024

T = TypeVar("T")


class LogDoor:
    """The log as routes read it; the directory is None when it is off.

    `health` says how the log is, `is_behind` whether records are on their way that are not found yet.
    """

    def __init__(self, directory: Path | None, health: Callable[[], LogHealth], is_behind: Callable[[], bool]) -> None:
        self._directory = directory
        self._health = health
        self._is_behind = is_behind
        self._readers = trio.CapacityLimiter(_READERS)

    @property
    def directory(self) -> Path:
        """The directory of the log.

        Raises:
            BadInput: The log is off.
        """
        if self._directory is None:
            raise BadInput("the interaction log is off; set `logging.interactions.enabled` to have one")
        return self._directory

    def reader(self, on_damage: OnDamage) -> LogReader:
        """Return a reader for the thread of a `read`, which ends when the read is cancelled."""
        return LogReader(self.directory, on_damage=on_damage, on_progress=end_if_cancelled)

    async def id_of(self, name: str) -> str:
        """Return the whole id of the interaction that `name` means: an id, the beginning of one, or `latest`.

        Raises:
            Refused: There is none, or several (404); else as `read`.
            LogWriteFailed: There is none, and the log is behind: it may be there later.

        Checkpoint: always.
        If cancelled: the reading thread has ended.
        """
        if name == LATEST and self._is_behind():  # the one that is meant may not be there
            raise perhaps_unwritten(self._health())
        found, _ = await self.read_one(lambda reader: reader.named(name).head.id)
        return found

    async def read_one(self, look: Callable[[LogReader], T]) -> tuple[T, int]:
        """Do as `read`, but for what is not there: for that it raises as `id_of` does."""
        try:
            return await self.read(lambda on_damage: look(self.reader(on_damage)))
        except BadInput as error:
            if self._directory is None:
                raise
            if isinstance(error, NoSuchCall) and self._is_behind():
                raise perhaps_unwritten(self._health()) from error
            raise Refused(refusal(404, "not_found", str(error))) from error

    async def read(self, look: Callable[[OnDamage], T]) -> tuple[T, int]:
        """Return what `look` finds in a thread, and how many damaged places it told of.

        Raises:
            BadInput: As `look`; or the log is off.
            Refused: It takes too long, or the log cannot be read (503), or what was found cannot be (500).

        Checkpoint: always.
        If cancelled: the reading thread has ended.
        """
        skipped: list[Damage] = []
        with trio.move_on_after(_READ_SECONDS):
            try:
                found = await trio.to_thread.run_sync(partial(look, skipped.append), limiter=self._readers)
            except OSError as error:
                where = error.filename or self.directory
                message = f"the interaction log at `{where}` cannot be read: {error.strerror}; `arawn doctor` says more"
                raise Refused(refusal(503, "log_unreadable", message)) from error
            except UNREADABLE as error:
                message = f"the record is damaged: {error}; `arawn interactions verify` names the place"
                raise Refused(refusal(500, "log_unreadable", message)) from error
            return found, len(skipped)
        narrower = "narrow it with `date`, `since` and `until`, or use `arawn interactions` beside the daemon"
        raise Refused(refusal(503, "log_too_long", f"reading the log took longer than {_READ_SECONDS:g} s; {narrower}"))


def end_if_cancelled(_: Progress | None = None) -> None:
    """Take it as told in the thread of a `read`: raise what ends it once the read is cancelled."""
    trio.from_thread.check_cancelled()


def newest_last(values: Iterable[object]) -> list[msgspec.Raw]:
    """Return values, which come the newest first, as JSON, the newest last; in the thread of a `read`.

    Raises:
        BadInput: They are longer than an answer may be.
    """
    found: deque[msgspec.Raw] = deque()
    size = 0
    for value in values:
        end_if_cancelled()
        line = encode_line(value)
        size += len(line)
        if size > _ANSWER_BYTES:
            most = f"what was found is longer than {_ANSWER_BYTES >> 20} MiB"
            raise BadInput(f"{most}; ask for fewer with `limit` and the filters, or use `arawn interactions`")
        found.appendleft(msgspec.Raw(line.rstrip(b"\n")))
    return list(found)
