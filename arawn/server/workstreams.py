"""`/workstreams`: the conversations, their settings and their histories."""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from arawn.config.describe import any_of, ticked
from arawn.errors import BadInput
from arawn.interactions.filters import whole_number
from arawn.server.call import Call, Route
from arawn.server.reply import Refused, json_reply, refusal
from arawn.workstreams.store import WorkstreamState, require_name

if TYPE_CHECKING:
    from arawn.runtime_door import Runtime  # loads the whole runtime, of which the command line needs nothing

__all__ = [
    "PAGING",
    "WORKSTREAM",
    "Removed",
    "WorkstreamChange",
    "WorkstreamSettings",
    "no_workstream",
    "workstream_routes",
]

WORKSTREAM = "/workstreams/{name}"
PAGING = {
    "limit": "How many at most; all of them if it is not given.",
    "after": "Only those behind this name, the last one of the page before.",
}

_MOST = 1000


class WorkstreamSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /workstreams`."""

    name: str
    profile: str | None = None
    system_prompt: str | None = None
    tags: dict[str, str] = {}


class WorkstreamChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The body of `PATCH /workstreams/{name}`: what is not given stays, null takes away."""

    profile: str | msgspec.UnsetType | None = msgspec.UNSET
    system_prompt: str | msgspec.UnsetType | None = msgspec.UNSET
    tags: dict[str, str] | msgspec.UnsetType = msgspec.UNSET
    archived: bool | msgspec.UnsetType = msgspec.UNSET


class Removed(msgspec.Struct, frozen=True):
    """What `DELETE /workstreams/{name}` answers."""

    removed: str


def workstream_routes(runtime: Runtime) -> dict[tuple[str, str], Route]:
    """Return the routes by method and path."""
    return {
        ("GET", "/workstreams"): partial(_list, runtime),
        ("POST", "/workstreams"): partial(_create, runtime),
        ("GET", WORKSTREAM): partial(_show, runtime),
        ("PATCH", WORKSTREAM): partial(_change, runtime),
        ("DELETE", WORKSTREAM): partial(_remove, runtime),
    }


def no_workstream(name: str) -> str:
    """Return the sentence for a workstream that does not exist."""
    return f"there is no workstream `{name}`; the list of workstreams has those there are"


async def _list(runtime: Runtime, call: Call) -> None:
    asked: dict[str, str] = {}
    for name, text in call.query_items():
        if name not in PAGING:
            raise BadInput(f"the list of workstreams has no filter {ticked(name)}; it takes {any_of(PAGING)}")
        if name in asked:
            raise BadInput(f"`{name}` is given twice; give it once")
        asked[name] = text
    limit = whole_number(asked.get("limit"), "limit", 1, _MOST)
    every = await runtime.workstreams(archived=True)
    rest = (one for one in every if one.name > asked.get("after", ""))
    await call.respond(json_reply(200, list(islice(rest, limit))))


async def _create(runtime: Runtime, call: Call) -> None:
    wanted = await call.read_json(WorkstreamSettings)
    await _require_new(runtime, wanted.name)
    conversation = runtime.workstream(wanted.name)
    try:
        await conversation.create(profile=wanted.profile, system_prompt=wanted.system_prompt, tags=wanted.tags)
    except BadInput:
        await _require_new(runtime, wanted.name)  # noqa: ASYNC120  # somebody else may have made it meanwhile
        raise
    await call.respond(json_reply(201, await _stored(runtime, wanted.name)))


async def _show(runtime: Runtime, call: Call) -> None:
    await call.respond(json_reply(200, await _stored(runtime, _name(call))))


async def _change(runtime: Runtime, call: Call) -> None:
    name = _name(call)
    wanted = await call.read_json(WorkstreamChange)
    if not isinstance(wanted.profile, str):  # that would make the workstream if it is new
        await _stored(runtime, name)
    if wanted != WorkstreamChange():
        await runtime.workstream(name).change(**msgspec.structs.asdict(wanted))
    await call.respond(json_reply(200, await _stored(runtime, name)))


async def _remove(runtime: Runtime, call: Call) -> None:
    name = _name(call)
    if not await runtime.workstream(name).remove():
        raise Refused(refusal(404, "not_found", no_workstream(name)))
    await call.respond(json_reply(200, Removed(name)))


async def _require_new(runtime: Runtime, name: str) -> None:
    if await runtime.stored_workstream(require_name(name)) is not None:
        message = f"there is a workstream `{name}` already; change that one, or choose another name"
        raise Refused(refusal(409, "already_exists", message, headers=[(b"x-should-retry", b"false")]))


async def _stored(runtime: Runtime, name: str) -> WorkstreamState:
    state = await runtime.stored_workstream(name)
    if state is None:
        raise Refused(refusal(404, "not_found", no_workstream(name)))
    return state


def _name(call: Call) -> str:
    return require_name(call.path.rpartition("/")[2])
