"""`/interactions`: what the log holds, as `arawn interactions list` and `show` say it, and what somebody thinks of it.

The log is read in a thread, by few at a time and for a bounded time, so that no reader stands in the way of a call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec
import trio

from arawn.errors import BadInput
from arawn.interactions.feedback import Judgement
from arawn.interactions.filters import FILTERS, wanted_of
from arawn.interactions.heads import UNREADABLE
from arawn.interactions.judged import with_judged
from arawn.interactions.reader import Damage, Entry, LogReader
from arawn.interactions.scan import Progress
from arawn.runtime_door import Runtime
from arawn.server.call import Call, Route
from arawn.server.reply import Refused, Reply, json_reply, refusal

__all__ = ["FEEDBACK", "FILTERS", "INTERACTION", "LogDoor", "interaction_routes"]

INTERACTION = "/interactions/{id}"
FEEDBACK = "/interactions/{id}/feedback"

_DEFAULT_LIMIT = 20
_MOST = 1000
_READ_SECONDS = 30.0
_READERS = 2  # threads that read at the same time; others wait

T = TypeVar("T")


def interaction_routes(runtime: Runtime) -> dict[tuple[str, str], Route]:
    """Return the routes by method and path."""
    log = LogDoor(runtime.log_path)
    return {
        ("GET", "/interactions"): partial(_list, log),
        ("GET", INTERACTION): partial(_show, log),
        ("POST", FEEDBACK): partial(_judge, runtime, log),
    }


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
        """Do as `read`; what is not there is refused with 404."""
        try:
            return await self.read(look)
        except FileNotFoundError as error:
            message = "there is no interaction log yet; the first call makes it"
            raise Refused(refusal(404, "not_found", message)) from error
        except BadInput as error:
            raise Refused(refusal(404, "not_found", str(error))) from error

    async def read(self, look: Callable[[LogReader], T]) -> tuple[T, int]:
        """Return what `look` finds, and how many damaged places it skipped.

        Raises:
            BadInput: As `look`; or the log is off.
            Refused: It takes too long (503), or what was found cannot be read (500).

        Checkpoint: always.
        If cancelled: the reading thread has ended.
        """
        skipped: list[Damage] = []
        reader = LogReader(self.directory, on_damage=skipped.append, on_progress=_end_if_cancelled)
        with trio.move_on_after(_READ_SECONDS):
            try:
                found = await trio.to_thread.run_sync(look, reader, limiter=self._readers)
            except FileNotFoundError:
                raise
            except OSError as error:
                message = f"the interaction log at `{error.filename}` cannot be read: {error.strerror}"
                raise Refused(refusal(500, "log_unreadable", message)) from error
            except UNREADABLE as error:
                message = f"the record is damaged: {error}; `arawn interactions verify` names the place"
                raise Refused(refusal(500, "log_unreadable", message)) from error
            return found, len(skipped)
        narrower = "narrow it with `date`, `since` and `until`, or use `arawn interactions` beside the daemon"
        raise Refused(refusal(503, "log_too_long", f"reading the log took longer than {_READ_SECONDS:g} s; {narrower}"))


def _end_if_cancelled(_: Progress) -> None:
    trio.from_thread.check_cancelled()


async def _list(log: LogDoor, call: Call) -> None:
    wanted = wanted_of(call.query_items(), now=datetime.now(UTC), limit=_DEFAULT_LIMIT, most=_MOST)

    def look(reader: LogReader) -> list[Entry]:
        try:
            judged = with_judged(log.directory, wanted, on_progress=_end_if_cancelled)
            return list(reader.newest_first(judged))[::-1]
        except FileNotFoundError:  # the first call makes the directory
            return []

    entries, skipped = await log.read(look)
    await call.respond(_reply([entry.head for entry in entries], skipped))


async def _show(log: LogDoor, call: Call) -> None:
    name = call.path.rpartition("/")[2]

    def look(reader: LogReader) -> Mapping[str, msgspec.Raw]:
        entry = reader.named(name)
        feedback = msgspec.Raw(msgspec.json.encode(reader.feedback_of(entry)))
        values = entry.json_values()
        for value in values.values():  # found as they stand: a damaged byte inside a text is seen here only
            str(value, "utf-8")
        return {**values, "feedback": feedback}

    values, skipped = await log.read_one(look)
    await call.respond(_reply(values, skipped))


async def _judge(runtime: Runtime, log: LogDoor, call: Call) -> None:
    judgement = await call.read_json(Judgement)
    interaction = await log.id_of(call.path.split("/")[2])
    await call.respond(json_reply(201, await runtime.give_feedback(interaction, judgement)))


def _reply(value: object, skipped: int) -> Reply:
    return json_reply(200, value, headers=[(b"x-arawn-log-skipped", b"%d" % skipped)] if skipped else ())
