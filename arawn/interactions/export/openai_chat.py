"""Rows for fine-tuning over the OpenAI API: chat messages, the tools, and whether calls went side by side. Pure."""

from __future__ import annotations

from typing import Any

from arawn.backends.openai import OpenAIDialect
from arawn.interactions.export.rules import Reason
from arawn.interactions.export.transcript import Transcript
from arawn.messages import CompletionRequest, ToolUse

__all__ = ["chat_body", "openai_call_row", "openai_chat_row"]


def openai_chat_row(transcript: Transcript) -> dict[str, Any] | Reason:
    """Return `messages`, and `tools` and `parallel_tool_calls` when tools were offered.

    Pictures of the user stay; those that tools or models made have no place in the format.
    """
    if transcript.has_result_images or transcript.has_answer_images:
        return "image"
    row = chat_body(transcript)
    if "tools" in row:
        row["parallel_tool_calls"] = any(
            sum(isinstance(block, ToolUse) for block in message.content) > 1 for message in transcript.messages
        )
    return row


def openai_call_row(transcript: Transcript) -> dict[str, Any] | Reason:
    """Return the row of one call: as `openai_chat_row`, but of all answers in it the last one alone is trained."""
    row = openai_chat_row(transcript)
    if isinstance(row, str):
        return row
    *before, answer = row["messages"]
    untrained = [{**each, "weight": 0} if each["role"] == "assistant" else each for each in before]
    return {**row, "messages": [*untrained, answer]}


def chat_body(transcript: Transcript) -> dict[str, Any]:
    """Return the conversation as it would be sent: `messages`, and `tools` if there are any."""
    request = CompletionRequest(messages=transcript.messages, system=transcript.system, tools=transcript.tools)
    body = OpenAIDialect().encode(request, stream=False).body
    return {name: body[name] for name in ("messages", "tools") if name in body}
