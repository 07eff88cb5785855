"""`POST /routing/explain`: which profile a request would go to, and why; nothing is sent to a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from arawn.config.schema import Config
from arawn.messages import CompletionRequest, RoutingMetadata
from arawn.requests import require_session_id, require_tags
from arawn.routing.explain import Explanation
from arawn.server.call import Call
from arawn.server.json_body import fitted
from arawn.server.native import ChatRequest, completion_of, in_context, tools_of
from arawn.server.reply import Refused, json_reply
from arawn.server.v1.anthropic_messages_in import read_messages, translate_messages
from arawn.server.v1.body import odd, read_body
from arawn.server.v1.openai_chat_in import read_chat, translate_chat
from arawn.server.v1.origin import origin_of
from arawn.server.v1.responses_in import read_responses, translate_responses
from arawn.server.v1.target import Target, choose_target

if TYPE_CHECKING:
    from arawn.runtime_door import Runtime  # loads the whole runtime, of which the command line needs nothing

__all__ = ["Asked", "asked", "explain"]

_ANY = Target(None, None, "", RoutingMetadata("", ""), None)  # takes the fields of every dialect
_ABSENT = {"model": "auto", "max_tokens": 1}  # what a dialect wants and no choice of a profile depends on


class _Anything(msgspec.Struct, frozen=True):
    """An object of any fields."""


class Asked(msgspec.Struct, frozen=True):
    """What a body of any dialect asks, and the profile that it hints at; a body of `POST /chat` as a whole, too."""

    request: CompletionRequest
    hint: str | None = None
    chat: ChatRequest | None = None


async def explain(runtime: Runtime, call: Call) -> None:
    """Answer one `POST /routing/explain`.

    Raises:
        Refused: As `asked`.
        ArawnError: As `Runtime.explain_routing` and `Runtime.tools`.
        ClientLeft: There is nobody to answer.

    Checkpoint: always. If cancelled: a part may have been sent.
    """
    body, origin = await call.read_body(), origin_of(call.headers)
    bound = None if origin.workstream is None else await runtime.binding(origin.workstream)
    found = asked(body, origin.profile, runtime.config, bound)
    if found.chat is not None:
        explanation = await _explain_chat(runtime, in_context(found.chat, origin))
    else:
        explanation = await runtime.explain_routing(
            found.request, profile=found.hint, workstream=origin.workstream, history=False
        )
    await call.respond(json_reply(200, explanation))


async def _explain_chat(runtime: Runtime, chat: ChatRequest) -> Explanation:
    """Explain a message of `POST /chat`, which may be said in a conversation, and may offer tools by their names."""
    require_session_id(chat.session_id)
    require_tags(chat.tags)
    tools = tuple(tool.definition for tool in await tools_of(runtime, chat) or ())
    request = msgspec.structs.replace(completion_of(chat), tools=tools)
    return await runtime.explain_routing(request, profile=chat.routing_profile, workstream=chat.workstream)


def asked(body: bytes, wanted: str | None, config: Config, bound: str | None = None) -> Asked:
    """Return what a body asks: that of `POST /chat`, or of a chat completion, message or response under `/v1`.

    Args:
        body: As it would be sent.
        wanted: The profile that is named beside the body; it decides before the body's own words.
        config: Says what the body's `model` means, as it does for a call.
        bound: The profile of the workstream that is named beside the body.

    Raises:
        Refused: It is none of these (400, saying why it is none of the likeliest), or `model` means nothing (404).
        UnknownProfile: `wanted` is no profile; or `model` is `auto` and there is no default.
    """
    fields = read_body(body, _Anything).rest
    if "message" in fields:
        return _native(fields, wanted)
    if not {"input", "messages"} & fields.keys():
        raise odd("the body says nothing to route: give `message`, or `messages` or `input` as calls under `/v1` do")
    full = msgspec.json.encode({**_ABSENT, **fields})
    if "input" in fields:
        sent = read_responses(full)
        model, request = sent.known.model, translate_responses(sent, _ANY).request
    else:
        model, request = _messages(full)
    return Asked(request, choose_target(model, wanted, config, bound).hint)


def _native(fields: dict[str, Any], wanted: str | None) -> Asked:
    chat = fitted(fields, ChatRequest)
    return Asked(completion_of(chat), wanted or chat.routing_profile, chat)


def _messages(body: bytes) -> tuple[str, CompletionRequest]:
    """Return model and request of a body with `messages`: plain ones read alike in both dialects, others fit one.

    Where both read it, its tools decide: each dialect passes over those of the other.
    """
    readings: list[tuple[str, CompletionRequest]] = []
    try:
        message = read_messages(body)
        readings.append((message.known.model, translate_messages(message, _ANY).request))
        chat = read_chat(body)
        readings.append((chat.known.model, translate_chat(chat, _ANY).request))
    except Refused:
        if not readings:
            chat = read_chat(body)
            return chat.known.model, translate_chat(chat, _ANY).request
    return max(readings, key=lambda reading: len(reading[1].tools))  # the first of equals
