"""`POST /routing/explain`: which profile a request would go to, and why; nothing is sent to a model."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import Any, Protocol, runtime_checkable

import msgspec

from arawn.config.schema import Config
from arawn.messages import CompletionRequest, RoutingMetadata, user
from arawn.routing.explain import Explanation
from arawn.server.call import Call
from arawn.server.native import ChatRequest
from arawn.server.operation import Answer, Operation, Operations, Parameter
from arawn.server.reply import ErrorBody, Refused, json_reply
from arawn.server.v1.anthropic_messages_in import read_messages, translate_messages
from arawn.server.v1.body import odd, read_body
from arawn.server.v1.openai_chat_in import read_chat, translate_chat
from arawn.server.v1.origin import origin_of
from arawn.server.v1.responses_in import read_responses, translate_responses
from arawn.server.v1.target import Target

__all__ = ["ROUTING_OPERATIONS", "Asked", "asked", "routing_routes"]

Route = Callable[[Call], Awaitable[None]]

ROUTING_OPERATIONS: Operations = {
    ("POST", "/routing/explain"): Operation(
        summary="Which profile a request would go to, and why; the body is that of `/chat` or of a route under `/v1`",
        body=dict[str, Any],
        answers={200: Answer("The decision, and what every rule says.", Explanation)},
        parameters=(Parameter("x-arawn-profile", "header", "As if the call had named this profile."),),
        error=ErrorBody,
        errors=(400, 413, 500, 503),
    )
}

_ANY = Target(None, None, "", RoutingMetadata("", ""), None)  # takes the fields of every dialect
_ABSENT = {"model": "auto", "max_tokens": 1}  # what a dialect wants and no choice of a profile depends on


class _Anything(msgspec.Struct, frozen=True):
    """An object of any fields."""


class Asked(msgspec.Struct, frozen=True):
    """What a body of any dialect asks, and what it says of the profile: the hint, and the conversation it is for."""

    request: CompletionRequest
    hint: str | None = None
    workstream: str | None = None


@runtime_checkable
class RoutingDoor(Protocol):
    """What this route needs of the runtime."""

    @property
    def config(self) -> Config:
        """The configuration that the runtime runs by."""
        ...

    async def explain_routing(
        self, request: CompletionRequest, *, profile: str | None = None, workstream: str | None = None
    ) -> Explanation:
        """Return which profile would take the call, and why."""
        ...


def routing_routes(runtime: object) -> dict[tuple[str, str], Route]:
    """Return the route by method and path; none for a runtime that cannot explain."""
    return {("POST", "/routing/explain"): partial(_explain, runtime)} if isinstance(runtime, RoutingDoor) else {}


async def _explain(runtime: RoutingDoor, call: Call) -> None:
    found = asked(await call.read_body(), runtime.config.profiles)
    hint = origin_of(call.headers).profile or found.hint
    explanation = await runtime.explain_routing(found.request, profile=hint, workstream=found.workstream)
    await call.respond(json_reply(200, explanation))


def asked(body: bytes, profiles: Collection[str]) -> Asked:
    """Return what a body asks: that of `POST /chat`, or of a chat completion, message or response under `/v1`.

    Its `model` is a hint if it is the name of a profile, and says nothing otherwise.

    Raises:
        Refused: It is none of these (400, saying why it is none of the likeliest).
    """
    fields = read_body(body, _Anything).rest
    if "message" in fields:
        return _native(fields)
    model = fields.get("model")
    full = msgspec.json.encode({**_ABSENT, **fields})
    request = translate_responses(read_responses(full), _ANY).request if "input" in fields else _messages(full)
    return Asked(request, model if isinstance(model, str) and model in profiles else None)


def _native(fields: dict[str, Any]) -> Asked:
    try:
        chat = msgspec.convert(fields, ChatRequest)
    except msgspec.ValidationError as error:
        raise odd(f"the request body does not fit: {error}") from error
    request = CompletionRequest(messages=(user(chat.message),), system=chat.system)
    return Asked(request, chat.routing_profile, chat.workstream)


def _messages(body: bytes) -> CompletionRequest:
    """Return the request of a body with `messages`: plain ones read alike in both dialects, the others fit one."""
    try:
        return translate_messages(read_messages(body), _ANY).request
    except Refused:
        return translate_chat(read_chat(body), _ANY).request
