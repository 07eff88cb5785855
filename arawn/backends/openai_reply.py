"""The OpenAI chat completions dialect: what comes back, plain or streamed, by one way. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

import msgspec

from arawn.backends.assembly import ContentAssembly
from arawn.backends.failures import error_text
from arawn.backends.lenient import Lenient
from arawn.backends.openai_calls import CallPiece, ToolCalls
from arawn.backends.openai_shape import (
    COMPLETION,
    Choice,
    Completion,
    Function,
    Said,
    ToolCall,
    require_no_error,
    usage_of,
)
from arawn.backends.shape import ReportedError, WrongShapeError, decode_as, reported_error
from arawn.backends.worded_refusal import ENDS, RefusalDelta
from arawn.messages import CompletionResponse, StreamEvent, Text, TextDelta, ThinkingDelta, ToolUse, Usage
from arawn.wire.sse import SseEvent

__all__ = ["OpenAIAssembler", "ReasoningField", "decode_reply"]

ReasoningField = Literal["reasoning_content", "reasoning"]
"""Where servers of this dialect say their reasoning; each takes it back under its own name, and many refuse another."""

_OLD_FORM = -1  # the index of a `function_call`: no `tool_calls` has it

_NOTHING = (None,) * 4
_NOTHING_BESIDE = (None,) * (len(Said.__struct_fields__) - 1)
_STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}


def _nothing_noted(field: ReasoningField) -> None:
    """Take no note."""


def decode_reply(body: bytes, note: Callable[[ReasoningField], None] = _nothing_noted) -> CompletionResponse:
    """Return the answer held in a plain reply; `note` is told the field in which it says its reasoning.

    Raises:
        ReportedError: The body is an error.
        WrongShapeError: The body is no chat completion.
    """
    completion = decode_as(COMPLETION, body)
    answer = _one_text(completion)
    if answer is not None:
        return answer
    assembler = OpenAIAssembler(note)
    try:
        assembler.take(completion)
    except ReportedError as error:
        error.partial = assembler.partial()
        raise
    if not completion.choices:
        raise WrongShapeError("`choices` is missing or empty")
    assembler.end()
    return assembler.response()


def _one_text(completion: Completion) -> CompletionResponse | None:
    """Return the answer if it is one text and nothing is wrong with it, as most are; None for any other.

    The assembler says the same of it, with three times the work on the way of every call.
    """
    if not completion.choices or len(completion.choices) > 1:
        return None
    choice = completion.choices[0]
    said, reason = choice.message, choice.finish_reason
    if said is None or not isinstance(said.content, str) or any(msgspec.structs.astuple(said)[1:]):
        return None
    words = (said.content, reason, completion.id, completion.model)
    nothing = (choice.error, completion.error, said.reasoning_content, said.reasoning)
    if set(map(type, words)) != {str} or not all(words) or nothing != _NOTHING or completion.object == "error":
        return None
    if reason not in _STOP_REASONS:
        return None
    lenient = Lenient()
    usage = Usage() if completion.usage is None else usage_of(completion.usage, lenient)
    return CompletionResponse(
        content=(Text(said.content),),
        model=completion.model,
        stop_reason=_STOP_REASONS[reason],
        stop_reason_raw=reason,
        usage=usage,
        request_id=completion.id,
        warnings=tuple(lenient.warnings),
    )


class OpenAIAssembler:
    """One answer out of chunks. All text is one block and all reasoning another, as in a plain reply."""

    def __init__(self, note: Callable[[ReasoningField], None] = _nothing_noted) -> None:
        """Begin before the first chunk; `note` is told the field in which the server says its reasoning."""
        self.finished = False
        self._note = note
        self._assembly = ContentAssembly()
        self._indexes: dict[Literal["text", "thinking", "refusal"], int] = {}
        self._calls = ToolCalls(self._assembly)
        self._id: str | None = None
        self.model = ""
        self._finish_reason: str | None = None
        self._refused = False
        self._usage = Usage()
        self._lenient = Lenient()

    @property
    def left_out(self) -> bytes:
        """`[DONE]` once the reason for the end has been said: some servers end the body with it."""
        return b"" if self._finish_reason is None else b"data: [DONE]\n\n"

    def feed(self, event: SseEvent) -> list[StreamEvent]:
        """Take in one chunk, or the `[DONE]` that ends the stream; any other object, or nothing, says nothing here.

        Raises:
            ReportedError: It is an error of the provider, or ends with one.
            WrongShapeError: It is not of this dialect, or ends a stream that has no answer.
        """
        if event.event == "error":
            raise error_text(event.data.encode("utf-8", "replace"))
        if event.data.startswith("{"):  # nearly all of them
            return self.take(decode_as(COMPLETION, event.data))
        data = event.data.strip()
        if data in {"", "null"}:
            return []
        if data == "[DONE]":
            if self._finish_reason is None and self.partial() is None:
                raise WrongShapeError("the stream ended without an answer and without a `finish_reason`")
            return self.end()
        return self.take(decode_as(COMPLETION, data))

    def take(self, completion: Completion) -> list[StreamEvent]:
        """Take in a chunk or a whole reply; the two differ in the name of one field.

        Raises:
            ReportedError: It is an error, or ends with one.
        """
        require_no_error(completion)
        self._id = self._lenient.word(completion.id, "id") or self._id
        self.model = self._lenient.word(completion.model, "model") or self.model
        if completion.usage is not None:
            self._usage = usage_of(completion.usage, self._lenient)
        events: list[StreamEvent] = []
        for place, choice in enumerate(completion.choices or ()):
            # of a whole reply the first is kept, whatever its number: some servers give none, or begin with 1
            if place if choice.message else choice.index and self._lenient.whole(choice.index, "index"):
                self._lenient.warnings["further choices were dropped: only the first is kept"] = None
                continue
            said = choice.delta if choice.message is None else _numbered(choice.message)
            if said is not None:
                events.extend(self._said(said))
            if choice.finish_reason or choice.error is not None:
                events.extend(self._ended(choice))
        return events

    def end(self) -> list[StreamEvent]:
        """Take in that no more will come."""
        self.finished = True
        if self._finish_reason is None:
            self._lenient.warnings["the provider gave no reason for the end of its answer"] = None
        return self._calls.begin_all()

    def partial(self) -> CompletionResponse | None:
        """Return what has been said; None if that is nothing."""
        response = self.response()
        return response if response.content else None

    def response(self) -> CompletionResponse:
        """Return the answer as far as it has arrived."""
        content = self._assembly.content() + self._calls.waiting()
        return CompletionResponse(
            content=content,
            model=self.model,
            stop_reason=self._stop_reason(has_calls=ToolUse in map(type, content)),
            stop_reason_raw=self._finish_reason,
            usage=self._usage,
            request_id=self._id,
            warnings=tuple(self._lenient.warnings),
        )

    def _stop_reason(self, *, has_calls: bool) -> str | None:
        reason = self._finish_reason
        is_plain = reason is not None and reason.lower() in ENDS
        if is_plain and self._refused:
            return "refusal"
        if has_calls and (is_plain or (reason is None and self.finished)):
            return "tool_use"
        return None if reason is None else _STOP_REASONS.get(reason, reason)

    def _ended(self, choice: Choice) -> list[StreamEvent]:
        """Take in the reason for the end that the choice says.

        Raises:
            ReportedError: The reason is an error.
        """
        reason = choice.finish_reason
        if choice.error is not None:
            raise reported_error(choice.error)
        if reason == "error":
            raise ReportedError("the answer ended with the reason `error`, and without words", code="error")
        if isinstance(reason, str):
            self._finish_reason = reason
        else:
            self._lenient.left_out(reason, "finish_reason", "a text")
        return self._calls.begin_all()

    def _said(self, said: Said) -> list[StreamEvent]:
        if said.content and isinstance(said.content, str) and msgspec.structs.astuple(said)[1:] == _NOTHING_BESIDE:
            return [self._grown("text", said.content)]  # nearly all of a stream, for a third of what follows
        if isinstance(said.reasoning_content, str):
            self._note("reasoning_content")
        elif isinstance(said.reasoning, str):
            self._note("reasoning")
        events: list[StreamEvent] = [self._grown(kind, piece) for kind, piece in _pieces(said, self._lenient.warnings)]
        if said.refusal:
            self._refused = True
            index = self._indexes.setdefault("refusal", len(self._assembly))
            self._assembly.grow(index, "text", said.refusal)
            events.append(RefusalDelta(index, said.refusal))
        calls = said.tool_calls
        if not calls and said.function_call is not None:  # the dialect's older form, of which there is one
            calls = [ToolCall(_OLD_FORM, None, said.function_call)]
        for position, call in enumerate(calls or ()):
            events += self._calls.take(self._piece(call), position, self._id)
        return events

    def _grown(self, kind: Literal["text", "thinking"], piece: str) -> TextDelta | ThinkingDelta:
        index = self._indexes.setdefault(kind, len(self._assembly))
        self._assembly.grow(index, kind, piece)
        return TextDelta(index, piece) if kind == "text" else ThinkingDelta(index, piece)

    def _piece(self, call: ToolCall) -> CallPiece:
        function = call.function or Function()
        if call.custom is not None:  # its input is kept as arguments that are no object
            function = Function(call.custom.name, call.custom.input)
        arguments = function.arguments or ""
        return CallPiece(
            index=self._lenient.whole(call.index, "index"),
            id=self._lenient.word(call.id, "id"),
            name=function.name or "",
            arguments=msgspec.json.encode(arguments).decode() if isinstance(arguments, dict) else arguments,
        )


def _numbered(message: Said) -> Said:
    """Return a whole message, its tool calls numbered as in a stream: each is a call, also where two have one id."""
    for place, call in enumerate(message.tool_calls or ()):
        call.index = place
    return message


def _pieces(said: Said, left_out: dict[str, None]) -> Iterator[tuple[Literal["text", "thinking"], str]]:
    """Yield what is said, reasoning first; empty strings say nothing. Warnings of the rest go into `left_out`."""
    reasoning = said.reasoning_content or said.reasoning
    if reasoning and isinstance(reasoning, str):
        yield "thinking", reasoning
    if isinstance(said.content, list):
        yield from _parts(said.content, left_out)
    elif said.content:
        yield "text", said.content
    if said.annotations:
        left_out["annotations were left out of the answer"] = None
    if said.audio or said.images:
        left_out["sound or pictures were left out of the answer"] = None


def _parts(parts: list[Any], left_out: dict[str, None]) -> Iterator[tuple[Literal["text", "thinking"], str]]:
    """Yield the parts of a content list; reasoning may be a list of text parts of its own."""
    for part in parts:
        match part:
            case {"type": "text" | "output_text", "text": str(text)}:
                if text:
                    yield "text", text
            case {"type": "thinking", "thinking": list(inner)}:
                for _, text in _parts(inner, left_out):
                    yield "thinking", text
            case _:
                kind = part.get("type") if isinstance(part, dict) else type(part).__name__
                left_out[f"parts of kind `{kind}` were left out of the answer"] = None
