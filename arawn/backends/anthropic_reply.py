"""The Anthropic messages dialect: what comes back, plain or streamed. Pure."""

from __future__ import annotations

from collections import deque
from typing import Any

import msgspec

from arawn.backends.assembly import ContentAssembly
from arawn.backends.failures import error_text
from arawn.backends.lenient import Lenient
from arawn.backends.shape import WrongShapeError, decode_as, reported_error
from arawn.messages import (
    CompletionResponse,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    ToolUse,
    ToolUseDelta,
    ToolUseStart,
    Usage,
)
from arawn.wire.sse import SseEvent

__all__ = ["REDACTED", "AnthropicAssembler", "decode_reply"]

Piece = TextDelta | ThinkingDelta | ToolUseStart | ToolUseDelta

REDACTED = "redacted_thinking:"
"""Begins the signature of a thinking block whose whole content the provider encrypted; the rest is that content."""


_NO_CITATIONS = "citations were left out of the answer"
_COUNTS = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


class _Block(msgspec.Struct, gc=False):
    type: str
    text: str = ""
    thinking: str = ""
    signature: str | None = None
    data: str = ""
    id: Any = None
    name: str = ""
    input: Any = None
    citations: Any = None


class _Message(msgspec.Struct, gc=False):
    content: list[_Block]
    id: Any = None
    model: Any = None
    stop_reason: Any = None
    usage: Any = None


class _Reply(msgspec.Struct, gc=False):
    """Any body: a message says so in `type`, an error too."""

    type: str = ""
    error: Any = None


class _Delta(msgspec.Struct, gc=False):
    type: str = ""
    text: str = ""
    thinking: str = ""
    signature: str = ""
    partial_json: str = ""
    stop_reason: Any = None


class _Event(msgspec.Struct, gc=False):
    type: str = ""
    index: Any = 0
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: Any = None
    error: Any = None
    detail: Any = None


_REPLY = msgspec.json.Decoder(_Reply)
_MESSAGE = msgspec.json.Decoder(_Message)
_EVENT = msgspec.json.Decoder(_Event)


def decode_reply(body: bytes) -> CompletionResponse:
    """Return the answer held in a plain reply.

    Raises:
        ReportedError: The body is an error.
        WrongShapeError: The body is no message.
    """
    reply = decode_as(_REPLY, body)
    if reply.type == "error" or reply.error is not None:
        raise reported_error(reply.error)
    message = decode_as(_MESSAGE, body)
    assembler = AnthropicAssembler()
    assembler.take(message)
    assembler.end()
    return assembler.response()


class AnthropicAssembler:
    """One answer out of events. Blocks of kinds unknown to the neutral form are left out, with a warning."""

    left_out = b""  # every server of this dialect says `message_stop`

    def __init__(self) -> None:
        self.finished = False
        self._assembly = ContentAssembly()
        self._silent: deque[Piece] = deque()  # begin blocks of which nothing has been said yet
        self._indexes: dict[int, int | None] = {}  # the provider's index -> ours, None for a block left out
        self._id: str | None = None
        self.model = ""
        self._stop_reason: str | None = None
        self._given: dict[int, str] = {}  # arguments that began with their block, by our index: deltas may repeat them
        self._counts: dict[str, int] = {}
        self._lenient = Lenient()

    def feed(self, event: SseEvent) -> list[StreamEvent]:
        """Take in one event; kinds that are new to us are passed over, as the dialect demands.

        Raises:
            ReportedError: It is an error of the provider.
            WrongShapeError: It is not of this dialect.
        """
        if event.event == "error":
            raise error_text(event.data.encode("utf-8", "replace"))
        if event.data in {"", "null"}:
            return []
        sent = decode_as(_EVENT, event.data)
        match sent.type:
            case "message_start" if sent.message is not None:
                return self.take(sent.message)
            case "content_block_start" if sent.content_block is not None:
                return self._start(self._lenient.whole(sent.index, "index") or 0, sent.content_block)
            case "content_block_delta" if sent.delta is not None:
                return self._grow(self._lenient.whole(sent.index, "index") or 0, sent.delta)
            case "content_block_stop":
                ours = self._indexes.get(self._lenient.whole(sent.index, "index") or 0)
                return [] if ours is None else self._say_given(ours)
            case "message_delta" if sent.delta is not None:
                self._stop(sent.delta.stop_reason)
                self._count(sent.usage)
            case "message_stop":
                return self.end()
            case "error":
                raise reported_error(sent.error)
            case "" if sent.error is not None or sent.detail is not None:
                raise error_text(event.data.encode("utf-8", "replace"))
            case "":
                raise WrongShapeError("the event has no `type`")
        return []

    def end(self) -> list[StreamEvent]:
        """Take in that no more will come."""
        self.finished = True
        return [event for ours in list(self._given) for event in self._say_given(ours)]

    def take(self, message: _Message) -> list[StreamEvent]:
        """Take in a whole message, or the empty one that begins a stream."""
        self._id = self._lenient.word(message.id, "id") or self._id
        self.model = self._lenient.word(message.model, "model") or self.model
        self._stop(message.stop_reason)
        self._count(message.usage)
        events: list[StreamEvent] = []
        for index, block in enumerate(message.content):
            events.extend(self._start(index, block))
        return events

    def response(self) -> CompletionResponse:
        """Return the answer as far as it has arrived."""
        content = self._assembly.content()
        calls = any(isinstance(block, ToolUse) for block in content)
        ended = self._stop_reason == "end_turn" or (self._stop_reason is None and self.finished)
        return CompletionResponse(
            content=content,
            model=self.model,
            stop_reason="tool_use" if calls and ended else self._stop_reason,
            stop_reason_raw=self._stop_reason,
            usage=Usage(
                input_tokens=self._counts.get("input_tokens"),
                output_tokens=self._counts.get("output_tokens"),
                cache_read_tokens=self._counts.get("cache_read_input_tokens"),
                cache_write_tokens=self._counts.get("cache_creation_input_tokens"),
            ),
            request_id=self._id,
            warnings=tuple(self._lenient.warnings),
        )

    def _stop(self, reason: Any) -> None:
        if isinstance(reason, str | None):
            self._stop_reason = reason or self._stop_reason
        else:
            self._lenient.left_out(reason, "stop_reason", "a text")

    def _count(self, usage: Any) -> None:
        """Counts are running totals: a later one replaces an earlier one, a missing one does not."""
        fields = self._lenient.fields(usage, "usage")
        for name in _COUNTS:
            count = self._lenient.count(fields.get(name), name)
            if count is not None:
                self._counts[name] = count

    def _say_given(self, ours: int) -> list[StreamEvent]:
        """Return the arguments that came with the beginning of a block, now that no delta of it has repeated them."""
        given = self._given.pop(ours, "")
        return self._add(ToolUseDelta(ours, given), given) if given else []

    def _start(self, index: int, block: _Block) -> list[StreamEvent]:
        ours = len(self._assembly)
        self._indexes[index] = ours
        if block.citations:
            self._lenient.warnings[_NO_CITATIONS] = None
        match block.type:
            case "text":
                return self._add(TextDelta(ours, block.text), block.text)
            case "thinking":
                events = self._add(ThinkingDelta(ours, block.thinking), block.thinking)
                if block.signature:
                    self._assembly.sign(ours, block.signature)
                return events
            case "redacted_thinking":
                self._add(ThinkingDelta(ours, ""), "")
                self._assembly.sign(ours, REDACTED + block.data)
            case "tool_use":
                arguments = "" if block.input in (None, {}) else msgspec.json.encode(block.input).decode()
                if arguments:
                    self._given[ours] = arguments
                own = self._id_of(block)
                return self._add(ToolUseStart(ours, own, block.name), own)
            case unknown:
                self._indexes[index] = None
                self._lenient.warnings[f"blocks of kind `{unknown}` were left out of the answer"] = None
        return []

    def _id_of(self, block: _Block) -> str:
        """Return the id of a tool call: its result has to name one, so one that came without is given it here."""
        own = self._lenient.word(block.id, "id")
        if own:
            return own
        self._lenient.warnings["a tool call came without an id, and was given one"] = None
        return f"toolu_{self._id or 'unnamed'}_{len(self._assembly)}"

    def _grow(self, index: int, delta: _Delta) -> list[StreamEvent]:
        if index not in self._indexes:
            raise WrongShapeError(f"a delta names content block {index}, which has not begun")
        ours = self._indexes[index]
        if ours is None:
            return []
        match delta.type:
            case "text_delta":
                return self._add(TextDelta(ours, delta.text), delta.text)
            case "thinking_delta":
                return self._add(ThinkingDelta(ours, delta.thinking), delta.thinking)
            case "input_json_delta":
                if delta.partial_json:
                    self._given.pop(ours, None)
                return self._add(ToolUseDelta(ours, delta.partial_json), delta.partial_json)
            case "signature_delta":
                self._assembly.sign(ours, delta.signature)
            case "citations_delta":
                self._lenient.warnings[_NO_CITATIONS] = None
            case unknown:
                self._lenient.warnings[f"deltas of kind `{unknown}` were left out of the answer"] = None
        return []

    def _add(self, event: Piece, said: str) -> list[StreamEvent]:
        """Keep the delta; one that says nothing is not worth an event before a later block speaks."""
        begins = event.index == len(self._assembly)
        self._assembly.add(event)
        if not said:
            self._silent.extend([event] if begins else [])
            return []
        before: list[StreamEvent] = []
        while self._silent and self._silent[0].index <= event.index:
            silent = self._silent.popleft()
            before += [silent] if silent.index < event.index else []
        return [*before, event]
