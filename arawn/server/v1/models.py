"""`GET /v1/models`: the profiles, in the shape that the client's headers ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from arawn.config.describe import ticked
from arawn.runtime_door import Runtime
from arawn.server.call import Call
from arawn.server.reply import json_reply
from arawn.server.v1.body import odd
from arawn.server.v1.envelope import called_dialect, request_id_header
from arawn.server.v1.target import DialectName, choose_target

__all__ = ["MODEL", "list_models", "show_model"]

MODEL = "/v1/models/{id}"

_MOST = 1000
_UNKNOWN_DATE = "1970-01-01T00:00:00Z"  # what the dialect says of a model whose age is not known


async def list_models(runtime: Runtime, call: Call) -> None:
    """Answer with the profiles: all on one page, unless the query asks for a part of them.

    Raises:
        Refused: The query asks for a page that cannot be (400).

    Checkpoint: always. If cancelled: a part may have been sent.
    """
    dialect = called_dialect(call.path, call.headers)
    names, has_more = _page(sorted(runtime.config.profiles), dict(call.query_items()))
    models = [_model(runtime, name, name, dialect) for name in names]
    if dialect == "anthropic":
        ends = {"first_id": names[0], "last_id": names[-1]} if names else {"first_id": None, "last_id": None}
        said = {"data": models, "has_more": has_more, **ends}
    else:
        said = {"object": "list", "data": models}
    await call.respond(json_reply(200, said, headers=request_id_header(dialect, call.request_id)))


def _page(names: Sequence[str], query: Mapping[str, str]) -> tuple[Sequence[str], bool]:
    """Return the part of `names` that `limit`, `after_id` and `before_id` ask for, and whether more follow that way."""
    limit = query.get("limit", str(_MOST))
    if not (limit.isascii() and limit.isdecimal() and len(limit) <= 4 and 1 <= int(limit) <= _MOST):
        raise odd(f"`limit` is {ticked(limit)}; it must be a whole number from 1 to {_MOST}")
    for end in ("after_id", "before_id"):
        if end in query and query[end] not in names:
            raise odd(f"`{end}` is {ticked(query[end])}, which is no profile's name; leave it out for the first page")
    if "before_id" in query:
        before = names[: names.index(query["before_id"])]
        return before[-int(limit) :], len(before) > int(limit)
    rest = names[names.index(query["after_id"]) + 1 :] if "after_id" in query else names
    return rest[: int(limit)], len(rest) > int(limit)


async def show_model(runtime: Runtime, call: Call) -> None:
    """Answer with the profile that a model's name means.

    Raises:
        Refused: It means none (404).

    Checkpoint: always. If cancelled: a part may have been sent.
    """
    name = call.path.removeprefix("/v1/models/")
    target = choose_target(name, None, runtime.config)
    dialect = called_dialect(call.path, call.headers)
    shape = _model(runtime, name, target.routing.profile, dialect)
    await call.respond(json_reply(200, shape, headers=request_id_header(dialect, call.request_id)))


def _model(runtime: Runtime, name: str, profile_name: str, dialect: DialectName | None) -> dict[str, Any]:
    profile = runtime.config.profiles[profile_name]
    if dialect == "anthropic":
        shown = f"{profile_name}: {profile.model}" if profile.model else profile_name
        dates = {"created_at": _UNKNOWN_DATE, "lifecycle": "active"}
        return {"type": "model", "id": name, "display_name": shown, **dates}
    return {"id": name, "object": "model", "created": 0, "owned_by": profile.backend}
