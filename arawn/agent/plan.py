"""What a turn does next: which tools run together, when it is over, what it leaves behind. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from types import MappingProxyType
from typing import Literal

from arawn.agent.events import TurnReply
from arawn.agent.tool import Tool
from arawn.messages import CompletionResponse, Message, Text, ToolResult, ToolUse, Usage

__all__ = ["after_answer", "batches", "closed", "error_result", "refusal", "reply_of", "total_usage"]

Place = tuple[int, ToolUse]

_UNASKED = "there is no such tool: none was offered"


def after_answer(response: CompletionResponse, iteration: int, limit: int) -> Literal["done", "tools", "limit"]:
    """Say what follows an answer: nothing, its tool calls, or the end because `limit` iterations have been made."""
    if not response.tool_calls:
        return "done"
    return "tools" if iteration < limit else "limit"


def batches(calls: Sequence[ToolUse], tools: Mapping[str, Tool]) -> list[list[Place]]:
    """Return the calls with their places in the groups to run one after another; those in a group run together.

    Neighbours that only read share a group. What they read is never older than a call before them that writes.
    """
    groups = groupby(enumerate(calls), key=lambda place: _only_reads(place[1], tools))
    return [group for reads, places in groups for group in ([list(places)] if reads else [[place] for place in places])]


def _only_reads(call: ToolUse, tools: Mapping[str, Tool]) -> bool:
    return refusal(call, tools) is not None or tools[call.name].read_only


def refusal(call: ToolUse, tools: Mapping[str, Tool]) -> str | None:
    """Return why a call cannot be run at all, in words for the model; None if it can."""
    if call.name not in tools:
        known = ", ".join(f"`{name}`" for name in tools) or "none"
        return f"there is no tool `{call.name}`; the tools are: {known}"
    if call.invalid_arguments is not None:
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


def total_usage(responses: Iterable[CompletionResponse]) -> Usage:
    """Return the tokens of all responses together; None stays where none of them reported a number."""
    total: dict[str, int | None] = dict.fromkeys(Usage.__struct_fields__)
    for response in responses:
        for field, known in total.items():
            count = getattr(response.usage, field)
            if count is not None:
                total[field] = (known or 0) + count
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
