"""`POST /chat`: Arawn's own dialect, plain or as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated
from urllib.parse import quote

import msgspec
import trio

from arawn.messages import (
    Completed,
    CompletionRequest,
    CompletionResponse,
    ContentBlock,
    RoutingMetadata,
    StreamEvent,
    ToolUse,
    Usage,
    user,
)
from arawn.server.call import Call, run_beside
from arawn.server.protocol import EventSource, RuntimeDoor
from arawn.server.reply import FAILURES, Failure, error_body, json_reply

__all__ = ["ChatReply", "ChatRequest", "chat"]

KEEP_ALIVE_SECONDS = 15.0

_KEEP_ALIVE = b": keep-alive\n\n"


class ChatRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /chat`. Without `workstream` it is one call that belongs to no conversation.

    `system` stands in for the workstream's own system prompt, for this call alone.
    """

    message: Annotated[str, msgspec.Meta(min_length=1)]
    workstream: str | None = None
    session_id: str | None = None
    routing_profile: str | None = None
    system: str | None = None
    tags: dict[str, str] = {}
    stream: bool = False


class ChatReply(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer of `POST /chat`, whole or in the last event of a stream."""

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


class ChatCompleted(msgspec.Struct, frozen=True, tag="completed"):
    """The last event of a stream that succeeded."""

    response: ChatReply


async def chat(runtime: RuntimeDoor, call: Call) -> None:
    """Answer one `POST /chat`; a client that leaves cancels the call to the model.

    Raises:
        Refused: The body is not a `ChatRequest`.
        ArawnError, ActorError: The call failed before anything was sent.
        ClientLeft: There is nobody to answer.

    Checkpoint: always. If cancelled: the call to the model is cancelled.
    """
    request = await call.read_json(ChatRequest)
    answer = _answer_with_events if request.stream else _answer_whole
    await run_beside(partial(_cancel_when_client_leaves, call), partial(answer, runtime, call, request))


async def _cancel_when_client_leaves(call: Call, scope: trio.CancelScope) -> None:
    await call.wait_client_left()
    scope.cancel(reason="the client left")


async def _answer_whole(runtime: RuntimeDoor, call: Call, request: ChatRequest) -> None:
    response = await _ask(runtime, request)
    headers = [(b"x-arawn-profile", quote(response.profile).encode())] if response.profile else []
    reply = json_reply(200, _chat_reply(response, request), headers=headers, request_id=response.interaction_id)
    await call.respond(reply)


async def _answer_with_events(runtime: RuntimeDoor, call: Call, request: ChatRequest) -> None:
    """Forward events; a failure before the first byte has its own status, a later one is an `error` event."""
    try:
        async with _open_stream(runtime, request) as source:
            failure = await _forward(source, call, request)
    except FAILURES as error:  # on the way in or out
        failure = error
    if failure is not None:
        if not call.streaming:
            raise failure
        await call.send_events(_encode("error", error_body(failure)))
    await call.end_events()


async def _forward(source: AsyncIterator[StreamEvent], call: Call, request: ChatRequest) -> Failure | None:
    """Send each event as it comes, and a comment when none has come for a while; return why the source broke.

    A failure is returned, not raised: raised here it would pass through whatever nurseries `source` stands on, and
    come out in a group.
    """
    sender, receiver = trio.open_memory_channel[StreamEvent | Failure](0)

    async def send_all() -> Failure | None:
        while (item := await _next_item(receiver, call)) is not None:
            if isinstance(item, FAILURES):
                return item
            await call.send_events(_encode_event(item, request))
        return None

    with receiver:  # closed after the pump has ended, which would take it for a fault
        return await run_beside(partial(_pump, source, sender), send_all)


async def _pump(
    source: AsyncIterator[StreamEvent], sender: trio.MemorySendChannel[StreamEvent | Failure], _: trio.CancelScope
) -> None:
    """Move events into a channel: waiting there can be interrupted, waiting in any iterator cannot."""
    with sender:
        try:
            async for event in source:
                await sender.send(event)
        except FAILURES as error:
            await sender.send(error)


async def _next_item(
    receiver: trio.MemoryReceiveChannel[StreamEvent | Failure], call: Call
) -> StreamEvent | Failure | None:
    """Return the next item, None at the end; keeps the client's connection alive meanwhile."""
    while True:
        with trio.move_on_after(KEEP_ALIVE_SECONDS):
            try:
                return await receiver.receive()
            except trio.EndOfChannel:
                return None
        await call.send_events(_KEEP_ALIVE)


async def _ask(runtime: RuntimeDoor, request: ChatRequest) -> CompletionResponse:
    profile, session_id, tags = request.routing_profile, request.session_id, request.tags
    if request.workstream is None:
        return await runtime.complete(_completion(request), profile=profile, session_id=session_id, tags=tags)
    conversation = runtime.workstream(request.workstream)
    return await conversation.send(
        request.message, profile=profile, session_id=session_id, system=request.system, tags=tags
    )


def _open_stream(runtime: RuntimeDoor, request: ChatRequest) -> EventSource:
    profile, session_id, tags = request.routing_profile, request.session_id, request.tags
    if request.workstream is None:
        return runtime.stream(_completion(request), profile=profile, session_id=session_id, tags=tags)
    conversation = runtime.workstream(request.workstream)
    return conversation.stream(
        request.message, profile=profile, session_id=session_id, system=request.system, tags=tags
    )


def _completion(request: ChatRequest) -> CompletionRequest:
    return CompletionRequest(messages=(user(request.message),), system=request.system)


def _chat_reply(response: CompletionResponse, request: ChatRequest) -> ChatReply:
    return ChatReply(
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


def _encode_event(event: StreamEvent, request: ChatRequest) -> bytes:
    shown = ChatCompleted(_chat_reply(event.response, request)) if isinstance(event, Completed) else event
    return _encode(str(event.__struct_config__.tag), shown)


def _encode(name: str, value: object) -> bytes:
    """Return one server-sent event; JSON has no line breaks, so its data is one line."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode(value))
