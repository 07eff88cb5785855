"""One streamed answer, in any dialect: its head, its events as they come, and how it ends."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import msgspec
import trio

from arawn.backends.shape import ReportedError
from arawn.backends.verbatim_reply import bytes_of
from arawn.beside import open_beside
from arawn.errors import BackendError
from arawn.messages import Begun, Completed, StreamEvent
from arawn.server.call import Call
from arawn.server.reply import FAILURES, Failure, Headers
from arawn.stream import EventStream

__all__ = ["KEEP_ALIVE", "KEEP_ALIVE_SECONDS", "EventEncoder", "EventSource", "answer_with_events", "encode_event"]

KEEP_ALIVE_SECONDS = 15.0
KEEP_ALIVE = b": keep-alive\n\n"

EventSource = AbstractAsyncContextManager[EventStream]


class EventEncoder(Protocol):
    """Says one streamed answer in a dialect."""

    @property
    def keep_alive(self) -> bytes:
        """What to send when there is nothing to say; clients pass over it."""

    def name_model(self, model: str) -> None:
        """Take note of the model that answers, before the first event: some dialects name it throughout."""

    def encode(self, event: StreamEvent) -> bytes:
        """Return what says `event`; what says `Completed` ends the stream."""

    def fail(self, failure: Failure, request_id: str) -> bytes:
        """Return what ends a stream that broke; `request_id` is that of its record, else of its head."""

    def end_after(self, passed: bytes) -> bytes:
        """Return what ends a stream whose provider has told of an error itself, in the last bytes that were passed."""


HeadersOf = Callable[[str, StreamEvent | None, Begun], Headers]
"""Returns what goes with the head, for the id that the answer is known by, the event that the head goes out with, and
what is known of the answer: None and nothing if there is no event yet, only a sign of life."""


def encode_event(name: str, value: object) -> bytes:
    """Return one server-sent event; JSON has no line breaks, so its data is one line."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode(value))


async def answer_with_events(call: Call, stream: EventSource, encoder: EventEncoder, headers: HeadersOf) -> None:
    """Forward events; a failure before the first byte has its own status, a later one ends the stream.

    Args:
        call: Whom to answer.
        stream: The events.
        encoder: Says them; those that carry the provider's own bytes are passed on in these.
        headers: Says what goes with the head.

    Raises:
        ArawnError, ActorError: The call failed before anything was sent.
        ClientLeft: There is nobody to answer.

    Checkpoint: always. If cancelled: the stream is left, which cancels the call to the model.
    """
    answer = _Answer(call, encoder, headers)
    try:
        async with stream as source:
            failure = await answer.forward(source)
    except FAILURES as error:  # on the way in or out
        failure = error
    try:
        if failure is not None and not call.streaming:
            raise failure
        if failure is not None:
            await answer.fail(failure)
    finally:
        del failure  # raised or caught here it has this frame, which would keep it
    await call.end_events()


class _Answer:
    """One streamed answer while it is sent."""

    def __init__(self, call: Call, encoder: EventEncoder, headers: HeadersOf) -> None:
        self._call = call
        self._encoder = encoder
        self._headers = headers
        self._begun: Begun | None = None
        self._waits_since = trio.current_time()
        self._passed = b""  # the provider's own bytes that were sent last

    async def forward(self, source: EventStream) -> Failure | None:
        """Send each event as it comes, and a sign of life when none has come for a while; return why the source broke.

        A failure is returned, not raised: raised here it would pass through whatever nurseries `source` stands on, and
        come out in a group.
        """
        async with open_beside() as nursery:
            nursery.start_soon(self._nudge_when_quiet, source)
            while True:
                self._waits_since = trio.current_time()
                try:
                    event = await source.next_or_nudge()
                except StopAsyncIteration:
                    return None
                except FAILURES as error:
                    return error
                if event is None:
                    await self._send(self._encoder.keep_alive)
                    continue
                if self._begun is None:
                    self._begin(source, event)
                await self._send(self._said(event), event)
        raise AssertionError("the block is left by its returns")

    async def _nudge_when_quiet(self, source: EventStream) -> None:
        """Nudge the source whenever nothing has come from it for a while, for ever."""
        while True:
            due = self._waits_since + KEEP_ALIVE_SECONDS
            if trio.current_time() >= due:
                source.nudge()  # nobody hears it while an event is being sent, and none is needed then
                due = trio.current_time() + KEEP_ALIVE_SECONDS
            await trio.sleep_until(due)

    def _begin(self, source: EventStream, event: StreamEvent) -> None:
        """Take note of what is known of the answer now that its first event is there."""
        self._begun = _known(source, event)
        if self._begun.model:
            self._encoder.name_model(self._begun.model)
        if not self._call.streaming:
            self._call.request_id = self._begun.interaction_id or self._call.request_id

    def _said(self, event: StreamEvent) -> bytes:
        """Return what says `event`; before the end a comment names the record, if the head could not."""
        raw = bytes_of(event)
        self._passed = raw or self._passed
        said = self._encoder.encode(event) if raw is None else raw
        return self._named(event.response.interaction_id) + said if isinstance(event, Completed) else said

    def _named(self, record: str | None) -> bytes:
        """Return a comment that names the record, unless there is none, or the head has named it."""
        return b"" if record in {None, self._call.request_id} else b": interaction %b\n\n" % record.encode()

    async def fail(self, failure: Failure) -> None:
        """Say that the stream broke, unless the provider has said so itself: then only what it left out of the end."""
        record = failure.interaction_id if isinstance(failure, BackendError) else None
        if self._passed and isinstance(failure.__cause__, ReportedError):
            end = self._encoder.end_after(self._passed)
        else:
            end = self._encoder.fail(failure, record or self._call.request_id)
        if end:
            await self._send(self._named(record) + end)

    async def _send(self, data: bytes, event: StreamEvent | None = None) -> None:
        begun = self._begun or Begun("")
        headers = () if self._call.streaming else self._headers(self._call.request_id, event, begun)
        await self._call.send_events(data, headers)


def _known(source: EventStream, event: StreamEvent) -> Begun:
    """Return what is known of an answer with its first event."""
    if isinstance(event, Completed):
        response = event.response
        return Begun(response.model, response.left_out, response.interaction_id, response.routing)
    return source.begun or Begun("")
