"""An answer as a message of the Anthropic dialect. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from arawn.backends.anthropic_reply import REDACTED
from arawn.messages import CompletionResponse, ContentBlock, Text, Thinking, ToolUse, Usage

__all__ = ["message_body", "stop_reason", "usage_value"]

_REASONS = frozenset(
    (
        *("end_turn", "max_tokens", "stop_sequence", "tool_use", "pause_turn", "refusal"),
        "model_context_window_exceeded",
    )
)


def message_body(response: CompletionResponse, *, answer_id: str) -> bytes:
    """Return the body of a plain answer; `answer_id` becomes its id."""
    body = {
        "id": f"msg_{answer_id}",
        "type": "message",
        "role": "assistant",
        "model": response.model,
        "content": [_block(block) for block in _sayable(response.content)],
        "stop_reason": stop_reason(response),
        "stop_sequence": None,
        "usage": usage_value(response.usage),
    }
    return msgspec.json.encode(body)


def stop_reason(response: CompletionResponse) -> str:
    """Return the dialect's word for why the answer ended; there is always one, and clients know no other words."""
    return response.stop_reason if response.stop_reason in _REASONS else "end_turn"


def usage_value(usage: Usage) -> dict[str, Any]:
    """Return the token counts; the dialect demands two of them, so what is not known is 0."""
    return {
        "input_tokens": usage.input_tokens or 0,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "output_tokens": usage.output_tokens or 0,
    }


def _sayable(content: Iterable[ContentBlock]) -> Iterable[Text | Thinking | ToolUse]:
    """Yield the blocks that an answer can hold; empty text, which clients could not send back, is none."""
    for block in content:
        if isinstance(block, Thinking | ToolUse) or (isinstance(block, Text) and block.text):
            yield block


def _block(block: Text | Thinking | ToolUse) -> dict[str, Any]:
    match block:
        case Text():
            return {"type": "text", "text": block.text}
        case Thinking(signature=str(signature)) if signature.startswith(REDACTED):
            return {"type": "redacted_thinking", "data": signature.removeprefix(REDACTED)}
        case Thinking():
            return {"type": "thinking", "thinking": block.text, "signature": block.signature or ""}
        case ToolUse():
            arguments = block.arguments
            if block.invalid_arguments is not None:  # the dialect takes nothing but an object
                arguments = {"invalid_arguments": block.invalid_arguments}
            return {"type": "tool_use", "id": block.id, "name": block.name, "input": arguments}
