"""`/interactions`: what the log holds, as `arawn interactions list` and `show` say it, and what somebody thinks of it.

The log is read in a thread, by few at a time and for a bounded time, so that no reader stands in the way of a call.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial

import msgspec

from arawn.interactions.feedback import Judgement
from arawn.interactions.filters import FILTERS, wanted_of
from arawn.interactions.judged import with_judged
from arawn.interactions.reader import LogReader, OnDamage
from arawn.interactions.record import InteractionHead
from arawn.runtime_door import Runtime
from arawn.server.call import Call, Route
from arawn.server.log_door import LogDoor, NoLog, end_if_cancelled
from arawn.server.reply import Reply, json_reply

__all__ = ["FEEDBACK", "FILTERS", "INTERACTION", "interaction_routes"]

INTERACTION = "/interactions/{id}"
FEEDBACK = "/interactions/{id}/feedback"

_DEFAULT_LIMIT = 20
_MOST = 1000


def interaction_routes(runtime: Runtime) -> dict[tuple[str, str], Route]:
    """Return the routes by method and path."""
    log = LogDoor(runtime.log_path)
    reads = {"/interactions": _list, INTERACTION: _show}
    return {
        **{("GET", path): partial(_while_the_client_stays, partial(read, log)) for path, read in reads.items()},
        ("POST", FEEDBACK): partial(_judge, runtime, log),
    }


async def _while_the_client_stays(read: Route, call: Call) -> None:
    await call.beside_client(partial(read, call))


async def _list(log: LogDoor, call: Call) -> None:
    wanted = wanted_of(call.query_items(), now=datetime.now(UTC), limit=_DEFAULT_LIMIT, most=_MOST)

    def look(on_damage: OnDamage) -> list[InteractionHead]:
        judged = with_judged(log.directory, wanted, on_progress=end_if_cancelled)
        return [entry.head for entry in log.reader(on_damage).newest_first(judged)][::-1]

    try:
        found, skipped = await log.read(look)
    except NoLog:
        found, skipped = [], 0
    await call.respond(_reply(found, skipped))


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
