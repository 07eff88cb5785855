"""A chat completions request as the neutral form says it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from arawn.messages import CompletionRequest, ToolDefinition
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
from arawn.server.v1.openai_turns import Turn, turns
from arawn.server.v1.target import Target

__all__ = ["ChatBody", "read_chat", "translate_chat"]

# Fields without which the answer of a backend of another dialect would be of another kind.
_REFUSED = frozenset(("audio", "functions", "function_call", "web_search_options"))
_TOOL_CHOICES = frozenset(("auto", "none", "required"))


class StreamOptions(msgspec.Struct, frozen=True):
    """`stream_options`; what else it may hold changes nothing here."""

    include_usage: bool | None = None


class Function(msgspec.Struct, frozen=True):
    """The function of a tool."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class ChatBody(msgspec.Struct, frozen=True):
    """The fields that the neutral form has a word for, and those that decide how to answer."""

    model: str
    messages: Annotated[list[Turn], msgspec.Meta(min_length=1)]
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    response_format: dict[str, Any] | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: str | list[str] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: int | None = None
    logprobs: bool | None = None
    modalities: list[str] | None = None

    @property
    def wants_usage(self) -> bool:
        """Whether a stream is to end with the token counts."""
        return bool(self.stream_options and self.stream_options.include_usage)


def read_chat(body: bytes) -> Body[ChatBody]:
    """Return the body of a chat completions request.

    Raises:
        Refused: It is no such request (400).
    """
    return read_loosely(body, ChatBody, Turn)


def translate_chat(body: Body[ChatBody], target: Target) -> Translated:
    """Return the request for `target`. Fields without a neutral word go to a backend of this dialect as they are.

    Raises:
        Refused: Something in it has no form here, or none for a backend of another dialect (400).
    """
    chat = body.known
    same = target.takes("openai")
    said_as_is = same and target.dialect is not None
    misfit = body.misfits(said_as_is=said_as_is)
    _require_one_answer_in_text(chat, said_as_is=said_as_is)
    backend = backend_of(target)
    extra: dict[str, Any] = {**body.rest, **_kinds_of_answer(chat)} if same else {}
    ignored = () if same else dropped_or_refused(body.rest, _REFUSED, backend)
    tools, kinds = _tools((chat.tools or ()) if same else _allowed(chat), misfit)
    choice, chosen = _tool_choice(chat.tool_choice, target, backend, misfit)
    extra |= chosen
    left_out = () if same else not_offered(kinds, tools, choice, backend, certain=target.common)
    if same and kinds:
        extra["tools"] = chat.tools
    tools, loosened = strict_for(tools, target, "openai", "tools.function.strict")
    ignored += left_out + loosened
    single = one_call_at_a_time(choice, target) if tools and chat.parallel_tool_calls is False else {}
    ignored += ("parallel_tool_calls",) if single is None else ()
    extra |= single or {}
    wanted, unsaid = _response_format(chat.response_format, target, backend)
    extra |= wanted
    system, messages = turns(chat.messages, misfit)
    limit = chat.max_tokens if chat.max_completion_tokens is None else chat.max_completion_tokens
    request = CompletionRequest(
        messages=require_messages(messages, "messages", misfit),
        system=system,
        tools=tools,
        tool_choice=choice,
        model=target.model,
        max_tokens=require_limit(limit, misfit),
        temperature=chat.temperature,
        top_p=chat.top_p,
        stop=_stops(chat.stop),
        extra=extra,
    )
    return Translated(request, ignored + unsaid, left_out)


def _require_one_answer_in_text(chat: ChatBody, *, said_as_is: bool) -> None:
    """Refuse what no answer can hold that is put together here, and not the provider's own."""
    if said_as_is:
        return
    if chat.n not in {None, 1}:
        raise odd(f"`n` is {chat.n}; an answer here has one choice: leave it out, or ask several times")
    if chat.logprobs:
        raise odd("`logprobs` is true; answers here hold none: leave it out")
    if set(chat.modalities or ()) - {"text"}:
        raise odd("`modalities` names more than `text`; answers here hold text alone")


def _kinds_of_answer(chat: ChatBody) -> dict[str, Any]:
    """Return the fields that ask for more than one answer in text, which only a provider's own can be."""
    asked = {"n": chat.n, "logprobs": chat.logprobs, "modalities": chat.modalities}
    return {name: value for name, value in asked.items() if value is not None}


def _tools(tools: Sequence[dict[str, Any]], misfit: Misfit) -> tuple[tuple[ToolDefinition, ...], set[str]]:
    """Return the functions among the tools, and the other kinds."""
    known: list[ToolDefinition] = []
    kinds: set[str] = set()
    for position, tool in enumerate(tools):
        kind = tool.get("type")
        if not isinstance(kind, str):
            misfit("tool", f"`$.tools[{position}]` must have a text `type`, such as `function`")
        if kind != "function":
            kinds.add(str(kind))
            continue
        try:
            function = msgspec.convert(tool.get("function"), Function)
        except msgspec.ValidationError as error:
            misfit("function", f"the request body does not fit: {error} - at `$.tools[{position}].function`")
            kinds.add("function")
            continue
        told = (function.name, function.description or "", function.parameters or {}, bool(function.strict))
        known.append(ToolDefinition(*told))
    return tuple(known), kinds


def _allowed(chat: ChatBody) -> Sequence[dict[str, Any]]:
    """Return the tools of which the model may choose: another dialect is offered no others."""
    tools = chat.tools or ()
    match chat.tool_choice:
        case {"type": "allowed_tools", "allowed_tools": {"tools": list(allowed)}}:
            named = [_name_of(each) for each in allowed if isinstance(each, dict)]
        case _:
            return tools
    kept = [tool for tool in tools if tool.get("type") == "function" and _name_of(tool) in named]
    if not kept:
        raise odd("`tool_choice` allows no tool that can be offered; name a function of the request")
    return kept


def _name_of(tool: dict[str, Any]) -> Any:
    function = tool.get("function")
    return function.get("name") if isinstance(function, dict) else None


def _tool_choice(
    choice: str | dict[str, Any] | None, target: Target, backend: str, misfit: Misfit
) -> tuple[str | None, dict[str, Any]]:
    """Return the neutral word for a choice; if there is none, the field that says it to a backend of this dialect."""
    match choice:
        case None:
            return None, {}
        case str() if choice in _TOOL_CHOICES:
            return choice, {}
        case {"type": "function", "function": {"name": str(name)}}:
            return name, {}
        case dict() if target.takes("openai"):
            return None, {"tool_choice": choice}
        case {"type": "allowed_tools", "allowed_tools": {"mode": "auto" | "required" as mode}}:
            return mode, {}
        case dict():
            raise odd(f"a `tool_choice` of type `{choice.get('type')}` cannot be said to {backend}")
    accepted = ", ".join(f"`{word}`" for word in sorted(_TOOL_CHOICES))
    misfit(
        "tool_choice", f"`tool_choice` is `{choice}`; what is accepted is {accepted} or an object that names a function"
    )
    return None, {"tool_choice": choice}


def _response_format(
    wanted: dict[str, Any] | None, target: Target, backend: str
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the fields that ask `target` for an answer of this format, and the names of what it is not told."""
    if wanted is None:
        return {}, ()
    if target.takes("openai"):
        return {"response_format": wanted}, ()
    match wanted:
        case {"type": "text"}:
            return {}, ()
        case {"type": "json_object"}:  # the dialect demands that the prompt asks for JSON too, so the model is told
            return {}, ("response_format",)
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:
            return {"output_config": {"format": {"type": "json_schema", "schema": schema}}}, ()
    kind = wanted.get("type")
    raise odd(f"a `response_format` of type `{kind}` cannot be said to {backend}; a `json_schema` with a schema can")


def _stops(stop: str | list[str] | None) -> tuple[str, ...] | None:
    if stop is None:
        return None
    return (stop,) if isinstance(stop, str) else tuple(stop)
