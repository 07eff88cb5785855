"""`/interactions`: what the log holds, as `arawn interactions` says it, and what somebody thinks of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec

from arawn.config.describe import ticked
from arawn.errors import BadInput
from arawn.interactions.entry import chosen_values
from arawn.interactions.feedback import Judgement
from arawn.interactions.fields import field_values, parse_fields
from arawn.interactions.filters import FILTERS, Filters, one_of, wanted_of
from arawn.interactions.hits import hit_values, newest_hits, unsearched
from arawn.interactions.judged import with_judged
from arawn.interactions.reader import Damage, LogReader, OnDamage
from arawn.interactions.report import dimensions_of, figures_of, largest, report_values
from arawn.interactions.search import Place, Query
from arawn.interactions.stats import DIMENSIONS, Stats
from arawn.interactions.zones import zone_of
from arawn.runtime_door import Runtime
from arawn.server.call import Call, Route
from arawn.server.log_door import LogDoor, end_if_cancelled, newest_last
from arawn.server.reply import Reply, json_reply

__all__ = [
    "COUNTED",
    "FEEDBACK",
    "INTERACTION",
    "LISTED",
    "SEARCH",
    "SEARCHED",
    "SHOWN",
    "STATS",
    "Found",
    "interaction_routes",
]

INTERACTION = "/interactions/{id}"
FEEDBACK = "/interactions/{id}/feedback"
STATS = "/interactions/stats"
SEARCH = "/interactions/search"

_DEFAULT_LIMIT = 20
_MOST = 1000
_MOST_GROUPS = 10_000
_FIELDS = {"fields": "Only these fields, by dotted paths with commas between, such as `id,tags.team`."}
SHOWN = _FIELDS
LISTED = {**FILTERS, **_FIELDS}
SEARCHED = {
    "q": "The text; without it, every call that the filters choose is found.",
    "ignore_case": "`true` where upper and lower case are the same.",
    **LISTED,
}
COUNTED = {
    "by": f"What calls are grouped by, with commas between: {', '.join(DIMENSIONS)}; `model` if it is not given.",
    **FILTERS,
    "limit": "The groups with the most calls, at most so many; all of them if it is not given.",
    "fields": "Only these figures, with commas between, such as `calls,duration_ms.p95`.",
}


class Found(msgspec.Struct, frozen=True):
    """One hit of a search: the call, and each place in it where the text was found."""

    id: str
    timestamp: str
    places: tuple[Place, ...]


def interaction_routes(runtime: Runtime) -> dict[tuple[str, str], Route]:
    """Return the routes by method and path."""
    log = LogDoor(runtime.log_path, lambda: runtime.status().log.health, runtime.log_is_behind)
    reads = {"/interactions": _list, STATS: _stats, SEARCH: _search, INTERACTION: _show}
    return {
        **{("GET", path): partial(_while_the_client_stays, partial(read, log)) for path, read in reads.items()},
        ("POST", FEEDBACK): partial(_judge, runtime, log),
    }


async def _while_the_client_stays(read: Route, call: Call) -> None:
    await call.beside_client(partial(read, call))


async def _list(log: LogDoor, call: Call) -> None:
    wanted, asked = _asked(call, LISTED, limit=_DEFAULT_LIMIT)
    paths = parse_fields(asked["fields"]) if "fields" in asked else ()

    def look(on_damage: OnDamage) -> list[msgspec.Raw]:
        judged = with_judged(log.directory, wanted, on_progress=end_if_cancelled)
        entries = log.reader(on_damage).newest_first(judged)
        if paths:
            return newest_last(chosen_values(entry, paths, on_damage=on_damage) for entry in entries)
        return newest_last(entry.head for entry in entries)

    await call.respond(_reply(*await log.read(look)))


async def _stats(log: LogDoor, call: Call) -> None:
    wanted, asked = _asked(call, COUNTED, most=_MOST_GROUPS)
    dimensions = dimensions_of(asked.get("by", "model"))
    figures = figures_of(asked["fields"]) if "fields" in asked else ()
    zone = zone_of(dict(call.query_items()).get("tz"))
    stats = partial(Stats, dimensions, zone=zone, most_groups=_MOST_GROUPS)

    def look(on_damage: OnDamage) -> dict[str, Any]:
        counted = stats(with_judged(log.directory, wanted, on_progress=end_if_cancelled))
        for _, _, head in log.reader(on_damage).lines(counted.wanted):
            counted.add(head)
        return report_values(largest(counted.report(), wanted.limit), figures)

    await call.respond(_reply(*await log.read(look)))


async def _search(log: LogDoor, call: Call) -> None:
    wanted, asked = _asked(call, SEARCHED, limit=_DEFAULT_LIMIT)
    paths = parse_fields(asked["fields"]) if "fields" in asked else ()
    ignore_case = one_of(asked.get("ignore_case"), "ignore_case", ("true", "false")) == "true"
    query = Query(asked["q"], ignore_case=ignore_case) if "q" in asked else None
    if query is None and ignore_case:
        raise BadInput("`ignore_case` needs a text to search for: give it as `q`")

    def look(on_damage: OnDamage) -> list[msgspec.Raw]:
        judged = with_judged(log.directory, wanted, on_progress=end_if_cancelled)
        hits = newest_hits(log.directory, query, judged, on_damage=on_damage, on_progress=end_if_cancelled)
        values = partial(hit_values, log.directory, paths=paths, on_damage=on_damage, on_progress=end_if_cancelled)
        found = newest_last(map(values, hits))
        for name in unsearched(log.directory) if query is not None else ():
            on_damage(Damage(name, 0, "no call can be read in it"))
        return found

    await call.respond(_reply(*await log.read(look)))


def _asked(
    call: Call, names: Collection[str], *, limit: int | None = None, most: int = _MOST
) -> tuple[Filters, dict[str, str]]:
    """Return the filters of a query, and what it asks beside them, of `names`."""
    asked: dict[str, str] = {}
    filters: list[tuple[str, str]] = []
    for name, text in call.query_items():
        if name in FILTERS or name not in names:
            filters.append((name, text))
        elif name in asked:
            raise BadInput(f"`{name}` is given twice; give it once")
        else:
            asked[name] = text
    beside = [name for name in names if name not in FILTERS]
    return wanted_of(filters, now=datetime.now(UTC), limit=limit, most=most, beside=beside), asked


async def _show(log: LogDoor, call: Call) -> None:
    name = call.path.rpartition("/")[2]
    paths = _fields_of_one(call)

    def look(reader: LogReader) -> Mapping[str, Any]:
        entry = reader.named(name)
        judged = reader.feedback_of(entry)
        if paths:
            return field_values(msgspec.to_builtins(entry.record()) | {"feedback": msgspec.to_builtins(judged)}, paths)
        feedback = msgspec.Raw(msgspec.json.encode(judged))
        values = entry.json_values()
        for value in values.values():  # found as they stand: a damaged byte inside a text is seen here only
            str(value, "utf-8")
        return {**values, "feedback": feedback}

    await call.respond(_reply(*await log.read_one(look)))


def _fields_of_one(call: Call) -> tuple[str, ...]:
    """Return the fields of one call that a query asks for; none if it asks for all."""
    asked = call.query_items()
    for name, _ in asked:
        if name not in SHOWN:
            raise BadInput(f"{ticked(name)} cannot be asked of one call; accepted: `fields`")
    if asked[1:]:
        raise BadInput("`fields` is given twice; give it once")
    return parse_fields(asked[0][1], more=("feedback",)) if asked else ()


async def _judge(runtime: Runtime, log: LogDoor, call: Call) -> None:
    judgement = await call.read_json(Judgement)
    interaction = await log.id_of(call.path.split("/")[2])
    await call.respond(json_reply(201, await runtime.give_feedback(interaction, judgement)))


def _reply(value: object, skipped: int) -> Reply:
    return json_reply(200, value, headers=[(b"x-arawn-log-skipped", b"%d" % skipped)] if skipped else ())
