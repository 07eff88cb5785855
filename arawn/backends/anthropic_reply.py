"""The Anthropic messages dialect: what comes back, plain or streamed. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from arawn.backends.assembly import ContentAssembly
from arawn.backends.shape import WrongShapeError, decode_as, reported_error
from arawn.messages import (
    CompletionResponse,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    ToolUseDelta,
    ToolUseStart,
    Usage,
)
from arawn.wire.sse import SseEvent

__all__ = ["REDACTED", "AnthropicAssembler", "decode_reply"]

Piece = TextDelta | ThinkingDelta | ToolUseStart | ToolUseDelta

REDACTED = "redacted_thinking:"
"""Begins the signature of a thinking block whose whole content the provider encrypted; the rest is that content."""


class _Usage(msgspec.Struct, gc=False):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None


class _Block(msgspec.Struct, gc=False):
    type: str
    text: str = ""
    thinking: str = ""
    signature: str | None = None
    data: str = ""
    id: str | None = None
    name: str = ""
    input: Any = None


class _Message(msgspec.Struct, gc=False):
    content: list[_Block]
    id: str | None = None
    model: str = ""
    stop_reason: str | None = None
    usage: _Usage | None = None


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
    stop_reason: str | None = None


class _Event(msgspec.Struct, gc=False):
    type: str
    index: int = 0
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: _Usage | None = None
    error: Any = None


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
    return assembler.response()


class AnthropicAssembler:
    """One answer out of events. Blocks of kinds unknown to the neutral form are left out, with a warning."""

    left_out = b""  # every server of this dialect says `message_stop`

    def __init__(self) -> None:
        self.finished = False
        self._assembly = ContentAssembly()
        self._silent: list[Piece] = []  # begin blocks of which nothing has been said yet
        self._indexes: dict[int, int | None] = {}  # the provider's index -> ours, None for a block left out
        self._id: str | None = None
        self._model = ""
        self._stop_reason: str | None = None
        self._usage = _Usage()
        self._warnings: dict[str, None] = {}

    def feed(self, event: SseEvent) -> list[StreamEvent]:
        """Take in one event; kinds that are new to us are passed over, as the dialect demands."""
        sent = decode_as(_EVENT, event.data)
        match sent.type:
            case "message_start" if sent.message is not None:
                return self.take(sent.message)
            case "content_block_start" if sent.content_block is not None:
                return self._start(sent.index, sent.content_block)
            case "content_block_delta" if sent.delta is not None:
                return self._grow(sent.index, sent.delta)
            case "message_delta" if sent.delta is not None:
                self._stop_reason = sent.delta.stop_reason or self._stop_reason
                self._count(sent.usage)
            case "message_stop":
                self.finished = True
            case "error":
                raise reported_error(sent.error)
        return []

    def take(self, message: _Message) -> list[StreamEvent]:
        """Take in a whole message, or the empty one that begins a stream."""
        self._id = message.id or self._id
        self._model = message.model or self._model
        self._stop_reason = message.stop_reason or self._stop_reason
        self._count(message.usage)
        events: list[StreamEvent] = []
        for index, block in enumerate(message.content):
            events.extend(self._start(index, block))
        return events

    def response(self) -> CompletionResponse:
        """Return the answer as far as it has arrived."""
        return CompletionResponse(
            content=self._assembly.content(),
            model=self._model,
            stop_reason=self._stop_reason,
            stop_reason_raw=self._stop_reason,
            usage=Usage(
                input_tokens=self._usage.input_tokens,
                output_tokens=self._usage.output_tokens,
                cache_read_tokens=self._usage.cache_read_input_tokens,
                cache_write_tokens=self._usage.cache_creation_input_tokens,
            ),
            request_id=self._id,
            warnings=tuple(self._warnings),
        )

    def _count(self, usage: _Usage | None) -> None:
        """Counts are running totals: a later one replaces an earlier one, a missing one does not."""
        for name in _Usage.__struct_fields__:
            count = getattr(usage, name, None)
            if count is not None:
                setattr(self._usage, name, count)

    def _start(self, index: int, block: _Block) -> list[StreamEvent]:
        ours = len(self._assembly)
        self._indexes[index] = ours
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
                own = self._id_of(block)
                start = self._add(ToolUseStart(ours, own, block.name), own)
                return start + self._add(ToolUseDelta(ours, arguments), arguments)
            case unknown:
                self._indexes[index] = None
                self._warnings[f"blocks of kind `{unknown}` were left out of the answer"] = None
        return []

    def _id_of(self, block: _Block) -> str:
        """Return the id of a tool call: its result has to name one, so one that came without is given it here."""
        if block.id:
            return block.id
        self._warnings["a tool call came without an id, and was given one"] = None
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
                return self._add(ToolUseDelta(ours, delta.partial_json), delta.partial_json)
            case "signature_delta":
                self._assembly.sign(ours, delta.signature)
            case unknown:
                self._warnings[f"deltas of kind `{unknown}` were left out of the answer"] = None
        return []

    def _add(self, event: Piece, said: str) -> list[StreamEvent]:
        """Keep the delta; one that says nothing is not worth an event before a later block speaks."""
        begins = event.index == len(self._assembly)
        self._assembly.add(event)
        if not said:
            self._silent += [event] if begins else []
            return []
        before = [silent for silent in self._silent if silent.index < event.index]
        self._silent = [silent for silent in self._silent if silent.index > event.index]
        return [*before, event]
