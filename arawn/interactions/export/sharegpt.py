"""ShareGPT rows: `conversations` of `from` and `value`, with `system`, `tools` and `id` beside them. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from arawn.interactions.export.rules import Reason
from arawn.interactions.export.transcript import Transcript
from arawn.messages import ContentBlock, Message, Text, ToolResult, ToolUse

__all__ = ["sharegpt_row"]


def sharegpt_row(transcript: Transcript) -> dict[str, Any] | Reason:
    """Return turns of `human`, `gpt`, `function_call` and `observation`; `system` and `tools` are "" when absent.

    `id` is that of the last call.

    Turns of the two sides alternate, as trainers of this format demand: calls side by side are one JSON array, and so
    are their results. Text beside a call stands before the call, which is then in `<tool_call>` marks.
    """
    if transcript.has_images:
        return "image"
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
    if len(results) == 1:
        yield _turn("observation", _text(results[0].content))
    elif results:
        listed = [{"name": names[result.tool_use_id], "content": _text(result.content)} for result in results]
        yield _turn("observation", _json(listed))
    if text or not results:
        yield _turn("human", text)


def _calls(text: str, calls: list[dict[str, Any]]) -> str:
    value = _json(calls[0] if len(calls) == 1 else calls)
    return f"{text}\n<tool_call>{value}</tool_call>" if text else value


def _turn(side: str, value: str) -> dict[str, str]:
    return {"from": side, "value": value}


def _text(blocks: tuple[ContentBlock, ...]) -> str:
    return "\n\n".join(block.text for block in blocks if isinstance(block, Text))


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
