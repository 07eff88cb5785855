"""Rows for TRL's trainers: conversational `messages`, `tools` as JSON text, and where the row is from. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from arawn.interactions.export.openai_chat import chat_body
from arawn.interactions.export.rules import Reason
from arawn.interactions.export.transcript import Transcript

__all__ = ["trl_row"]

_KEYS = ("role", "content", "tool_calls", "tool_call_id", "name")


def trl_row(transcript: Transcript) -> dict[str, Any] | Reason:
    """Return `messages` with every key in each, `tools` as JSON text (null: none), and the call's `id`.

    Arguments are JSON text, since their shape differs from tool to tool and a column has one type; a tool's answer
    carries the tool's name, which many chat templates ask for.
    """
    if transcript.has_images:
        return "image"
    body = chat_body(transcript)
    names: dict[str, str] = {}
    messages = []
    for message in body["messages"]:
        names |= {call["id"]: call["function"]["name"] for call in message.get("tool_calls", ())}
        whole = {**message, "name": names.get(message.get("tool_call_id", ""))}
        messages.append({key: whole.get(key) for key in _KEYS})
    tools = msgspec.json.encode(body["tools"]).decode() if "tools" in body else None
    return {"messages": messages, "tools": tools, "id": transcript.id}
