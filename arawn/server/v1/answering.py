"""One call in another program's dialect: ask the runtime, answer whole or as events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, Protocol
from urllib.parse import quote

import msgspec
import trio

from arawn.messages import Completed, CompletionRequest, CompletionResponse, RoutingMetadata, StreamEvent
from arawn.server.call import Call, run_beside
from arawn.server.protocol import DialectDoor
from arawn.server.reply import FAILURES, ErrorDetail, Failure, Headers, Reply, error_body, error_reply
from arawn.server.v1.origin import Origin
from arawn.server.v1.target import DialectName, Target

__all__ = ["KEEP_ALIVE_SECONDS", "EventEncoder", "Question", "answer"]

KEEP_ALIVE_SECONDS = 15.0


class EventEncoder(Protocol):
    """Says one streamed answer in a dialect."""

    @property
    def keep_alive(self) -> bytes:
        """What to send when there is nothing to say; clients pass over it."""

    def encode(self, event: StreamEvent) -> bytes:
        """Return what says `event`; what says `Completed` ends the stream."""

    def fail(self, detail: ErrorDetail, status: int) -> bytes:
        """Return what ends a stream that broke."""


class Question(msgspec.Struct, frozen=True):
    """What was asked in a dialect, and how to answer in it.

    `whole` makes the body of a plain answer; with `events` it is streamed instead.
    """

    dialect: DialectName
    request: CompletionRequest
    target: Target
    origin: Origin
    ignored: tuple[str, ...]
    whole: Callable[[CompletionResponse], bytes]
    events: EventEncoder | None = None


async def answer(runtime: DialectDoor, call: Call, question: Question) -> None:
    """Answer one question; a client that leaves cancels the call to the model.

    Raises:
        ArawnError, ActorError: The call failed before anything was sent.
        ClientLeft: There is nobody to answer.

    Checkpoint: always. If cancelled: the call to the model is cancelled.
    """
    work = (
        partial(_answer_whole, runtime, call, question)
        if question.events is None
        else partial(_answer_with_events, runtime, call, question, question.events)
    )
    await run_beside(partial(_cancel_when_client_leaves, call), work)


async def _cancel_when_client_leaves(call: Call, scope: trio.CancelScope) -> None:
    await call.wait_client_left()
    scope.cancel(reason="the client left")


async def _answer_whole(runtime: DialectDoor, call: Call, question: Question) -> None:
    response = await runtime.complete(question.request, **_context(question))
    record_id = response.interaction_id or call.request_id
    headers = _headers(question, record_id, response.routing)
    await call.respond(Reply(200, question.whole(response), headers, request_id=record_id))


async def _answer_with_events(runtime: DialectDoor, call: Call, question: Question, encoder: EventEncoder) -> None:
    """Forward events; a failure before the first byte has its own status, a later one ends the stream."""
    headers = _headers(question, call.request_id, None)
    try:
        async with _open_stream(runtime, question) as source:
            failure = await _forward(source, call, encoder, headers)
    except FAILURES as error:  # on the way in or out
        failure = error
    if failure is not None:
        if not call.streaming:
            raise failure
        await call.send_events(encoder.fail(error_body(failure).error, error_reply(failure).status))
    await call.end_events()


def _open_stream(runtime: DialectDoor, question: Question) -> AbstractAsyncContextManager[AsyncIterator[StreamEvent]]:
    return runtime.stream(question.request, **_context(question))


async def _forward(
    source: AsyncIterator[StreamEvent], call: Call, encoder: EventEncoder, headers: Headers
) -> Failure | None:
    """Send each event as it comes, and a sign of life when none has come for a while; return why the source broke.

    A failure is returned, not raised: raised here it would pass through whatever nurseries `source` stands on, and
    come out in a group.
    """
    while True:
        event = None
        with trio.move_on_after(KEEP_ALIVE_SECONDS) as waiting:
            try:
                event = await anext(source, None)
            except FAILURES as error:
                return error
        if waiting.cancelled_caught:
            await call.send_events(encoder.keep_alive, headers)
            continue
        if event is None:
            return None
        await call.send_events(_with_record(event) + encoder.encode(event), headers)


def _with_record(event: StreamEvent) -> bytes:
    """Return a comment that names the record of a whole answer: it was not there yet when the headers were sent."""
    if isinstance(event, Completed) and event.response.interaction_id is not None:
        return b": interaction %b\n\n" % event.response.interaction_id.encode()
    return b""


def _context(question: Question) -> dict[str, Any]:
    """Return the keywords of the runtime that say which profile is asked, and on whose behalf."""
    origin = question.origin
    named = {"session_id": origin.session_id, "workstream": origin.workstream}
    return {"profile": question.target.hint, "tags": origin.tags, **named}


def _headers(question: Question, request_id: str, routing: RoutingMetadata | None) -> Headers:
    """Return the headers of an answer: who gives it, why, and what of the request was left unsaid."""
    chosen = routing or question.target.routing
    headers = [(b"x-arawn-profile", quote(chosen.profile).encode()), (b"x-arawn-route", quote(chosen.reason).encode())]
    if question.dialect == "anthropic":
        headers.append((b"request-id", request_id.encode()))
    if question.ignored:
        headers.append((b"x-arawn-ignored", ", ".join(map(quote, question.ignored)).encode()))
    return headers
