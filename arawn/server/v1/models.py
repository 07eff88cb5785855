"""`GET /v1/models`: the profiles, in the shape that the client's headers ask for."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from arawn.server.call import Call
from arawn.server.protocol import DialectDoor
from arawn.server.reply import json_reply
from arawn.server.v1.envelope import called_dialect
from arawn.server.v1.target import DialectName, choose_target

__all__ = ["MODEL", "list_models", "show_model"]

MODEL = "/v1/models/{id}"

_UNKNOWN_DATE = "1970-01-01T00:00:00Z"  # what the dialect says of a model whose age is not known


async def list_models(runtime: DialectDoor, call: Call) -> None:
    """Answer with every profile: all on one page, whatever the query asks for.

    Checkpoint: always. If cancelled: a part may have been sent.
    """
    dialect = called_dialect(call.path, call.headers)
    names = sorted(runtime.config.profiles)
    models = [_model(runtime, name, name, dialect) for name in names]
    if dialect == "anthropic":
        ends = {"first_id": names[0], "last_id": names[-1]} if names else {"first_id": None, "last_id": None}
        await call.respond(json_reply(200, {"data": models, "has_more": False, **ends}))
    else:
        await call.respond(json_reply(200, {"object": "list", "data": models}))


async def show_model(runtime: DialectDoor, call: Call) -> None:
    """Answer with the profile that a model's name means.

    Raises:
        Refused: It means none (404).

    Checkpoint: always. If cancelled: a part may have been sent.
    """
    name = unquote(call.path.removeprefix("/v1/models/"))
    target = choose_target(name, None, runtime.config)
    shape = _model(runtime, name, target.routing.profile, called_dialect(call.path, call.headers))
    await call.respond(json_reply(200, shape))


def _model(runtime: DialectDoor, name: str, profile_name: str, dialect: DialectName | None) -> dict[str, Any]:
    profile = runtime.config.profiles[profile_name]
    if dialect == "anthropic":
        shown = f"{profile_name}: {profile.model}" if profile.model else profile_name
        dates = {"created_at": _UNKNOWN_DATE, "lifecycle": "active"}
        return {"type": "model", "id": name, "display_name": shown, **dates}
    return {"id": name, "object": "model", "created": 0, "owned_by": profile.backend}
