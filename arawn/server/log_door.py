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
from arawn.interactions.reader import Damage, LogReader, OnDamage
from arawn.interactions.scan import Progress
from arawn.server.reply import Refused, refusal

__all__ = ["LogDoor", "NoLog", "end_if_cancelled", "newest_last"]

_READ_SECONDS = 30.0
_READERS = 2  # threads that read at the same time; others wait
_ANSWER_BYTES = 32 * 1024 * 1024

T = TypeVar("T")


class NoLog(Exception):
    """Nothing was logged yet: the first call makes the directory."""


class LogDoor:
    """The log as routes read it; the directory is None when it is off."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
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

        Checkpoint: always.
        If cancelled: the reading thread has ended.
        """
        found, _ = await self.read_one(lambda reader: reader.named(name).head.id)
        return found

    async def read_one(self, look: Callable[[LogReader], T]) -> tuple[T, int]:
        """Do as `read`, but for what is not there: for that it raises `Refused` with 404."""
        try:
            return await self.read(lambda on_damage: look(self.reader(on_damage)))
        except NoLog as error:
            message = "there is no interaction log yet; the first call makes it"
            raise Refused(refusal(404, "not_found", message)) from error
        except BadInput as error:
            raise Refused(refusal(404, "not_found", str(error))) from error

    async def read(self, look: Callable[[OnDamage], T]) -> tuple[T, int]:
        """Return what `look` finds in a thread, and how many damaged places it told of.

        Raises:
            NoLog: There is no log yet.
            BadInput: As `look`; or the log is off.
            Refused: It takes too long (503), or what was found cannot be read (500).

        Checkpoint: always.
        If cancelled: the reading thread has ended.
        """
        skipped: list[Damage] = []
        with trio.move_on_after(_READ_SECONDS):
            try:
                looked = partial(self._looked, look, skipped.append)
                found = await trio.to_thread.run_sync(looked, limiter=self._readers)
            except OSError as error:
                message = f"the interaction log at `{error.filename}` cannot be read: {error.strerror}"
                raise Refused(refusal(500, "log_unreadable", message)) from error
            except UNREADABLE as error:
                message = f"the record is damaged: {error}; `arawn interactions verify` names the place"
                raise Refused(refusal(500, "log_unreadable", message)) from error
            return found, len(skipped)
        narrower = "narrow it with `date`, `since` and `until`, or use `arawn interactions` beside the daemon"
        raise Refused(refusal(503, "log_too_long", f"reading the log took longer than {_READ_SECONDS:g} s; {narrower}"))

    def _looked(self, look: Callable[[OnDamage], T], on_damage: OnDamage) -> T:
        try:
            self.directory.stat()
        except FileNotFoundError as error:
            raise NoLog from error
        return look(on_damage)


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
