"""What a reply and a chunk of the chat completions dialect hold; typed is only what nobody can do without. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from arawn.backends.lenient import Lenient
from arawn.backends.shape import reported_error
from arawn.messages import Usage

__all__ = ["COMPLETION", "Choice", "Completion", "Function", "Said", "ToolCall", "require_no_error", "usage_of"]


class Function(msgspec.Struct, gc=False):
    """What is called, or a piece of it."""

    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class Custom(msgspec.Struct, gc=False):
    """A call of a tool that takes any text, or a piece of it."""

    name: str | None = None
    input: str | None = None


class ToolCall(msgspec.Struct, gc=False):
    """A call, or a piece of one."""

    index: Any = None
    id: Any = None
    function: Function | None = None
    custom: Custom | None = None


class Said(msgspec.Struct, gc=False):
    """A whole `message` or the `delta` of a chunk."""

    content: str | list[Any] | None = None
    refusal: str | None = None
    reasoning_content: Any = None
    reasoning: Any = None
    tool_calls: list[ToolCall] | None = None
    function_call: Function | None = None
    audio: Any = None
    images: Any = None
    annotations: Any = None


class Choice(msgspec.Struct, gc=False):
    """One answer, or a piece of one."""

    index: Any = 0
    message: Said | None = None
    delta: Said | None = None
    finish_reason: Any = None
    error: Any = None


class Completion(msgspec.Struct, gc=False):
    """A whole reply or one chunk of a stream."""

    choices: list[Choice] | None = None
    id: Any = None
    model: Any = None
    usage: Any = None
    error: Any = None
    object: Any = None
    message: Any = None
    code: Any = None
    detail: Any = None


COMPLETION = msgspec.json.Decoder(Completion)


def require_no_error(completion: Completion) -> None:
    """Let through what is no error.

    Raises:
        ReportedError: The reply or the chunk stands for one, in one of three forms.
    """
    if completion.error is not None:
        raise reported_error(completion.error)
    if completion.object == "error":  # as vLLM says it: without an envelope
        raise reported_error({"message": completion.message, "code": completion.code})
    if completion.choices is None and completion.detail:  # as frameworks of web servers say it
        words = (
            completion.detail if isinstance(completion.detail, str) else msgspec.json.encode(completion.detail).decode()
        )
        raise reported_error({"message": words, "code": completion.code})


def usage_of(value: Any, lenient: Lenient) -> Usage:
    """Return the counts in `usage`; what of it cannot be read is left out, with a warning."""
    usage = lenient.fields(value, "usage")
    cached = _detail(usage, "prompt_tokens_details", "cached_tokens", lenient)
    prompt = lenient.count(usage.get("prompt_tokens"), "prompt_tokens")
    return Usage(
        input_tokens=None if prompt is None else max(0, prompt - (cached or 0)),
        output_tokens=lenient.count(usage.get("completion_tokens"), "completion_tokens"),
        cache_read_tokens=cached,
        reasoning_tokens=_detail(usage, "completion_tokens_details", "reasoning_tokens", lenient),
    )


def _detail(usage: dict[str, Any], place: str, name: str, lenient: Lenient) -> int | None:
    """Return a count that stands in an object of its own, which many servers leave out."""
    details = usage.get(place)
    return None if details is None else lenient.count(lenient.fields(details, place).get(name), name)
