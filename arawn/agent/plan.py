"""What a turn does next: which tools run together, when it is over, what it leaves behind. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from itertools import groupby
from types import MappingProxyType
from typing import Literal

import msgspec

from arawn.agent.events import TurnReply
from arawn.agent.tool import Tool
from arawn.errors import BadRequest, ContextTooLong
from arawn.interactions.call_ids import distinct_ids
from arawn.messages import CompletionResponse, Message, Text, ToolResult, ToolUse, Usage

__all__ = [
    "after_answer",
    "batches",
    "closed",
    "distinct",
    "error_result",
    "refusals",
    "reply_of",
    "too_large",
    "total_usage",
    "without_last_results",
]

Place = tuple[int, ToolUse]

_UNASKED = "there is no such tool: none was offered"
_LEFT_OUT = Text("left out: with this result the conversation was longer than the model takes; ask for less")
_TOO_LARGE = 413  # of bytes; no provider says what would fit
_CUT_OFF = {"max_tokens", "refusal", "model_context_window_exceeded"}  # the answer may end anywhere


def after_answer(response: CompletionResponse, iteration: int, limit: int) -> Literal["done", "tools", "limit"]:
    """Say what follows an answer: nothing, its tool calls, or the end because `limit` iterations have been made."""
    if not response.tool_calls:
        return "done"
    return "tools" if iteration < limit else "limit"


def distinct(response: CompletionResponse) -> CompletionResponse:
    """Return the response with an id of its own for each tool call: a history with one twice is refused."""
    own = iter(distinct_ids([call.id for call in response.tool_calls]))
    content = (
        msgspec.structs.replace(block, id=next(own)) if isinstance(block, ToolUse) else block
        for block in response.content
    )
    return msgspec.structs.replace(response, content=tuple(content))


def batches(calls: Sequence[ToolUse], tools: Mapping[str, Tool], refused: Container[int] = ()) -> list[list[Place]]:
    """Return the calls with their places in the groups to run one after another; those in a group run together.

    Neighbours that only read, or are `refused`, share a group. What is read is never older than a write before it.
    """
    groups = groupby(enumerate(calls), key=lambda place: place[0] in refused or tools[place[1].name].read_only)
    return [group for reads, places in groups for group in ([list(places)] if reads else [[place] for place in places])]


def refusals(response: CompletionResponse, tools: Mapping[str, Tool]) -> dict[int, str]:
    """Return why calls cannot be run at all, by their places, in words for the model."""
    calls = response.tool_calls
    refused = {place: why for place, call in enumerate(calls) if (why := _refusal(call, tools)) is not None}
    if calls and response.stop_reason in _CUT_OFF and response.content[-1] is calls[-1]:
        why = f"not run: your answer was cut off in this call (`{response.stop_reason}`); ask again, in fewer words"
        refused[len(calls) - 1] = why
    return refused


def _refusal(call: ToolUse, tools: Mapping[str, Tool]) -> str | None:
    if call.name not in tools:
        known = ", ".join(f"`{name}`" for name in tools) or "none"
        return f"there is no tool `{call.name}`; the tools are: {known}"
    if call.arguments is None:
        return f"the arguments of `{call.name}` are not a JSON object; send one that fits its schema"
    return None


def error_result(call: ToolUse, why: str) -> ToolResult:
    """Return the result that tells the model why there is no other."""
    return ToolResult(call.id, (Text(why),), is_error=True)


def closed(
    messages: tuple[Message, ...], results: Mapping[int, ToolResult] = MappingProxyType({}), why: str = _UNASKED
) -> tuple[Message, ...]:
    """Return messages that every dialect takes as history: no tool call of the last one is without a result.

    Args:
        messages: Part of a conversation; only the last message can hold calls without results.
        results: Those that are known, by the place of their call.
        why: Stands in for the others.
    """
    calls = [block for block in messages[-1].content if isinstance(block, ToolUse)]
    if not calls:
        return messages
    return (
        *messages,
        Message("user", tuple(results.get(place) or error_result(call, why) for place, call in enumerate(calls))),
    )


def too_large(error: BaseException) -> bool:
    """Say whether a call failed since all that was sent is more than the model, or what stands before it, takes."""
    return isinstance(error, ContextTooLong) or (isinstance(error, BadRequest) and error.status == _TOO_LARGE)


def without_last_results(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """Return messages whose last one, if it holds tool results, has short ones that say so in place of the long ones.

    No model has answered those yet. With them kept, a conversation that is too long would be so for good.
    """
    *before, last = messages
    results = tuple(_short(block) if isinstance(block, ToolResult) else block for block in last.content)
    return messages if results == last.content else (*before, Message(last.role, results))


def _short(result: ToolResult) -> ToolResult:
    """Return the result, or one that says that it was left out if that is shorter."""
    texts = [part.text for part in result.content if isinstance(part, Text)]
    if len(texts) == len(result.content) and sum(map(len, texts)) <= len(_LEFT_OUT.text):
        return result
    return ToolResult(result.tool_use_id, (_LEFT_OUT,), is_error=True)


def total_usage(responses: Iterable[CompletionResponse]) -> Usage:
    """Return the tokens of all responses together; None stays where none of them reported a number."""
    total: dict[str, int | None] = dict.fromkeys(Usage.__struct_fields__)
    for response in responses:
        for field, known in total.items():
            tokens = getattr(response.usage, field)
            if tokens is not None:
                total[field] = (known or 0) + tokens
    return Usage(**total)


def reply_of(responses: Sequence[CompletionResponse], messages: tuple[Message, ...], *, truncated: bool) -> TurnReply:
    """Return the last response as the reply of the whole turn."""
    last = responses[-1]
    fields = {field: getattr(last, field) for field in CompletionResponse.__struct_fields__}
    return TurnReply(
        **fields,
        truncated=truncated,
        iterations=len(responses),
        turn_usage=total_usage(responses),
        messages=messages,
    )
