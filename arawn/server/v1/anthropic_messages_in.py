"""A messages request as the neutral form says it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from arawn.messages import CompletionRequest, ToolDefinition, ToolResult
from arawn.server.v1.anthropic_turns import Turn, system_text, turns
from arawn.server.v1.body import (
    Body,
    Translated,
    dropped_or_refused,
    misfits_of,
    odd,
    one_call_at_a_time,
    read_body,
)
from arawn.server.v1.target import Target

__all__ = ["MessagesBody", "read_messages", "translate_messages"]

# Fields without which the answer of a backend of another dialect would be of another kind.
_REFUSED = frozenset(("container", "mcp_servers"))
_TOOL_KINDS = frozenset((None, "custom"))
_TOOL_FIELDS = frozenset(("type", "name", "description", "input_schema"))
_CHOICE_FIELDS = frozenset(("type", "name", "disable_parallel_tool_use"))
_CHOICES = {"auto": "auto", "any": "required", "none": "none"}


class MessagesBody(msgspec.Struct, frozen=True):
    """The fields that the neutral form has a word for, and those that decide how to answer."""

    model: str
    messages: Annotated[list[Turn], msgspec.Meta(min_length=1)]
    max_tokens: int | None = None
    system: str | list[dict[str, Any]] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: dict[str, Any] | None = None
    stop_sequences: list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    output_config: dict[str, Any] | None = None
    stream: bool | None = None


def read_messages(body: bytes) -> Body[MessagesBody]:
    """Return the body of a messages request.

    Raises:
        Refused: It is no such request (400).
    """
    return read_body(body, MessagesBody)


def translate_messages(body: Body[MessagesBody], target: Target) -> Translated:
    """Return the request for `target`. Fields without a neutral word go to a backend of this dialect as they are.

    Raises:
        Refused: Something in it has no form here, or none for a backend of another dialect (400).
    """
    sent = body.known
    same = target.takes("anthropic")
    misfit = misfits_of(said_as_is=same and target.dialect is not None)
    backend = f"the backend of profile `{target.routing.profile}`, which speaks {target.dialect}"
    extra: dict[str, Any] = dict(body.rest) if same else {}
    ignored = () if same else dropped_or_refused(body.rest, _REFUSED, backend)
    tools, kinds, marks = _tools(sent.tools or ())
    if same and (kinds or marks):
        extra["tools"] = sent.tools
    elif kinds:
        raise odd(f"tools of type `{min(kinds)}` cannot be said to {backend}; it takes tools with an `input_schema`")
    ignored += tuple(f"tools.{mark}" for mark in sorted(marks) if not same)
    choice = _tool_choice(sent.tool_choice)
    chosen, unsaid = _choice_marks(sent.tool_choice, choice, target)
    more, unformed = _output_config(sent.output_config, target, backend)
    messages = turns(sent.messages, misfit)
    blocks = [block for message in messages for block in message.content]
    if not same and any(isinstance(block, ToolResult) and block.is_error for block in blocks):
        ignored += ("messages.tool_result.is_error",)
    request = CompletionRequest(
        messages=messages,
        system=system_text(sent.system, misfit),
        tools=tools,
        tool_choice=choice,
        model=target.model,
        max_tokens=sent.max_tokens,
        temperature=sent.temperature,
        top_p=sent.top_p,
        stop=None if sent.stop_sequences is None else tuple(sent.stop_sequences),
        extra=extra | chosen | more,
    )
    return Translated(request, ignored + unsaid + unformed)


def _tools(tools: Sequence[dict[str, Any]]) -> tuple[tuple[ToolDefinition, ...], set[str], set[str]]:
    """Return the client's own tools; the types of others; and the marks that have no neutral word."""
    own: list[ToolDefinition] = []
    kinds: set[str] = set()
    marks: set[str] = set()
    for position, tool in enumerate(tools):
        if tool.get("type") not in _TOOL_KINDS:
            kinds.add(str(tool["type"]))
            continue
        match tool:
            case {"name": str(name), "input_schema": dict(schema)}:
                own.append(ToolDefinition(name, str(tool.get("description") or ""), schema))
            case _:
                raise odd(f"`$.tools[{position}]` must have a text `name` and an object `input_schema`")
        marks |= {name for name, value in tool.items() if value is not None} - _TOOL_FIELDS
    return tuple(own), kinds, marks


def _tool_choice(choice: dict[str, Any] | None) -> str | None:
    match choice:
        case None:
            return None
        case {"type": "tool", "name": str(name)}:
            return name
        case {"type": str(kind)} if kind in _CHOICES:
            return _CHOICES[kind]
    raise odd("`tool_choice` must be an object whose `type` is `auto`, `any`, `none`, or `tool` with a `name`")


def _choice_marks(
    sent: dict[str, Any] | None, choice: str | None, target: Target
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the fields that tell `target` what a choice says beside its type, and the names of what it is not told."""
    marks = {name for name, value in (sent or {}).items() if value} - {"type", "name"}
    if target.takes("anthropic"):
        return ({"tool_choice": sent} if marks else {}), ()
    single = one_call_at_a_time(choice, target) if "disable_parallel_tool_use" in marks else {}
    unsaid = sorted(marks if single is None else marks - _CHOICE_FIELDS)
    return single or {}, tuple(f"tool_choice.{mark}" for mark in unsaid)


def _output_config(
    config: dict[str, Any] | None, target: Target, backend: str
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the fields that ask `target` for such an answer, and the names of what it is not told."""
    if not config:
        return {}, ()
    if target.takes("anthropic"):
        return {"output_config": config}, ()
    unsaid = tuple(f"output_config.{name}" for name, value in config.items() if name != "format" and value is not None)
    match config.get("format"):
        case None:
            return {}, unsaid
        case {"type": "json_schema", "schema": dict(schema)}:
            wanted = {"name": "answer", "schema": schema, "strict": True}
            return {"response_format": {"type": "json_schema", "json_schema": wanted}}, unsaid
    raise odd(f"this `output_config.format` cannot be said to {backend}; a `json_schema` with a `schema` can")
