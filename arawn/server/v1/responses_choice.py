"""Which tools a responses request leaves the model to choose from. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from arawn.server.v1.body import odd
from arawn.server.v1.responses_tools import Tools

__all__ = ["chosen"]

_WORDS = frozenset(("auto", "none", "required"))


def chosen(choice: str | dict[str, Any] | None, tools: Tools) -> tuple[str | None, Tools]:
    """Return the neutral choice, and the tools that are offered: of `allowed_tools` these alone.

    Raises:
        Refused: It is no choice, or allows none of the tools (400).
    """
    match choice:
        case None:
            return None, tools
        case str() if choice in _WORDS:
            return choice, tools
        case {"type": "function" | "custom", "name": str(name), **more}:
            said = tools.said_as(name, more.get("namespace"))
            return said, tools.loaded([said])
        case {"type": "tool_search"} if tools.search:
            return tools.search.said, tools
        case {"type": "allowed_tools", "mode": "auto" | "required" as mode, "tools": list(allowed)}:
            return mode, _only(allowed, tools)
    accepted = ", ".join(f"`{word}`" for word in sorted(_WORDS))
    objects = "no object that names a `function` or a `custom` tool, or `allowed_tools` with their `mode`"
    raise odd(f"`tool_choice` is none of {accepted}, and {objects}")


def _only(allowed: list[Any], tools: Tools) -> Tools:
    """Return the tools that are named; of other kinds none is offered anyway.

    What is to be searched for is offered at once where the search is not allowed.
    """
    named: set[str] = set()
    for each in allowed:
        match each:
            case {"type": "function" | "custom", "name": str(name), **more}:
                named.add(tools.said_as(name, more.get("namespace")))
            case {"type": "namespace", "name": str(name)}:
                named |= {each.said for each in (*tools.functions, *tools.late) if each.namespace == name}
            case {"type": "tool_search"} if tools.search:
                named.add(tools.search.said)
    if tools.search and tools.search.said not in named:
        tools = tools.loaded(named)
    functions = tuple(function for function in tools.functions if function.said in named)
    if not functions:
        raise odd("`tool_choice` allows no tool that can be offered; name a function or a custom tool of the request")
    late = tuple(function for function in tools.late if function.said in named)
    return msgspec.structs.replace(tools, functions=functions, late=late)
