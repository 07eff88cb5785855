"""An answer as a chat completion. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from arawn.messages import CompletionResponse, Thinking, ToolUse, Usage

__all__ = ["chat_completion", "finish_reason", "usage_value"]

_FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


def chat_completion(response: CompletionResponse, *, answer_id: str, created: int) -> bytes:
    """Return the body of a plain answer.

    Args:
        response: The answer.
        answer_id: Its id.
        created: When it was made, in Unix seconds.
    """
    text = response.text if response.text or not response.tool_calls else None
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
    reasoning = "".join(block.text for block in response.content if isinstance(block, Thinking))
    if reasoning:
        message["reasoning_content"] = reasoning
    if response.tool_calls:
        message["tool_calls"] = [_tool_call(call) for call in response.tool_calls]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason(response)}
    body = {
        "id": f"chatcmpl-{answer_id}",
        "object": "chat.completion",
        "created": created,
        "model": response.model,
        "choices": [choice],
        "usage": usage_value(response.usage),
    }
    return msgspec.json.encode(body)


def finish_reason(response: CompletionResponse) -> str:
    """Return the dialect's word for why the answer ended; there is always one."""
    return _FINISH.get(response.stop_reason or "", "stop")


def usage_value(usage: Usage) -> dict[str, Any] | None:
    """Return the token counts; None if the provider reported none."""
    prompt, completion = usage.total_input_tokens, usage.output_tokens
    if prompt is None and completion is None:
        return None
    value: dict[str, Any] = {
        "prompt_tokens": prompt or 0,
        "completion_tokens": completion or 0,
        "total_tokens": (prompt or 0) + (completion or 0),
    }
    if usage.cache_read_tokens is not None:
        value["prompt_tokens_details"] = {"cached_tokens": usage.cache_read_tokens}
    if usage.reasoning_tokens is not None:
        value["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
    return value


def _tool_call(call: ToolUse) -> dict[str, Any]:
    arguments = call.invalid_arguments
    if arguments is None:
        arguments = msgspec.json.encode(call.arguments).decode()
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}
