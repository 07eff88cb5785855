"""A responses request as the neutral form says it. Pure.

No backend is spoken to in this dialect, so no field passes untouched.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from arawn.messages import CompletionRequest
from arawn.server.v1.body import (
    Body,
    Translated,
    dropped_or_refused,
    not_offered,
    odd,
    one_call_at_a_time,
    read_body,
    require_limit,
    require_messages,
    strict_for,
)
from arawn.server.v1.responses_choice import chosen
from arawn.server.v1.responses_items import turns
from arawn.server.v1.responses_tools import Tools, heard_tools, read_tools
from arawn.server.v1.target import Target

__all__ = ["ResponsesBody", "TranslatedTools", "as_heard", "read_responses", "translate_responses"]

# Fields that stand for something kept by the server between calls, or done by it: nothing here does.
_REFUSED = frozenset(("conversation", "previous_response_id", "prompt"))
# Fields of OpenAI's responses that its chat completions have too. Other servers refuse what they do not know.
_OPENAI_FIELDS = frozenset(("prompt_cache_key", "prompt_cache_retention", "safety_identifier", "service_tier", "user"))


_LOGPROBS = "message.output_text.logprobs"


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


class TranslatedTools(Translated, frozen=True):
    """A request in the neutral form, and by which names its functions are called."""

    tools: Tools = Tools()


def read_responses(body: bytes) -> Body[ResponsesBody]:
    """Return the body of a responses request.

    Raises:
        Refused: It is no such request, or asks for what is not done here (400).
    """
    read = read_body(body, ResponsesBody)
    if read.known.background:
        raise odd("`background` is true; calls here are answered while the client waits: leave it out")
    include = read.rest.get("include")
    if read.rest.get("top_logprobs") or (isinstance(include, list) and _LOGPROBS in include):
        raise odd(f"`top_logprobs` or `{_LOGPROBS}` asks for log probabilities; answers here hold none: leave it out")
    return read


def translate_responses(body: Body[ResponsesBody], target: Target) -> TranslatedTools:
    """Return the request for `target`, and the names of the fields that its backend is not told.

    Raises:
        Refused: Something in it has no form here (400).
    """
    sent = body.known
    rest, shared = _shared(body.rest, target)
    remedy = "every call here must hold its whole input: leave it out, and send what it stands for"
    ignored = dropped_or_refused(rest, _REFUSED, "any backend", remedy=remedy)
    misfit = body.misfits(said_as_is=False)
    tools = read_tools(sent.tools or (), sent.input)
    prompt, messages = turns(sent.input, tools)
    choice, offered = chosen(sent.tool_choice, tools)
    told = tuple(function.definition for function in offered.functions)
    definitions, loosened = strict_for(told, target, "openai", "tools.strict")
    left_out = not_offered(tools.kinds, definitions, choice, "any backend", remedy="leave them out")
    extra, unsaid = _extra(sent, offered, choice, target)
    request = CompletionRequest(
        messages=require_messages(messages, "input", misfit),
        system="\n\n".join(text for text in (sent.instructions, prompt, *offered.guides) if text) or None,
        tools=definitions,
        tool_choice=choice,
        model=target.model,
        max_tokens=require_limit(sent.max_output_tokens, misfit),
        temperature=sent.temperature,
        top_p=sent.top_p,
        extra=shared | extra,
    )
    return TranslatedTools(request, ignored + unsaid + loosened + left_out, left_out, tools)


def as_heard(sent: ResponsesBody, ignored: Sequence[str]) -> ResponsesBody:
    """Return what was asked as the answer repeats it: what the backend was not told of tools and calls is not claimed.

    Args:
        sent: What was asked.
        ignored: The names of what the backend was not told.
    """
    if sent.tools is not None:
        heard = heard_tools(sent.tools, strict="tools.strict" not in ignored)
        sent = msgspec.structs.replace(sent, tools=heard)
    if "text.format" in ignored:
        sent = msgspec.structs.replace(sent, text={**(sent.text or {}), "format": {"type": "text"}})
    if "parallel_tool_calls" in ignored:
        sent = msgspec.structs.replace(sent, parallel_tool_calls=None)
    return sent


def _shared(rest: dict[str, Any], target: Target) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the fields that no backend is told, and those that OpenAI itself is told as they are."""
    if target.backends != {"openai"}:
        return rest, {}
    shared = {name: value for name, value in rest.items() if name in _OPENAI_FIELDS and value is not None}
    return {name: value for name, value in rest.items() if name not in shared}, shared


def _extra(
    sent: ResponsesBody, tools: Tools, choice: str | None, target: Target
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return what `target` is told in its own words beside the neutral form, and the names of what it is not told."""
    extra: dict[str, Any] = {}
    unsaid: list[str] = []
    text, reasoning = dict(sent.text or {}), dict(sent.reasoning or {})
    wanted = text.pop("format", None)
    extra |= _format(wanted, target)
    if wanted and wanted["type"] == "json_object" and not target.takes("openai"):  # the prompt asks too
        unsaid.append("text.format")
    effort = reasoning.pop("effort", None)
    if sent.parallel_tool_calls is False and tools.functions:
        single = one_call_at_a_time(choice, target)
        extra |= single or {}
        unsaid += ["parallel_tool_calls"] if single is None else []
    if target.takes("openai"):
        several = sent.parallel_tool_calls and tools.functions
        extra |= {"parallel_tool_calls": True} if several else {}  # not every default
        extra |= {} if effort is None else {"reasoning_effort": effort}
    else:
        unsaid += ["reasoning.effort"] if effort is not None else []
    if target.backends == {"openai"} and text.get("verbosity") is not None:
        extra["verbosity"] = text.pop("verbosity")
    unsaid += [f"text.{name}" for name, value in text.items() if value is not None]
    unsaid += [f"reasoning.{name}" for name, value in reasoning.items() if value is not None]
    unsaid += ["store"] if sent.store else []
    return extra, tuple(unsaid)


def _format(wanted: dict[str, Any] | None, target: Target) -> dict[str, Any]:
    match wanted:
        case None | {"type": "text"}:
            return {}
        case {"type": "json_schema", "schema": dict(schema)}:
            if not target.takes("openai"):
                return {"output_config": {"format": {"type": "json_schema", "schema": schema}}}
            named = {name: value for name, value in wanted.items() if name != "type"}
            return {"response_format": {"type": "json_schema", "json_schema": {"name": "answer", **named}}}
        case {"type": "json_object"}:
            return {"response_format": wanted} if target.takes("openai") else {}
    raise odd(f"this `text.format` cannot be said to profile `{target.routing.profile}`; a `json_schema` can")
