"""A responses request as the neutral form says it. Pure.

No backend is spoken to in this dialect, so no field passes untouched.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from arawn.messages import CompletionRequest, ToolDefinition
from arawn.server.v1.body import (
    Body,
    Translated,
    dropped_or_refused,
    misfits_of,
    not_offered,
    odd,
    one_call_at_a_time,
    read_body,
    require_limit,
    require_messages,
)
from arawn.server.v1.responses_items import turns
from arawn.server.v1.target import Target

__all__ = ["ResponsesBody", "as_heard", "read_responses", "translate_responses"]

# Fields that stand for something kept by the server between calls, or done by it: nothing here does.
_REFUSED = frozenset(("conversation", "previous_response_id", "prompt"))
_TOOL_CHOICES = frozenset(("auto", "none", "required"))
_FUNCTION_FIELDS = ("name", "description", "parameters", "strict")


class ResponsesBody(msgspec.Struct, frozen=True):
    """The fields that the neutral form has a word for, and those that decide how to answer."""

    model: str
    input: str | list[dict[str, Any]]
    instructions: str | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    text: dict[str, Any] | None = None
    reasoning: dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    background: bool | None = None
    store: bool | None = None
    stream: bool | None = None


def read_responses(body: bytes) -> Body[ResponsesBody]:
    """Return the body of a responses request.

    Raises:
        Refused: It is no such request, or asks for what is not done here (400).
    """
    read = read_body(body, ResponsesBody)
    if read.known.background:
        raise odd("`background` is true; calls here are answered while the client waits: leave it out")
    return read


def translate_responses(body: Body[ResponsesBody], target: Target) -> Translated:
    """Return the request for `target`, and the names of the fields that its backend is not told.

    Raises:
        Refused: Something in it has no form here (400).
    """
    sent = body.known
    remedy = "every call here must hold its whole input: leave it out, and send what it stands for"
    ignored = dropped_or_refused(body.rest, _REFUSED, "any backend", remedy=remedy)
    misfit = misfits_of(said_as_is=False)
    choice = _tool_choice(sent.tool_choice)
    prompt, messages = turns(sent.input)
    tools, kinds = _tools(sent.tools or ())
    left_out = not_offered(kinds, tools, choice, "any backend")
    extra, unsaid = _extra(as_heard(sent, ()), choice, target)
    request = CompletionRequest(
        messages=require_messages(messages, "input", misfit),
        system="\n\n".join(text for text in (sent.instructions, prompt) if text) or None,
        tools=tools,
        tool_choice=choice,
        model=target.model,
        max_tokens=require_limit(sent.max_output_tokens, misfit),
        temperature=sent.temperature,
        top_p=sent.top_p,
        extra=extra,
    )
    return Translated(request, ignored + unsaid + left_out, left_out)


def as_heard(sent: ResponsesBody, ignored: Sequence[str]) -> ResponsesBody:
    """Return what was asked as the answer repeats it: what the backend was not told of tools and calls is not claimed.

    Args:
        sent: What was asked.
        ignored: The names of what the backend was not told.
    """
    if sent.tools is not None:
        sent = msgspec.structs.replace(sent, tools=_functions(sent.tools))
    if "tools.strict" in ignored:
        loose = [{**tool, "strict": False} for tool in sent.tools or ()]
        sent = msgspec.structs.replace(sent, tools=loose)
    if "parallel_tool_calls" in ignored:
        sent = msgspec.structs.replace(sent, parallel_tool_calls=None)
    return sent


def _tools(tools: Sequence[dict[str, Any]]) -> tuple[tuple[ToolDefinition, ...], set[str]]:
    """Return the functions among the tools, and the other kinds, which a server or a grammar stands behind."""
    known: list[ToolDefinition] = []
    kinds: set[str] = set()
    for position, tool in enumerate(tools):
        match tool:
            case {"type": "function", "name": str(name)}:
                known.append(ToolDefinition(name, tool.get("description") or "", tool.get("parameters") or {}))
            case {"type": str(kind)} if kind != "function":
                kinds.add(kind)
            case _:
                raise odd(f"`$.tools[{position}]` must have a text `type`, and a function a text `name`")
    return tuple(known), kinds


def _functions(tools: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [tool for tool in tools if tool.get("type") == "function"]


def _tool_choice(choice: str | dict[str, Any] | None) -> str | None:
    match choice:
        case None:
            return None
        case str() if choice in _TOOL_CHOICES:
            return choice
        case {"type": "function", "name": str(name)}:
            return name
    accepted = ", ".join(f"`{word}`" for word in sorted(_TOOL_CHOICES))
    raise odd(f"`tool_choice` is none of {accepted}, and no object that names a function")


def _extra(sent: ResponsesBody, choice: str | None, target: Target) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return what `target` is told in its own words beside the neutral form, and the names of what it is not told."""
    extra: dict[str, Any] = {}
    unsaid: list[str] = []
    text, reasoning = dict(sent.text or {}), dict(sent.reasoning or {})
    extra |= _format(text.pop("format", None), target)
    effort = reasoning.pop("effort", None)
    if sent.parallel_tool_calls is False and sent.tools:
        single = one_call_at_a_time(choice, target)
        extra |= single or {}
        unsaid += ["parallel_tool_calls"] if single is None else []
    if target.takes("openai"):
        extra |= {"parallel_tool_calls": True} if sent.parallel_tool_calls and sent.tools else {}  # not every default
        extra |= {} if effort is None else {"reasoning_effort": effort}
        extra |= _strict_tools(sent.tools or ())
    else:
        unsaid += ["reasoning.effort"] if effort is not None else []
        unsaid += ["tools.strict"] if any(tool.get("strict") for tool in sent.tools or ()) else []
    unsaid += [f"text.{name}" for name, value in text.items() if value is not None]
    unsaid += [f"reasoning.{name}" for name, value in reasoning.items() if value is not None]
    unsaid += ["store"] if sent.store else []
    return extra, tuple(unsaid)


def _strict_tools(tools: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the tools as chat completions have them if one says how strict it is, which the neutral form cannot."""
    if all(tool.get("strict") is None for tool in tools):
        return {}
    said = [{name: value for name, value in tool.items() if value is not None} for tool in tools]
    functions = [{name: tool[name] for name in _FUNCTION_FIELDS if name in tool} for tool in said]
    return {"tools": [{"type": "function", "function": function} for function in functions]}


def _format(wanted: dict[str, Any] | None, target: Target) -> dict[str, Any]:
    match wanted:
        case None | {"type": "text"}:
            return {}
        case {"type": "json_schema", "schema": dict(schema)}:
            if not target.takes("openai"):
                return {"output_config": {"format": {"type": "json_schema", "schema": schema}}}
            named = {name: value for name, value in wanted.items() if name != "type"}
            return {"response_format": {"type": "json_schema", "json_schema": {"name": "answer", **named}}}
        case {"type": "json_object"} if target.takes("openai"):
            return {"response_format": wanted}
    raise odd(f"this `text.format` cannot be said to profile `{target.routing.profile}`; a `json_schema` can")
