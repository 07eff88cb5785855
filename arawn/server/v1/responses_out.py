"""An answer as a response object. Pure."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from arawn.backends.worded_refusal import worded_refusal
from arawn.messages import CompletionResponse, Text, Thinking, ToolUse, Usage
from arawn.server.v1.responses_custom import input_of
from arawn.server.v1.responses_in import ResponsesBody
from arawn.server.v1.responses_search import arguments_of
from arawn.server.v1.responses_tools import Kind, Tools

__all__ = [
    "PREFIXES",
    "Frame",
    "call_item",
    "cut_short",
    "message_item",
    "reasoning_item",
    "response_body",
    "text_part",
    "why_incomplete",
]

PREFIXES = {"text": "msg", "refusal": "msg", "thinking": "rs", "function": "fc", "custom": "ctc", "tool_search": "tsc"}
"""How the id of an item begins."""

_INCOMPLETE = {
    "max_tokens": "max_output_tokens",
    "model_context_window_exceeded": "max_output_tokens",
    "refusal": "content_filter",
}


class Frame(msgspec.Struct, frozen=True):
    """What a response says of itself beside its output. By `tools` it names what is called."""

    answer_id: str
    created: int
    asked: ResponsesBody
    tools: Tools = Tools()

    def value(self, status: str, output: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        """Return the response object."""
        asked = self.asked
        return {
            "id": f"resp_{self.answer_id}",
            "object": "response",
            "created_at": self.created,
            "status": status,
            "error": None,
            "incomplete_details": None,
            "instructions": asked.instructions,
            "max_output_tokens": asked.max_output_tokens,
            "metadata": {},
            "output": output,
            "parallel_tool_calls": asked.parallel_tool_calls is not False,
            "previous_response_id": None,
            "store": False,
            "temperature": asked.temperature,
            "text": asked.text or {"format": {"type": "text"}},
            "tool_choice": asked.tool_choice or "auto",
            "tools": asked.tools or [],
            "top_p": asked.top_p,
            "usage": None,
            **more,
        }

    def ended(self, response: CompletionResponse, output: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the response object of a whole answer."""
        reason = why_incomplete(response)
        details = None if reason is None else {"reason": reason}
        status = "completed" if reason is None else "incomplete"
        return self.value(
            status, output, model=response.model, usage=_usage(response.usage), incomplete_details=details
        )


def why_incomplete(response: CompletionResponse) -> str | None:
    """Return why an answer is not whole; None if it is: a refusal that the model worded is."""
    return None if worded_refusal(response) else _INCOMPLETE.get(response.stop_reason or "")


def response_body(response: CompletionResponse, *, frame: Frame) -> bytes:
    """Return the body of a plain answer."""
    output: list[dict[str, Any]] = []
    refusal, broken = worded_refusal(response), []
    for position, block in enumerate(response.content):
        item_id = f"{position}_{frame.answer_id}"
        match block:
            case Text():
                output.append(
                    message_item(f"msg_{item_id}", text_part(block.text, "refusal" if block is refusal else "text"))
                )
            case Thinking() if block.text:
                output.append(reasoning_item(f"rs_{item_id}", block.text))
            case ToolUse():
                kind, arguments = frame.tools.kind_of(block.name), block.invalid_arguments
                if arguments is not None and kind == "function":
                    broken.append(len(output))
                if arguments is None:
                    arguments = msgspec.json.encode(block.arguments).decode()
                call = (kind, f"{PREFIXES[kind]}_{item_id}", block.id, frame.tools.called(block.name))
                output.append(call_item(*call, arguments))
    if output and why_incomplete(response):
        for place in broken or [-1]:
            output[place] = cut_short(output[place])
    return msgspec.json.encode(frame.ended(response, output))


def cut_short(item: dict[str, Any]) -> dict[str, Any]:
    """Return an item that ends in the middle."""
    return {**item, "status": "incomplete"} if "status" in item else item


def message_item(item_id: str, part: dict[str, Any]) -> dict[str, Any]:
    """Return a whole message."""
    return {"type": "message", "id": item_id, "role": "assistant", "status": "completed", "content": [part]}


def text_part(text: str, kind: Literal["text", "refusal"] = "text") -> dict[str, Any]:
    """Return the part of a message that holds its text, or the words by which the model refuses."""
    if kind == "refusal":
        return {"type": "refusal", "refusal": text}
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def reasoning_item(item_id: str, text: str) -> dict[str, Any]:
    """Return whole reasoning."""
    return {"type": "reasoning", "id": item_id, "summary": [{"type": "summary_text", "text": text}]}


def call_item(kind: Kind, item_id: str, call_id: str, called: dict[str, str], arguments: str) -> dict[str, Any]:
    """Return a whole tool call.

    Args:
        kind: What is called.
        item_id: That of the item.
        call_id: That of the call.
        called: The fields that say of which function it is.
        arguments: Those that the model wrote for the function.
    """
    whole = {"id": item_id, "call_id": call_id, "status": "completed"}
    match kind:
        case "function":
            return {"type": "function_call", **whole, **called, "arguments": arguments}
        case "custom":
            return {"type": "custom_tool_call", **whole, **called, "input": input_of(arguments)}
        case "tool_search":
            return {"type": "tool_search_call", **whole, "execution": "client", "arguments": arguments_of(arguments)}


def _usage(usage: Usage) -> dict[str, Any] | None:
    read, written = usage.total_input_tokens, usage.output_tokens
    if read is None and written is None:
        return None
    cached = {"cached_tokens": usage.cache_read_tokens or 0, "cache_write_tokens": usage.cache_write_tokens or 0}
    return {
        "input_tokens": read or 0,
        "input_tokens_details": cached,
        "output_tokens": written or 0,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens or 0},
        "total_tokens": (read or 0) + (written or 0),
    }
