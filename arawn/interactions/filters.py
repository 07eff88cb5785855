"""Which interactions are wanted. Pure."""

from __future__ import annotations

import re
import string
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import get_args

import msgspec

from arawn.config.describe import suggestion, ticked
from arawn.errors import BadInput
from arawn.interactions.record import InteractionHead, Status, timestamp_text
from arawn.interactions.zones import zone_of

__all__ = [
    "FAILED",
    "FILTERS",
    "Filters",
    "days_of_id",
    "matches",
    "one_of",
    "time_window",
    "wanted_of",
    "whole_number",
]

FAILED = ("error", "partial")  # the statuses of a call that failed; one that was cancelled did not
FILTERS = {
    "date": "One day, such as `2026-07-01`, `today` or `yesterday`.",
    "since": "From this moment, such as `1h` ago or `2026-07-01T12:00`.",
    "until": "Up to this moment.",
    "tz": "The time zone of dates.",
    "workstream": "Only of this workstream.",
    "session": "Only of this session.",
    "call": "Only attempts of the call with this `call_id`.",
    "profile": "Only of this profile.",
    "model": "Only of this model, asked for or answering.",
    "status": "Only those that ended so.",
    "tool": "Only those that called this tool.",
    "tag": "Only those with this tag, as `key=value`; may come repeatedly.",
    "min_duration": "Only those that took at least so many milliseconds.",
    "has_error": "`true` for only those with an error.",
    "label": "Only those whose last feedback is this; may come repeatedly, for any of them.",
    "limit": "How many at most.",
}

_LARGEST = 10**12  # of a number; far beyond what any call took, or any log holds
_AGO = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)([smhdw])", re.ASCII | re.IGNORECASE)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:\d\d)?", re.ASCII)
_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """What an interaction must be to be shown; None asks nothing.

    `start` (inclusive) and `end` (exclusive) are timestamps as the log writes them; `time_window` makes them. `model`
    is the one asked for or the one that answered; `call` is a `call_id`, of all attempts of one call.
    `judged` are the ids whose last feedback has one of `labels`; `with_judged` finds them. `limit` counts interactions
    shown.
    """

    start: str | None = None
    end: str | None = None
    workstream: str | None = None
    session: str | None = None
    call: str | None = None
    profile: str | None = None
    model: str | None = None
    status: str | None = None
    tool: str | None = None
    tags: dict[str, str] = {}
    min_duration_ms: int | None = None
    has_error: bool = False
    labels: Collection[str] = ()
    judged: Collection[str] = frozenset()
    limit: int | None = None


def matches(head: InteractionHead, wanted: Filters) -> bool:
    """Say whether `head` is what is wanted, `limit` apart."""
    return (
        (wanted.start is None or head.timestamp >= wanted.start)
        and (wanted.end is None or head.timestamp < wanted.end)
        and (wanted.workstream is None or head.workstream == wanted.workstream)
        and (wanted.session is None or head.session_id == wanted.session)
        and (wanted.call is None or head.call_id == wanted.call)
        and (wanted.profile is None or head.profile == wanted.profile)
        and (wanted.model is None or wanted.model in (head.model_used, head.model_requested))
        and (wanted.status is None or head.status == wanted.status)
        and (wanted.tool is None or any(call.tool_name == wanted.tool for call in head.tool_calls))
        and all(head.tags.get(key) == value for key, value in wanted.tags.items())
        and (wanted.min_duration_ms is None or head.duration_ms >= wanted.min_duration_ms)
        and (not wanted.has_error or head.status in FAILED)
        and (not wanted.labels or head.id in wanted.judged)
    )


def wanted_of(
    asked: Iterable[tuple[str, str]],
    *,
    now: datetime,
    limit: int | None = None,
    most: int = _LARGEST,
    beside: Iterable[str] = (),
) -> Filters:
    """Return what is asked for by names and values, as a person or a query gives them.

    Args:
        asked: Names of `FILTERS` and texts; `tag` (`key=value`) and `label` may come repeatedly.
        now: With a time zone.
        limit: How many are shown where `asked` does not say it.
        most: The largest `limit` that may be asked for.
        beside: What else can be asked there, to be named to who asks for what cannot.

    Raises:
        BadInput: A name or a value is none of those accepted.
    """
    texts: dict[str, list[str]] = {}
    for name, text in asked:
        texts.setdefault(name, []).append(text)
    tags, labels = texts.pop("tag", []), texts.pop("label", [])
    given = {name: _only(name, each, (*FILTERS, *beside)) for name, each in texts.items()}
    times = {key: given.pop(name, None) for name, key in (("date", "on"), ("since", "since"), ("until", "until"))}
    start, end = time_window(**times, zone=zone_of(given.pop("tz", None)), now=now)
    return Filters(
        start=start,
        end=end,
        tags=_tags(tags),
        labels=tuple(labels),
        call=given.pop("call", "").lower() or None,
        status=one_of(given.pop("status", None), "status", get_args(Status)),
        has_error=one_of(given.pop("has_error", None), "has_error", ("true", "false")) == "true",
        min_duration_ms=whole_number(given.pop("min_duration", None), "min_duration", 0, _LARGEST),
        limit=whole_number(given.pop("limit", None), "limit", 1, most) or limit,
        **given,
    )


def _only(name: str, texts: list[str], accepted: Sequence[str]) -> str:
    if name not in FILTERS:
        names = ", ".join(map(ticked, accepted))
        raise BadInput(f"there is no filter {ticked(name)}{suggestion(name, accepted)}; accepted: {names}")
    if texts[1:]:
        raise BadInput(f"the filter `{name}` is given twice; only `tag` and `label` may be")
    return texts[0]


def whole_number(text: str | None, name: str, least: int, most: int) -> int | None:
    """Return the number that `text`, the value of `name`, is; None if it is not given.

    Raises:
        BadInput: It is none, or not from `least` to `most`.
    """
    if text is None:
        return None
    if text.isascii() and text.isdecimal() and len(text) <= len(str(most)) and least <= int(text) <= most:
        return int(text)
    raise BadInput(f"`{name}` is {ticked(text)}; it must be a whole number from {least} to {most}")


def one_of(text: str | None, name: str, accepted: tuple[str, ...]) -> str | None:
    """Return `text`, the value of `name`; None if it is not given.

    Raises:
        BadInput: It is none of those accepted.
    """
    if text is None or text in accepted:
        return text
    raise BadInput(f"`{name}` is {ticked(text)}; it must be one of {', '.join(map(ticked, accepted))}")


def _tags(texts: Sequence[str]) -> dict[str, str]:
    """Return values by keys, one of which a program may have left empty."""
    tags: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise BadInput(f"`tag` is {ticked(text)}; it must be `key=value`")
        if key in tags:
            raise BadInput(f"the tag {ticked(key)} is asked for twice; a call has one value of it")
        tags[key] = value
    return tags


def days_of_id(id_prefix: str) -> tuple[str, str]:
    """Return the first and last day (UTC) of the files in which an id with this beginning stands, if all clocks agree.

    A UUIDv7 begins with its millisecond. A beginning that is too short to say it, or none, can be of any day.
    """
    digits = id_prefix.replace("-", "")[:12]
    if len(digits) < 12 or not all(digit in string.hexdigits for digit in digits):
        return "", "9"
    try:
        day = datetime.fromtimestamp(int(digits, 16) / 1000, UTC).date()
        return (day - timedelta(days=1)).isoformat(), (day + timedelta(days=1)).isoformat()
    except (ValueError, OverflowError):  # far in the future: no id of this log
        return "", "9"


def time_window(
    *, on: str | None = None, since: str | None = None, until: str | None = None, zone: tzinfo, now: datetime
) -> tuple[str | None, str | None]:
    """Return `Filters.start` and `Filters.end` for what a person typed.

    Args:
        on: One day, `YYYY-MM-DD`, `today` or `yesterday`, from midnight to midnight in `zone`.
        since, until: A day as for `on` (`until` includes all of it), a time `YYYY-MM-DDTHH:MM[:SS[.ffffff]]` (or with
            a space in the middle) and `Z`, `+HH:MM` or nothing behind it, `now`, or an age: a number, perhaps with a
            fraction, and `s`, `m`, `h`, `d` or `w`.
        zone: Where days begin, and where times without an offset are read. A time that its clocks showed twice, since
            they were set back, is the first; one that they never showed is when they were set past it.
        now: With a time zone.

    Raises:
        BadInput: A text is none of these, or the end does not come after the beginning.
    """
    typed = {"date": on, "since": since, "until": until}
    asked = ", ".join(f"{name} {ticked(text)}" for name, text in typed.items() if text is not None)
    try:
        start, end = _window(on, since, until, zone, now)
    except OverflowError:
        raise BadInput(
            f"{asked}: in UTC, this is before the year 1 or after the year 9999; give a time in between"
        ) from None
    if start is not None and end is not None and end <= start:
        raise BadInput(
            f"{asked}: nothing is both from {start} on and before {end}: the beginning asked for is not before the end"
        )
    return start, end


def _window(
    on: str | None, since: str | None, until: str | None, zone: tzinfo, now: datetime
) -> tuple[str | None, str | None]:
    if on is not None and _named_day(on, zone, now) is None:
        raise BadInput(f"`date` is {ticked(on)}, which is no day; write it as `2026-01-28`, `today` or `yesterday`")
    starts = [_moment("since", text, zone, now, timedelta(0)) for text in (on, since) if text is not None]
    ends = [_moment("until", text, zone, now, timedelta(days=1)) for text in (on, until) if text is not None]
    return _bound(max, starts), _bound(min, ends)


def _bound(choose: Callable[[Iterable[datetime]], datetime], moments: Sequence[datetime]) -> str | None:
    in_order = [moment.astimezone(UTC) for moment in moments]  # two of one zone compare by what clocks show
    return timestamp_text(choose(in_order)) if in_order else None


def _named_day(text: str, zone: tzinfo, now: datetime) -> date | None:
    today = now.astimezone(zone).date()
    if text.lower() in ("today", "yesterday"):
        return today - timedelta(days=1 if text.lower() == "yesterday" else 0)
    try:
        return date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        return None


def _midnight(day: date, zone: tzinfo) -> datetime:
    return _first(datetime.combine(day, time(), zone))


def _first(shown: datetime) -> datetime:
    """Return the first moment at which clocks of its zone show that time; if they were set past it, that moment."""
    before, after = shown.utcoffset(), shown.replace(fold=1).utcoffset()
    if before is None or after is None or before >= after:
        return shown
    time_shown = shown.replace(tzinfo=None)
    begin = shown.replace(fold=1, microsecond=0).astimezone(UTC)  # shortly before the change

    def clocks(seconds: int) -> datetime:
        return (begin + timedelta(seconds=seconds)).astimezone(shown.tzinfo).replace(tzinfo=None)

    skipped = int((after - before).total_seconds())
    return begin + timedelta(seconds=bisect_left(range(skipped), time_shown, key=clocks))


def _moment(name: str, text: str, zone: tzinfo, now: datetime, whole_day: timedelta) -> datetime:
    """Return the moment that `text` names; a day is its first midnight, plus `whole_day`."""
    if text.lower() == "now":
        return now
    if (ago := _AGO.fullmatch(text)) is not None:
        return now - timedelta(seconds=float(ago[1]) * _UNIT_SECONDS[ago[2].lower()])
    if (day := _named_day(text, zone, now)) is not None:
        return _midnight(day + whole_day, zone)
    try:
        moment = datetime.fromisoformat(text) if _TIME.fullmatch(text) else None
    except ValueError:
        moment = None
    if moment is None:
        raise BadInput(
            f"`{name}` is {ticked(text)}, which is no time; write it as `2026-01-28`, `today`, `yesterday`, "
            "`2026-01-28T14:30`, `now`, or an age such as `90s`, `15m`, `1.5h`, `3d`, `1w`"
        )
    return moment if moment.tzinfo else _first(moment.replace(tzinfo=zone))
