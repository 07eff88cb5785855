"""What alone tells a refusal that the model worded (`refusal` of chat completions) from text of an answer. Pure."""

from __future__ import annotations

from arawn.messages import CompletionResponse, TextDelta

__all__ = ["RefusalDelta", "is_worded_refusal"]


class RefusalDelta(TextDelta, frozen=True):
    """Text by which the model refuses."""


def is_worded_refusal(response: CompletionResponse) -> bool:
    """Say whether the text is the refusal itself; of an answer that a filter has cut off it is the answer so far."""
    return (response.stop_reason, response.stop_reason_raw) == ("refusal", "stop")
