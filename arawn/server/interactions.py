"""`GET /interactions` and `GET /interactions/{id}`: what the log holds, as `arawn interactions list` and `show` say it.

The log is read in a thread, by few at a time and for a bounded time, so that no reader stands in the way of a call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar, get_args

import msgspec
import trio

from arawn.config.describe import suggestion, ticked
from arawn.errors import BadInput
from arawn.interactions.filters import Filters, time_window
from arawn.interactions.heads import UNREADABLE
from arawn.interactions.reader import Damage, Entry, LogReader
from arawn.interactions.record import Status
from arawn.interactions.scan import Progress
from arawn.interactions.zones import zone_of
from arawn.server.call import Call, Route
from arawn.server.reply import Refused, Reply, json_reply, refusal

__all__ = ["FILTERS", "INTERACTION", "LogDoor", "interaction_routes", "wanted_of"]

INTERACTION = "/interactions/{id}"
FILTERS = {
    "date": "One day, such as `2026-07-01`, `today` or `yesterday`.",
    "since": "From this moment, such as `1h` ago or `2026-07-01T12:00`.",
    "until": "Up to this moment.",
    "tz": "The time zone of dates.",
    "workstream": "Only of this workstream.",
    "session": "Only of this session.",
    "profile": "Only of this profile.",
    "model": "Only of this model.",
    "status": "Only those that ended so.",
    "tool": "Only those that called this tool.",
    "tag": "Only those with this tag, as `key=value`; may come repeatedly.",
    "min_duration": "Only those that took at least so many milliseconds.",
    "has_error": "`true` for only those with an error.",
    "limit": "How many at most.",
}

_DEFAULT_LIMIT = 20
_MOST = 1000
_READ_SECONDS = 30.0
_READERS = 2  # threads that read at the same time; others wait

T = TypeVar("T")


def interaction_routes(log_path: Path | None) -> dict[tuple[str, str], Route]:
    """Return the routes by method and path.

    Args:
        log_path: The directory of the log; None when it is off.
    """
    log = LogDoor(log_path)
    return {("GET", "/interactions"): partial(_list, log), ("GET", INTERACTION): partial(_show, log)}


def wanted_of(query: list[tuple[str, str]], *, now: datetime) -> Filters:
    """Return what a query asks for; its names are the options of `arawn interactions list`.

    Args:
        query: Names and values; `tag` is `key=value` and may come repeatedly.
        now: With a time zone.

    Raises:
        BadInput: A name or a value is none of those accepted.
    """
    values: dict[str, str] = {}
    tags: dict[str, str] = {}
    for name, value in query:
        if name == "tag":
            tags.update([_tag(value)])
        elif name not in FILTERS:
            accepted = ", ".join(map(ticked, FILTERS))
            raise BadInput(f"there is no filter {ticked(name)}{suggestion(name, FILTERS)}; accepted: {accepted}")
        elif name in values:
            raise BadInput(f"the filter `{name}` is given twice; only `tag` may be")
        else:
            values[name] = value
    times = {key: values.pop(name, None) for name, key in (("date", "on"), ("since", "since"), ("until", "until"))}
    start, end = time_window(**times, zone=zone_of(values.pop("tz", None) or None), now=now)
    return Filters(
        start=start,
        end=end,
        tags=tags,
        status=_one_of(values.pop("status", None), "status", get_args(Status)),
        has_error=_one_of(values.pop("has_error", None), "has_error", ("true", "false")) == "true",
        min_duration_ms=_number(values.pop("min_duration", None), "min_duration", 0, 10**12),
        limit=_number(values.pop("limit", str(_DEFAULT_LIMIT)), "limit", 1, _MOST),
        **values,
    )


def _tag(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise BadInput(f"{ticked(text)} is no tag; write it as `tag=key=value`")
    return key, value


def _one_of(text: str | None, name: str, accepted: tuple[str, ...]) -> str | None:
    if text is None or text in accepted:
        return text
    raise BadInput(f"`{name}` is {ticked(text)}; it must be one of {', '.join(map(ticked, accepted))}")


def _number(text: str | None, name: str, least: int, most: int) -> int | None:
    if text is None:
        return None
    if text.isascii() and text.isdecimal() and len(text) <= len(str(most)) and least <= int(text) <= most:
        return int(text)
    raise BadInput(f"`{name}` is {ticked(text)}; it must be a whole number from {least} to {most}")


class LogDoor:
    """The log as routes read it; the directory is None when it is off."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._readers = trio.CapacityLimiter(_READERS)

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
        if self._directory is None:
            raise BadInput("the interaction log is off; set `logging.interactions.enabled` to have one")
        skipped: list[Damage] = []
        reader = LogReader(self._directory, on_damage=skipped.append, on_progress=_end_if_cancelled)
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
    wanted = wanted_of(call.query_items(), now=datetime.now(UTC))

    def look(reader: LogReader) -> list[Entry]:
        try:
            return list(reader.newest_first(wanted))[::-1]
        except FileNotFoundError:  # the first call makes the directory
            return []

    entries, skipped = await log.read(look)
    await call.respond(_reply([entry.head for entry in entries], skipped))


async def _show(log: LogDoor, call: Call) -> None:
    name = call.path.rpartition("/")[2]

    def look(reader: LogReader) -> Mapping[str, msgspec.Raw]:
        entry = reader.named(name)
        feedback = msgspec.Raw(msgspec.json.encode(reader.feedback_of(entry)))
        return {**entry.json_values(), "feedback": feedback}

    values, skipped = await log.read_one(look)
    await call.respond(_reply(values, skipped))


def _reply(value: object, skipped: int) -> Reply:
    return json_reply(200, value, headers=[(b"x-arawn-log-skipped", b"%d" % skipped)] if skipped else ())
