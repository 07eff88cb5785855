"""The search for tools that the client does itself: offered as a function, called back as what it is. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from arawn.backends.assembly import tool_use_from_text
from arawn.messages import ToolUse

__all__ = ["arguments_of", "call_from", "found_text", "guide", "is_search", "search_function"]

# What a search without parameters of its own is asked for, which is what OpenAI's own search is.
_PATHS = {"type": "array", "items": {"type": "string"}, "description": "Names of the tools to load."}
_PARAMETERS = {"type": "object", "properties": {"paths": _PATHS}, "required": ["paths"], "additionalProperties": False}


def is_search(tool: object) -> bool:
    """Say whether a tool is such a search; one that the server does has another `execution`, or none."""
    return isinstance(tool, dict) and tool.get("type") == "tool_search" and tool.get("execution") == "client"


def search_function(tool: dict[str, Any]) -> dict[str, Any]:
    """Return the function that the search is offered as."""
    described = {
        "name": "tool_search",
        "description": tool.get("description") or "Loads tools, which can then be called.",
    }
    return {"type": "function", **described, "parameters": tool.get("parameters") or _PARAMETERS}


def arguments_of(arguments: str) -> dict[str, Any] | str:
    """Return what a call says: an object, or the text as it is where it is none, for the client to refuse."""
    call = tool_use_from_text("", "", arguments)
    return arguments if call.arguments is None else call.arguments


def call_from(call_id: str, said: str, arguments: object) -> ToolUse:
    """Return the call that an item of an earlier turn says."""
    text = arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()
    return tool_use_from_text(call_id, said, text)


def found_text(names: Sequence[str]) -> str:
    """Return what the model is told of a search; what the tools are is said where tools are offered."""
    return f"Tools found: {', '.join(f'`{name}`' for name in names)}." if names else "No tool was found."


def guide(search: str, namespaces: Sequence[dict[str, Any]], late: Sequence[dict[str, Any]]) -> str:
    """Return what `search` can find: the model gets to know the name of it and what it is for, and no more.

    Args:
        search: What the model calls the search.
        namespaces: Those that hold functions which are not loaded.
        late: The other functions that are not loaded.
    """
    lines = [f"- `{tool['name']}`: {tool.get('description') or ''}".rstrip(": ") for tool in (*namespaces, *late)]
    return "\n".join([f"`{search}` can find:", *dict.fromkeys(lines)])
