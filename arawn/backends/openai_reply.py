"""The OpenAI chat completions dialect: what comes back, plain or streamed, by one way. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from arawn.backends.assembly import ContentAssembly
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

__all__ = ["OpenAIAssembler", "decode_reply"]

_STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}


class _Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class _ToolCall(msgspec.Struct, gc=False):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Said(msgspec.Struct, gc=False):
    """A whole `message` or the `delta` of a chunk."""

    content: str | list[Any] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: Any = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(msgspec.Struct, gc=False):
    index: int | None = 0
    message: _Said | None = None
    delta: _Said | None = None
    finish_reason: str | None = None


class _PromptDetails(msgspec.Struct, gc=False):
    cached_tokens: int | None = None


class _CompletionDetails(msgspec.Struct, gc=False):
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None


class _Completion(msgspec.Struct, gc=False):
    """A whole reply or one chunk of a stream."""

    choices: list[_Choice] | None = None
    id: str | None = None
    model: str | None = None
    usage: _Usage | None = None
    error: Any = None
    object: Any = None
    message: Any = None
    code: Any = None


_COMPLETION = msgspec.json.Decoder(_Completion)


def decode_reply(body: bytes) -> CompletionResponse:
    """Return the answer held in a plain reply.

    Raises:
        ReportedError: The body is an error.
        WrongShapeError: The body is no chat completion.
    """
    completion = decode_as(_COMPLETION, body)
    assembler = OpenAIAssembler()
    assembler.take(completion)
    if not completion.choices:
        raise WrongShapeError("`choices` is missing or empty")
    return assembler.response()


class OpenAIAssembler:
    """One answer out of chunks. All text is one block and all reasoning another, as in a plain reply."""

    def __init__(self) -> None:
        self.finished = False
        self._assembly = ContentAssembly()
        self._indexes: dict[Literal["text", "thinking"], int] = {}
        self._calls: dict[int, tuple[int, str]] = {}  # the provider's index -> our index, call id
        self._id: str | None = None
        self._model = ""
        self._finish_reason: str | None = None
        self._refused = False
        self._usage = Usage()
        self._warnings: dict[str, None] = {}

    @property
    def left_out(self) -> bytes:
        """`[DONE]` once the reason for the end has been said: some servers end the body with it."""
        return b"" if self._finish_reason is None else b"data: [DONE]\n\n"

    def feed(self, event: SseEvent) -> list[StreamEvent]:
        """Take in one chunk, or the `[DONE]` that ends the stream; any other object, or nothing, says nothing here."""
        if not event.data:
            return []
        if event.data == "[DONE]":
            if self._finish_reason is None:
                raise WrongShapeError("the stream ended without a `finish_reason`")
            self.finished = True
            return []
        return self.take(decode_as(_COMPLETION, event.data))

    def take(self, completion: _Completion) -> list[StreamEvent]:
        """Take in a chunk or a whole reply; the two differ in the name of one field."""
        if completion.error is not None:
            raise reported_error(completion.error)
        if completion.object == "error":  # as vLLM says it: without an envelope
            raise reported_error({"message": completion.message, "code": completion.code})
        self._id = completion.id or self._id
        self._model = completion.model or self._model
        if completion.usage is not None:
            self._usage = _usage(completion.usage)
        events: list[StreamEvent] = []
        for choice in completion.choices or ():
            if choice.index:
                self._warnings["further choices were dropped: only the first is kept"] = None
                continue
            self._finish_reason = choice.finish_reason or self._finish_reason
            said = choice.delta if choice.message is None else _numbered(choice.message)
            if said is not None:
                events.extend(self._said(said))
        return events

    def response(self) -> CompletionResponse:
        """Return the answer as far as it has arrived."""
        content = self._assembly.content()
        return CompletionResponse(
            content=content,
            model=self._model,
            stop_reason=self._stop_reason(has_calls=any(isinstance(block, ToolUse) for block in content)),
            stop_reason_raw=self._finish_reason,
            usage=self._usage,
            request_id=self._id,
            warnings=tuple(self._warnings),
        )

    def _stop_reason(self, *, has_calls: bool) -> str | None:
        if self._finish_reason == "stop" and self._refused:
            return "refusal"
        if self._finish_reason == "stop" and has_calls:  # several servers say so after tool calls
            return "tool_use"
        return None if self._finish_reason is None else _STOP_REASONS.get(self._finish_reason, self._finish_reason)

    def _said(self, said: _Said) -> Iterator[StreamEvent]:
        for kind, piece in _pieces(said):
            index = self._indexes.setdefault(kind, len(self._assembly))
            yield self._add(TextDelta(index, piece) if kind == "text" else ThinkingDelta(index, piece))
        self._refused = self._refused or bool(said.refusal)
        for position, call in enumerate(said.tool_calls or ()):
            yield from self._called(call, position)

    def _called(self, call: _ToolCall, position: int) -> Iterator[StreamEvent]:
        """A call begins with a new index, or with a new id at an old one (some servers count badly)."""
        function = call.function or _Function()
        key = call.index if call.index is not None else self._key_without_index(call, position)
        known = self._calls.get(key)
        if known is None or (call.id and function.name and call.id != known[1]):
            tool_id = call.id or f"call_{self._id or 'unnamed'}_{len(self._assembly)}"
            known = (len(self._assembly), tool_id)
            self._calls[key] = known
            yield self._add(ToolUseStart(known[0], tool_id, function.name or ""))
        text = function.arguments
        if isinstance(text, dict):
            text = msgspec.json.encode(text).decode()
        if text:
            yield self._add(ToolUseDelta(known[0], text))

    def _key_without_index(self, call: _ToolCall, position: int) -> int:
        """A call without index is new if it has a name and no known id; otherwise it goes on with the last one."""
        for key, (_, tool_id) in self._calls.items():
            if call.id == tool_id:
                return key
        starts = call.function is not None and bool(call.function.name)
        return len(self._calls) if starts else max(self._calls, default=position)

    def _add(self, event: StreamEvent) -> StreamEvent:
        self._assembly.add(event)
        return event


def _numbered(message: _Said) -> _Said:
    """Return a whole message, its tool calls numbered as in a stream: each is a call, also where two have one id."""
    for place, call in enumerate(message.tool_calls or ()):
        call.index = place
    return message


def _pieces(said: _Said) -> Iterator[tuple[Literal["text", "thinking"], str]]:
    """Yield what is said, reasoning first; empty strings say nothing."""
    reasoning = said.reasoning_content or said.reasoning
    if reasoning and isinstance(reasoning, str):
        yield "thinking", reasoning
    if isinstance(said.content, list):
        yield from _parts(said.content)
    elif said.content:
        yield "text", said.content
    if said.refusal:
        yield "text", said.refusal


def _parts(parts: list[Any]) -> Iterator[tuple[Literal["text", "thinking"], str]]:
    """Yield the parts of a content list; reasoning may be a list of text parts of its own."""
    for part in parts:
        match part:
            case {"type": "text", "text": str(text)} if text:
                yield "text", text
            case {"type": "thinking", "thinking": list(inner)}:
                for _, text in _parts(inner):
                    yield "thinking", text


def _usage(usage: _Usage) -> Usage:
    cached = usage.prompt_tokens_details.cached_tokens if usage.prompt_tokens_details else None
    prompt = usage.prompt_tokens
    return Usage(
        input_tokens=None if prompt is None else max(0, prompt - (cached or 0)),
        output_tokens=usage.completion_tokens,
        cache_read_tokens=cached,
        reasoning_tokens=usage.completion_tokens_details.reasoning_tokens if usage.completion_tokens_details else None,
    )
