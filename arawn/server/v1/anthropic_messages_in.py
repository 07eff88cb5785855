"""A messages request as the neutral form says it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from arawn.messages import CompletionRequest, ToolDefinition
from arawn.server.v1.anthropic_turns import Turn, dropped_marks, system_text, turns
from arawn.server.v1.body import (
    Body,
    Misfit,
    Translated,
    backend_of,
    dropped_or_refused,
    not_offered,
    odd,
    one_call_at_a_time,
    read_loosely,
    require_limit,
    require_messages,
    strict_for,
)
from arawn.server.v1.known_errors import NO_THREADS
from arawn.server.v1.target import Target

__all__ = ["MessagesBody", "read_messages", "translate_messages"]

# Fields without which the answer of a backend of another dialect would be of another kind.
_REFUSED = frozenset(("container", "mcp_servers"))
_OLDER_FORMAT = "output_format"  # what `output_config.format` was called in the beta
_TOOL_KINDS = (None, "custom")  # no set: a kind may be anything
_TOOL_FIELDS = frozenset(("type", "name", "description", "input_schema", "strict"))
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
    return read_loosely(body, MessagesBody, Turn)


def translate_messages(body: Body[MessagesBody], target: Target) -> Translated:
    """Return the request for `target`. Fields without a neutral word go to a backend of this dialect as they are.

    Raises:
        Refused: Something in it has no form here, or none for a backend of another dialect (400).
    """
    sent = body.known
    same = target.takes("anthropic")
    misfit = body.misfits(said_as_is=same and target.dialect is not None)
    backend = backend_of(target)
    extra: dict[str, Any] = dict(body.rest) if same else {}
    if body.rest.get("thread") is not None and (target.dialect is None or not same):
        raise odd(f"`thread` cannot be said to {backend}: send the whole conversation without it", NO_THREADS)
    rest = {name: value for name, value in body.rest.items() if name != _OLDER_FORMAT}
    ignored = () if same else dropped_or_refused(rest, _REFUSED, backend)
    tools, kinds, marks = _tools(sent.tools or (), misfit)
    choice = _tool_choice(sent.tool_choice, misfit)
    left_out = () if same else not_offered(kinds, tools, choice, backend, certain=target.common)
    if same and (kinds or marks):
        extra["tools"] = sent.tools
    tools, loosened = strict_for(tools, target, "anthropic", "tools.strict")
    ignored += left_out + loosened + tuple(f"tools.{mark}" for mark in sorted(marks) if not same)
    chosen, unsaid = _choice_marks(sent.tool_choice if tools or same else None, choice, target)
    config = sent.output_config
    if not same and body.rest.get(_OLDER_FORMAT) is not None:
        config = {"format": body.rest[_OLDER_FORMAT]} | (config or {})
    more, unformed = _output_config(config, target, backend)
    prompt, messages = turns(sent.messages, misfit)
    prompts = (system_text(sent.system, misfit), prompt)
    ignored += () if same else dropped_marks(sent.system, sent.messages)
    request = CompletionRequest(
        messages=require_messages(messages, "messages", misfit),
        system="\n\n".join(text for text in prompts if text) or None,
        tools=tools,
        tool_choice=choice,
        model=target.model,
        max_tokens=require_limit(sent.max_tokens, misfit),
        temperature=sent.temperature,
        top_p=sent.top_p,
        stop=None if sent.stop_sequences is None else tuple(sent.stop_sequences),
        extra=extra | chosen | more,
    )
    return Translated(request, ignored + unsaid + unformed, left_out)


def _tools(tools: Sequence[dict[str, Any]], misfit: Misfit) -> tuple[tuple[ToolDefinition, ...], set[str], set[str]]:
    """Return the client's own tools; the types of others; and the marks that have no neutral word."""
    own: list[ToolDefinition] = []
    kinds: set[str] = set()
    marks: set[str] = set()
    for position, tool in enumerate(tools):
        kind = tool.get("type")
        if not isinstance(kind, str | None):
            misfit("tool", f"`$.tools[{position}].type` must be a text, or be left out")
        if kind not in _TOOL_KINDS:
            kinds.add(str(kind))
            continue
        match tool:
            case {"name": str(name), "input_schema": dict(schema)}:
                strict = tool.get("strict")
                if not isinstance(strict, bool | None):
                    misfit("strict", f"`$.tools[{position}].strict` must be true or false, or be left out")
                own.append(ToolDefinition(name, str(tool.get("description") or ""), schema, strict is True))
            case _:
                misfit("custom", f"`$.tools[{position}]` must have a text `name` and an object `input_schema`")
                kinds.add("custom")
        marks |= {name for name, value in tool.items() if value is not None} - _TOOL_FIELDS
    return tuple(own), kinds, marks


def _tool_choice(choice: dict[str, Any] | None, misfit: Misfit) -> str | None:
    match choice:
        case None:
            return None
        case {"type": "tool", "name": str(name)}:
            return name
        case {"type": str(kind)} if kind in _CHOICES:
            return _CHOICES[kind]
    accepted = "`auto`, `any`, `none`, or `tool` with a `name`"
    misfit("tool_choice", f"`tool_choice` must be an object whose `type` is {accepted}")
    return None


def _choice_marks(
    sent: dict[str, Any] | None, choice: str | None, target: Target
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the fields that tell `target` what a choice says beside its type, and the names of what it is not told."""
    marks = {name for name, value in (sent or {}).items() if value} - {"type", "name"}
    if target.takes("anthropic"):
        return ({"tool_choice": sent} if marks or (sent and choice is None) else {}), ()
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
