"""Requests that are no completions, passed on as they are to a profile whose provider knows them.

They are calls as any other: within the profile's limits, tried again where that can help, counted, and recorded. The
tag `endpoint` of the record says what was asked; what the provider has answered is not in it.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Never

import msgspec

from arawn.config.schema import Profile
from arawn.messages import CompletionRequest, CompletionResponse, Message, Text
from arawn.runtime_door import Runtime
from arawn.server.call import Call
from arawn.server.reply import Refused, refusal
from arawn.server.v1.answering import Question, answer, as_said, target_of
from arawn.server.v1.anthropic_messages_in import read_messages, translate_messages
from arawn.server.v1.body import Translated, read_body
from arawn.server.v1.origin import origin_of
from arawn.server.v1.target import DialectName, Target

__all__ = ["EmbeddingsBody", "count_tokens", "embed"]

_SERVERLESS = frozenset(("scripted", "local"))


class EmbeddingsBody(msgspec.Struct, frozen=True):
    """What is looked at of an embeddings request; whether the input will do is for the provider to say."""

    model: str
    input: Any = None


async def embed(runtime: Runtime, call: Call) -> None:
    """Answer `POST /v1/embeddings`.

    Raises:
        Refused: The profile's provider has no embeddings (404), or it is no such request.
        BackendError: The call failed.
        ClientLeft: There is nobody to answer.

    Checkpoint: always. If cancelled: the call to the provider is cancelled.
    """
    sent = await call.read_body()
    read = read_body(sent, EmbeddingsBody)
    body = read.known
    target = await _target(runtime, call, body.model, "openai", "embeddings")
    texts = body.input if isinstance(body.input, list) else [] if body.input is None else [body.input]
    said = tuple(Text(text if isinstance(text, str) else "[tokens]") for text in texts)
    request = CompletionRequest(messages=(Message("user", said),), model=target.model, extra=dict(read.rest))
    await _pass_on(
        runtime, call, target, as_said(Translated(request), "openai", sent, call, "/embeddings"), "embeddings"
    )


async def count_tokens(runtime: Runtime, call: Call) -> None:
    """Answer `POST /v1/messages/count_tokens`; nothing is estimated. All else as for `embed`."""
    sent = await call.read_body()
    body = read_messages(sent)
    target = await _target(runtime, call, body.known.model, "anthropic", "count_tokens")
    said = translate_messages(body, target)
    path = "/v1/messages/count_tokens"
    await _pass_on(runtime, call, target, as_said(said, "anthropic", sent, call, path), "count_tokens")


async def _target(runtime: Runtime, call: Call, model: str, dialect: DialectName, endpoint: str) -> Target:
    """Return the profile to ask; which one it is does not depend on what is said, so `[routing]` has no say."""
    target = await target_of(runtime, origin_of(call.headers), model)
    name = target.routing.profile
    if target.dialect != dialect or runtime.config.profiles[name].backend in _SERVERLESS:
        raise _no_endpoint(name, runtime.config.profiles[name], dialect, endpoint)
    hint = None if target.routing.reason == "Workstream" else name
    return msgspec.structs.replace(target, hint=hint, open=False, common=True)


async def _pass_on(runtime: Runtime, call: Call, target: Target, request: CompletionRequest, endpoint: str) -> None:
    origin = origin_of(call.headers)
    origin = msgspec.structs.replace(origin, tags={**origin.tags, "endpoint": endpoint})
    dialect: DialectName = target.dialect or "openai"
    profile = runtime.config.profiles[target.routing.profile]
    fault = _no_endpoint(target.routing.profile, profile, dialect, endpoint)
    await answer(runtime, call, Question(dialect, request, target, origin, (), partial(_refuse, fault)))


def _refuse(fault: Refused, _: CompletionResponse) -> Never:
    """Refuse an answer that is not the provider's own: since the profile was chosen it has become another."""
    raise fault


def _no_endpoint(name: str, profile: Profile, dialect: DialectName, endpoint: str) -> Refused:
    local = ": its model server is started for completions alone" if profile.backend == "local" else ""
    message = (
        f"profile `{name}` ({profile.backend}) has no {endpoint.replace('_', ' ')} endpoint that Arawn can pass this "
        f"on to{local}, and nothing is estimated; choose the profile of a provider that speaks {dialect}"
    )
    return Refused(refusal(404, "not_found", message))
