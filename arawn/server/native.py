"""`POST /chat`: Arawn's own dialect, plain or as server-sent events."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, cast

import msgspec

from actors import ActorError
from arawn.agent.events import TurnEvent, TurnReply
from arawn.agent.tool import Tool
from arawn.errors import BadInput
from arawn.messages import (
    Completed,
    CompletionRequest,
    CompletionResponse,
    ContentBlock,
    RoutingMetadata,
    ToolUse,
    Usage,
    user,
)
from arawn.server.call import Call
from arawn.server.reply import Failure, Refused, error_body, error_reply, json_reply, routing_headers
from arawn.server.streaming import KEEP_ALIVE, EventSource, answer_with_events, encode_event
from arawn.server.v1.origin import NOWHERE, Origin, origin_of

if TYPE_CHECKING:
    from arawn.runtime_door import Runtime  # loads the whole runtime, of which the command line needs nothing

__all__ = ["ChatReply", "ChatRequest", "chat", "completion_of", "in_context", "tools_of"]


class ChatRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /chat`. Without `workstream` it is one call that belongs to no conversation.

    `system` stands in for the workstream's own system prompt, for this call alone. `tools` are names of `[tools.NAME]`
    in the configuration; only a workstream can use them.
    """

    message: Annotated[str, msgspec.Meta(min_length=1)]
    workstream: str | None = None
    session_id: str | None = None
    routing_profile: str | None = None
    system: str | None = None
    tags: dict[str, str] = {}
    tools: tuple[str, ...] = ()
    stream: bool = False


class ChatReply(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer of `POST /chat`, whole or in the last event of a stream; the last three tell of a turn with tools."""

    text: str
    content: tuple[ContentBlock, ...]
    model: str
    profile: str | None
    stop_reason: str | None
    usage: Usage
    tool_calls: tuple[ToolUse, ...]
    interaction_id: str | None
    workstream: str | None
    routing: RoutingMetadata | None = None
    truncated: bool = False
    iterations: int = 1
    turn_usage: Usage | None = None


class ChatCompleted(msgspec.Struct, frozen=True, tag="completed"):
    """The last event of a stream that succeeded."""

    response: ChatReply


async def chat(runtime: Runtime, call: Call) -> None:
    """Answer one `POST /chat`; a client that leaves cancels the call to the model.

    Raises:
        Refused: The body is not a `ChatRequest`, a header of the context is none, or the call found no room.
        ArawnError: The call failed before anything was sent.
        ClientLeft: There is nobody to answer.

    Checkpoint: always. If cancelled: the call to the model is cancelled.
    """
    request = in_context(await call.read_json(ChatRequest), origin_of(call.headers))
    answer = _answer_with_events if request.stream else _answer_whole
    try:
        await call.beside_client(partial(answer, runtime, call, request))
    except ActorError as error:  # such as a full mailbox
        hint = request.routing_profile
        raise Refused(error_reply(error, RoutingMetadata(hint, "CallerHint") if hint else None)) from error


def in_context(request: ChatRequest, origin: Origin) -> ChatRequest:
    """Return the request with what the headers say where its body is silent; of tags with one key, the body's."""
    if origin is NOWHERE:
        return request
    return msgspec.structs.replace(
        request,
        workstream=origin.workstream if request.workstream is None else request.workstream,
        session_id=origin.session_id if request.session_id is None else request.session_id,
        routing_profile=origin.profile if request.routing_profile is None else request.routing_profile,
        tags={**origin.tags, **request.tags},
    )


async def _answer_whole(runtime: Runtime, call: Call, request: ChatRequest) -> None:
    tools = await tools_of(runtime, request)
    response = await _ask(runtime, request, tools)
    headers, record_id = routing_headers(response.routing), response.interaction_id
    await call.respond(json_reply(200, _chat_reply(response, request), headers=headers, request_id=record_id))


async def _answer_with_events(runtime: Runtime, call: Call, request: ChatRequest) -> None:
    tools = await tools_of(runtime, request)
    stream = _open_stream(runtime, request, tools)
    await answer_with_events(call, stream, ChatEvents(request), lambda *known: routing_headers(known[-1].routing))


def _ask(
    runtime: Runtime, request: ChatRequest, tools: Sequence[Tool] | None
) -> Coroutine[Any, Any, CompletionResponse]:
    profile, session_id, tags = request.routing_profile, request.session_id, request.tags
    if request.workstream is None:
        return runtime.complete(completion_of(request), profile=profile, session_id=session_id, tags=tags)
    conversation = runtime.workstream(request.workstream)
    return conversation.send(
        request.message, profile=profile, session_id=session_id, system=request.system, tags=tags, tools=tools
    )


async def tools_of(runtime: Runtime, request: ChatRequest) -> Sequence[Tool] | None:
    """Return the tools that the request names; None if it names none.

    Raises:
        BadInput: It names no workstream, or what is no tool. ConfigError, ToolServerFailed: As `Runtime.tools`.

    Checkpoint: unless it names none. If cancelled: as `Runtime.tools`.
    """
    if not request.tools:
        return None
    if request.workstream is None:
        raise BadInput("`tools` need a `workstream`: name one, which need not exist yet")
    return await runtime.tools(*request.tools)


def _open_stream(runtime: Runtime, request: ChatRequest, tools: Sequence[Tool] | None) -> EventSource:
    profile, session_id, tags = request.routing_profile, request.session_id, request.tags
    if request.workstream is None:
        return runtime.stream(completion_of(request), profile=profile, session_id=session_id, tags=tags)
    conversation = runtime.workstream(request.workstream)
    opened = conversation.stream(
        request.message, profile=profile, session_id=session_id, system=request.system, tags=tags, tools=tools
    )
    return cast("EventSource", opened)  # `ChatEvents` says what tools do too; no other encoder is given this


def completion_of(request: ChatRequest) -> CompletionRequest:
    """Return the message as a request of its own."""
    return CompletionRequest(messages=(user(request.message),), system=request.system)


def _chat_reply(response: CompletionResponse, request: ChatRequest) -> ChatReply:
    reply = ChatReply(
        text=response.text,
        content=response.content,
        model=response.model,
        profile=response.profile,
        stop_reason=response.stop_reason,
        usage=response.usage,
        tool_calls=response.tool_calls,
        interaction_id=response.interaction_id,
        workstream=request.workstream,
        routing=response.routing,
    )
    if not isinstance(response, TurnReply):
        return reply
    turn = {"truncated": response.truncated, "iterations": response.iterations, "turn_usage": response.turn_usage}
    return msgspec.structs.replace(reply, **turn)


class ChatEvents:
    """Says one streamed answer: each event by its own name."""

    keep_alive = KEEP_ALIVE

    def __init__(self, request: ChatRequest) -> None:
        self._request = request

    def name_model(self, model: str) -> None:
        """Nothing: the whole answer names it."""

    def encode(self, event: TurnEvent) -> bytes:
        """Return the event; the last one holds the whole answer."""
        shown = ChatCompleted(_chat_reply(event.response, self._request)) if isinstance(event, Completed) else event
        return encode_event(str(event.__struct_config__.tag), shown)

    def fail(self, failure: Failure, request_id: str) -> bytes:  # noqa: ARG002  # the error names its record
        """Return the event that ends a stream that broke."""
        return encode_event("error", error_body(failure))

    def end_after(self, passed: bytes) -> bytes:  # noqa: ARG002  # an error is the end of it
        """Return nothing."""
        return b""
