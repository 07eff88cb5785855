"""What alone tells a refusal that the model worded (`refusal` of chat completions) from text of an answer. Pure."""

from __future__ import annotations

from arawn.messages import CompletionResponse, Text, TextDelta

__all__ = ["ENDS", "RefusalDelta", "worded_refusal"]

ENDS = {"stop", "tool_calls", "tool_call", "tool_use", "function_call", "eos", "eos_token", "end_turn", "end", "done"}
"""The words that say no more than that the answer is whole: with tool calls in it, these are why."""


class RefusalDelta(TextDelta, frozen=True):
    """Text by which the model refuses."""


def worded_refusal(response: CompletionResponse) -> Text | None:
    """Return the block that is the refusal itself; None if there is none, as where a filter has cut the answer off."""
    if response.stop_reason != "refusal" or (response.stop_reason_raw or "").lower() not in ENDS:
        return None
    return next((block for block in reversed(response.content) if isinstance(block, Text)), None)
