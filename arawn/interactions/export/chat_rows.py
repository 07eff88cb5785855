"""Rows of conversations, as trainers take them: for the OpenAI API, for ShareGPT's readers, for TRL. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from arawn.backends.openai import OpenAIDialect
from arawn.interactions.export.rules import Reason
from arawn.interactions.export.transcript import Transcript
from arawn.messages import CompletionRequest, ContentBlock, Message, Text, ToolResult, ToolUse

__all__ = ["openai_call_row", "openai_chat_row", "sharegpt_row", "trl_row"]

_TRL_KEYS = ("role", "content", "tool_calls", "tool_call_id", "name")


def openai_chat_row(transcript: Transcript) -> dict[str, Any] | Reason:
    """Return `messages`, and `tools` and `parallel_tool_calls` when tools were offered, as OpenAI's API trains on.

    Pictures of the user stay; those that tools or models made have no place in the format.
    """
    if transcript.has_result_images or transcript.has_answer_images:
        return "image"
    row = _chat_body(transcript)
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


def _chat_body(transcript: Transcript) -> dict[str, Any]:
    """Return the conversation as it would be sent: `messages`, and `tools` if there are any."""
    request = CompletionRequest(messages=transcript.messages, system=transcript.system, tools=transcript.tools)
    body = OpenAIDialect().encode(request, stream=False).body
    return {name: body[name] for name in ("messages", "tools") if name in body}


def sharegpt_row(transcript: Transcript) -> dict[str, Any] | Reason:
    """Return turns of `human`, `gpt`, `function_call` and `observation`; `system` and `tools` are "" when absent.

    `id` is that of the last call.

    Turns of the two sides alternate, the user's first, as trainers of this format demand: calls side by side are one
    JSON array, and so are their results, in the order of the calls. Text beside a call stands before the call, which is
    then in `<tool_call>` marks; text beside results stands behind them.
    """
    if transcript.has_images:
        return "image"
    if transcript.messages[0].role == "assistant":
        return "no_question"
    names = {block.id: block.name for block in transcript.blocks() if isinstance(block, ToolUse)}
    turns = [turn for message in transcript.messages for turn in _turns(message, names)]
    tools = [
        {"name": tool.name, "description": tool.description, "parameters": tool.parameters} for tool in transcript.tools
    ]
    offered = _json(tools) if tools else ""
    return {"conversations": turns, "system": transcript.system or "", "tools": offered, "id": transcript.id}


def _turns(message: Message, names: dict[str, str]) -> Iterator[dict[str, str]]:
    text = _text(message.content)
    if message.role == "assistant":
        calls = [
            {"name": block.name, "arguments": block.arguments}
            for block in message.content
            if isinstance(block, ToolUse)
        ]
        yield _turn("function_call", _calls(text, calls)) if calls else _turn("gpt", text)
        return
    results = [block for block in message.content if isinstance(block, ToolResult)]
    if not results:
        yield _turn("human", text)
        return
    order = list(names)
    results.sort(key=lambda result: order.index(result.tool_use_id))
    listed = [{"name": names[result.tool_use_id], "content": _text(result.content)} for result in results]
    seen = _json(listed) if len(listed) > 1 else _text(results[0].content)
    yield _turn("observation", f"{seen}\n\n{text}" if text else seen)


def _calls(text: str, calls: list[dict[str, Any]]) -> str:
    value = _json(calls[0] if len(calls) == 1 else calls)
    return f"{text}\n<tool_call>{value}</tool_call>" if text else value


def _turn(side: str, value: str) -> dict[str, str]:
    return {"from": side, "value": value}


def _text(blocks: tuple[ContentBlock, ...]) -> str:
    return "\n\n".join(block.text for block in blocks if isinstance(block, Text))


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def trl_row(transcript: Transcript) -> dict[str, Any] | Reason:
    """Return `messages` with every key in each, `tools` as JSON text (null: none), and the call's `id`.

    Arguments are JSON text, since their shape differs from tool to tool and a column has one type; a tool's answer
    carries the tool's name, which many chat templates ask for.
    """
    if transcript.has_images:
        return "image"
    body = _chat_body(transcript)
    names: dict[str, str] = {}
    messages = []
    for message in body["messages"]:
        names |= {call["id"]: call["function"]["name"] for call in message.get("tool_calls", ())}
        whole = {**message, "name": names.get(message.get("tool_call_id", ""))}
        messages.append({key: whole.get(key) for key in _TRL_KEYS})
    tools = msgspec.json.encode(body["tools"]).decode() if "tools" in body else None
    return {"messages": messages, "tools": tools, "id": transcript.id}
