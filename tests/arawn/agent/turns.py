"""What the tests of turns share: scripts, histories that are checked, and tools that do as they are told."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import trio

from arawn.backends.anthropic import AnthropicDialect
from arawn.backends.openai import OpenAIDialect
from arawn.messages import CompletionRequest, Message, Text, ToolResult, ToolUse
from arawn.runtime_door import Runtime
from tests.runtimes import configured, running, scripted

__all__ = ["LOOK", "endless", "history", "look", "playing", "require_valid", "results", "step"]


def step(*calls: str | dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a step of a script that asks for these tools."""
    return {"tool_calls": [{"name": call} if isinstance(call, str) else call for call in calls], **more}


def require_valid(history: Sequence[Message]) -> None:
    """Fail unless both dialects take `history`: each tool call has one result, in the very next message."""
    for place, message in enumerate(history):
        calls = [block.id for block in message.content if isinstance(block, ToolUse)]
        following = history[place + 1].content if place + 1 < len(history) else ()
        if calls:
            assert [block.tool_use_id for block in following if isinstance(block, ToolResult)] == calls
        results = [block for block in message.content if isinstance(block, ToolResult)]
        if results:
            before = [block.id for block in history[place - 1].content if isinstance(block, ToolUse)]
            assert [block.tool_use_id for block in results] == before
    request = CompletionRequest(messages=tuple(history))
    sent = AnthropicDialect().encode(request, stream=False).body["messages"]
    roles = [message["role"] for message in sent]
    assert all(one != other for one, other in pairwise(roles))
    OpenAIDialect().encode(request, stream=False)


def playing(directory: Path, *steps: dict[str, Any]) -> Any:
    return running(configured(directory, {"default": scripted(directory, list(steps))}))


async def history(runtime: Runtime) -> tuple[Message, ...]:
    await runtime.workstream("w").bind(None)  # comes after a turn that is still being kept
    stored = await runtime.stored_workstream("w")
    assert stored is not None
    require_valid(stored.history)
    return stored.history


def results(messages: tuple[Message, ...]) -> list[tuple[bool, str]]:
    found = [block for message in messages for block in message.content if isinstance(block, ToolResult)]
    return [(block.is_error, "".join(part.text for part in block.content if isinstance(part, Text))) for block in found]


async def look(at: str) -> str:
    """Look at something."""
    return f"{at} is blue"


LOOK = {"name": "look", "arguments": {"at": "sky"}}


async def endless(at: str) -> str:
    await trio.sleep_forever()
    return at
