"""Requests that are no completions, sent on as they are to a profile whose provider knows them.

Nothing of them goes into the interaction log, and the profile's own limits and retries do not apply.
"""

from __future__ import annotations

import os
from functools import partial
from typing import Any

import httpx
import msgspec
import trio

from arawn.backends.anthropic import AnthropicDialect
from arawn.backends.connection_failures import from_httpx
from arawn.backends.keys import resolve_key
from arawn.backends.openai import OpenAIDialect
from arawn.backends.presets import PRESETS
from arawn.config.schema import Profile
from arawn.errors import TimedOut
from arawn.server.call import Call, run_beside
from arawn.server.protocol import DialectDoor
from arawn.server.reply import Refused, Reply, refusal
from arawn.server.v1.body import read_body
from arawn.server.v1.origin import origin_of
from arawn.server.v1.target import DialectName, Target, choose_target

__all__ = ["count_tokens", "embed"]

_PASSED_HEADERS = ("retry-after", "retry-after-ms", "x-should-retry")
_FORWARDED_HEADERS = (b"anthropic-beta",)
_SERVERLESS = frozenset(("scripted", "local"))


class ForModel(msgspec.Struct, frozen=True):
    """The one field that is looked at."""

    model: str


async def embed(runtime: DialectDoor, call: Call) -> None:
    """Answer `POST /v1/embeddings`.

    Raises:
        Refused: The profile's provider has no embeddings (404), or the request names no model.
        BackendError: The provider was not reached, or gave no answer in time.
        ClientLeft: There is nobody to answer.

    Checkpoint: always. If cancelled: the connection to the provider is closed.
    """
    await _pass_on(runtime, call, "openai", "/embeddings")


async def count_tokens(runtime: DialectDoor, call: Call) -> None:
    """Answer `POST /v1/messages/count_tokens`; nothing is estimated. All else as for `embed`."""
    await _pass_on(runtime, call, "anthropic", "/v1/messages/count_tokens")


async def _pass_on(runtime: DialectDoor, call: Call, dialect: DialectName, path: str) -> None:
    body = read_body(await call.read_body(), ForModel)
    target = choose_target(body.known.model, origin_of(call.headers).profile, runtime.config)
    profile = runtime.config.profiles[target.routing.profile]
    if target.dialect != dialect or profile.backend in _SERVERLESS:
        what = path.rpartition("/")[2].replace("_", " ")
        message = (
            f"profile `{target.routing.profile}` ({profile.backend}) has no {what} endpoint that Arawn can pass this "
            f"on to, and nothing is estimated; choose a profile whose provider speaks {dialect}"
        )
        raise Refused(refusal(404, "not_found", message))
    sent = {**body.rest, "model": target.model or profile.model or body.known.model}

    async def work() -> None:
        await call.respond(await _post(target, profile, path, sent, call))

    await run_beside(partial(_cancel_when_client_leaves, call), work)


async def _cancel_when_client_leaves(call: Call, scope: trio.CancelScope) -> None:
    await call.wait_client_left()
    scope.cancel(reason="the client left")


async def _post(target: Target, profile: Profile, path: str, body: dict[str, Any], call: Call) -> Reply:
    """Return the provider's own answer, whatever its status."""
    name = target.routing.profile
    preset = PRESETS[profile.backend]
    where = f"profile `{name}` ({profile.backend})"
    key = await resolve_key(name, profile, preset, environ=os.environ)
    dialect = AnthropicDialect() if target.dialect == "anthropic" else OpenAIDialect()
    bearer = preset.bearer if preset.dialect else dialect.name == "openai"
    headers = {"content-type": "application/json", **dialect.headers(key, bearer=bearer), **profile.headers}
    headers |= {
        name.decode(): call.headers[name].decode("latin-1") for name in _FORWARDED_HEADERS if name in call.headers
    }
    url = _joined(profile.base_url or preset.base_url or "", path)
    limits = httpx.Timeout(profile.timeouts.total_s, connect=profile.timeouts.connect_s)
    with trio.move_on_after(profile.timeouts.total_s):
        try:
            async with httpx.AsyncClient(timeout=limits, follow_redirects=False) as client:
                answer = await client.post(url, content=msgspec.json.encode(body), headers=headers)
        except httpx.HTTPError as error:
            raise from_httpx(where, error, connect_s=profile.timeouts.connect_s) from error
        return _reply(answer, key)
    raise TimedOut(f"{where} did not finish within `total_s` = {profile.timeouts.total_s:g} s", which="total")


def _reply(answer: httpx.Response, key: str | None) -> Reply:
    content = answer.content if key is None else answer.content.replace(key.encode(), b"[key]")
    headers = [
        (name.encode(), answer.headers[name].encode("latin-1")) for name in _PASSED_HEADERS if name in answer.headers
    ]
    content_type = answer.headers.get("content-type", "application/json").encode("latin-1")
    return Reply(answer.status_code, content, headers, content_type)


def _joined(base_url: str, path: str) -> str:
    """Return where to post; a version that both parts name counts once."""
    base = base_url.rstrip("/")
    return (base.removesuffix("/v1") if path.startswith("/v1/") else base) + path
