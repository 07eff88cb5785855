"""A request's body: the fields that a dialect's struct knows, checked, and the others as they came. Pure.

A body that goes out in the client's own bytes need not fit: the provider judges it, and only the record has to make do
with what can be read of it. Whether it goes out so is known when its profile is; so what does not fit is kept beside
what does, and refused when the body has to be translated.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from arawn.backends.anthropic import tool_choice_value
from arawn.messages import CompletionRequest, Message, Text, ToolDefinition
from arawn.server.json_body import decoded
from arawn.server.reply import Refused, refusal
from arawn.server.v1.target import DialectName, Target

__all__ = [
    "Body",
    "Misfit",
    "Translated",
    "backend_of",
    "dropped_or_refused",
    "not_offered",
    "odd",
    "one_call_at_a_time",
    "read_body",
    "read_loosely",
    "require_limit",
    "require_messages",
    "strict_for",
]

B = TypeVar("B", bound=msgspec.Struct)

_OURS = frozenset(("stream", "stream_options"))  # how an answer is sent: nothing that an odd value could add to


class Body(msgspec.Struct, Generic[B], frozen=True):
    """A decoded body. `rest` holds the fields that `known` has not; `misfit` refuses those of another shape."""

    known: B
    rest: dict[str, Any]
    misfit: Refused | None = None

    def misfits(self, *, said_as_is: bool) -> Misfit:
        """Return what becomes of parts that do not fit.

        With `said_as_is` the provider gets the sender's own bytes, so it is only the record that cannot hold the part:
        it says of which kind it was. Else the request is refused.

        Raises:
            Refused: The body has to be translated, and a field of it has another shape (400, naming the field).
        """
        if said_as_is:
            return _noted
        if self.misfit is not None:
            raise self.misfit
        return _refused


class Translated(msgspec.Struct, frozen=True):
    """A request in the neutral form, and the names of the fields that did not come along.

    `not_offered` are the kinds of tools that the model does not get to know of; they are among `ignored` too.
    """

    request: CompletionRequest
    ignored: tuple[str, ...] = ()
    not_offered: tuple[str, ...] = ()


def read_body(body: bytes, kind: type[B]) -> Body[B]:
    """Return the body.

    Raises:
        Refused: It is not JSON, not an object, or a field of `kind` has another shape (400, naming the field).
    """
    value = decoded(body)
    known = _fitting(value, kind)
    if isinstance(known, Refused):
        raise known
    return Body(known, _others(value, kind.__struct_encode_fields__))


def read_loosely(body: bytes, kind: type[B], turn: type[msgspec.Struct]) -> Body[B]:
    """Return the body, which may turn out to go to the provider as it is.

    A message of another shape is read as the text that its JSON is; any other field of another shape is in `rest`.

    Args:
        body: The JSON object.
        kind: Has `model`, `messages`, and no other field without a default.
        turn: One of the messages: has `role` and `content`, which may be a text.

    Raises:
        Refused: It is not JSON, not an object, names no model, or leaves open whether to stream (400).
    """
    value = decoded(body)
    known = _fitting(value, kind)
    if not isinstance(known, Refused):
        return Body(known, _others(value, kind.__struct_encode_fields__))
    if not isinstance(value, dict) or not isinstance(value.get("model"), str):
        raise known
    if not isinstance(value.get("stream"), bool | None):  # a provider may take it for either
        raise odd("`$.stream` must be true or false, or be left out: it says how the answer is read")
    said = value.get("messages")
    listed = said if isinstance(said, list) else [] if said is None else [said]
    fields: dict[str, Any] = {"messages": [_turn(message, turn) for message in listed]}
    for field in msgspec.structs.fields(kind):
        if field.name in value and field.name != "messages":
            with contextlib.suppress(msgspec.ValidationError):
                fields[field.name] = msgspec.convert(value[field.name], field.type)
    return Body(kind(**fields), _others(value, _OURS | fields.keys()), known)


def _fitting(value: Any, kind: type[B]) -> B | Refused:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        return odd(f"the request body does not fit: {error}")


def _others(value: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    known = set(names)
    return {name: field for name, field in value.items() if name not in known}


def _turn(message: Any, kind: type[msgspec.Struct]) -> msgspec.Struct:
    try:
        return msgspec.convert(message, kind)
    except msgspec.ValidationError:
        role = message.get("role") if isinstance(message, dict) else None
        return kind("assistant" if role == "assistant" else "user", msgspec.json.encode(message).decode())


def odd(message: str, code: str | None = None) -> Refused:
    """Return the refusal of a request that cannot be served as it stands."""
    return Refused(refusal(400, "invalid_request", message, code=code))


Misfit = Callable[[object, str], Text]
"""What becomes of a part of a message for which the neutral form has none: given its kind and what to say of it."""


def _noted(kind: object, _: str) -> Text:
    return Text(f"[{kind}]")


def _refused(_: object, message: str) -> Text:
    raise odd(message)


def backend_of(target: Target) -> str:
    """Return what messages call the backend of `target`."""
    if not target.common:
        return "every backend that `[routing]` may choose, for they speak different dialects"
    return f"the backend of profile `{target.routing.profile}`, which speaks {target.dialect or 'no dialect'}"


def dropped_or_refused(
    rest: dict[str, Any],
    refused: frozenset[str],
    backend: str,
    *,
    remedy: str = "leave it out or choose a profile of this dialect",
) -> tuple[str, ...]:
    """Return the names of fields that `backend` is not told; null fields say nothing.

    Args:
        rest: Fields for which the neutral form has no word.
        refused: Those without which the answer would be of another kind than the caller asked for.
        backend: What the message calls the backend.
        remedy: What the message says would be right.

    Raises:
        Refused: One of `refused` is given.
    """
    given = [name for name, value in rest.items() if value is not None]
    for name in given:
        if name in refused:
            raise odd(f"`{name}` cannot be said to {backend}; {remedy}")
    return tuple(given)


def one_call_at_a_time(choice: str | None, target: Target) -> dict[str, Any] | None:
    """Return the fields that ask `target` for at most one tool call in an answer; None if it cannot be told.

    Args:
        choice: The neutral choice of tools.
        target: Its dialect has a word for it, if it is known.
    """
    if target.takes("openai"):
        return {"parallel_tool_calls": False}
    if choice == "none":
        return {}
    if target.takes("anthropic"):
        return {"tool_choice": {**tool_choice_value(choice or "auto"), "disable_parallel_tool_use": True}}
    return None


def not_offered(
    kinds: Iterable[str],
    tools: Sequence[ToolDefinition],
    choice: str | None,
    backend: str,
    *,
    certain: bool = True,
    remedy: str = "choose a profile whose provider has such tools, or leave them out",
) -> tuple[str, ...]:
    """Return the names of the kinds of tools that `backend` cannot be told of, and the model so cannot use.

    Args:
        kinds: What these tools are.
        tools: The others, which are offered.
        choice: The neutral choice of tools.
        backend: What the message calls the backend.
        certain: Whether no backend that may answer is told of them; else one may get the request as it was said.
        remedy: What the message says would be right where no tool is left.

    Raises:
        Refused: Only such a tool can be what was chosen, or no tool is left: a model that is asked without the tools
            that a question was made for makes up what they would have found (400).
    """
    left_out = tuple(f"tools.{kind}" for kind in sorted(set(kinds)))
    names = {tool.name for tool in tools}
    met = choice in {None, "auto", "none"} or (bool(names) if choice == "required" else choice in names)
    if not left_out or (met and (names or choice == "none" or not certain)):
        return left_out
    shown = ", ".join(f"`{name.removeprefix('tools.')}`" for name in left_out)
    if met:
        raise odd(f"no tool of `tools` can be said to {backend}: all are of type {shown}; {remedy}")
    raise odd(f"`tool_choice` demands a tool that cannot be said to {backend}: none of type {shown} can; leave it out")


def strict_for(
    tools: tuple[ToolDefinition, ...], target: Target, dialect: DialectName, name: str
) -> tuple[tuple[ToolDefinition, ...], tuple[str, ...]]:
    """Return the tools as `target` is told of them, and `name` if they are strict and it is not told.

    Who speaks another dialect has other demands on the schema of a strict tool, or does not know the word: what works
    without it would be refused. Many clients ask for it without being told to.
    """
    if target.takes(dialect) or not any(tool.strict for tool in tools):
        return tools, ()
    return tuple(msgspec.structs.replace(tool, strict=False) for tool in tools), (name,)


def require_limit(max_tokens: int | None, misfit: Misfit) -> int | None:
    """Return `max_tokens`.

    Raises:
        Refused: It allows no answer, and this is not the provider's to judge (400).
    """
    if max_tokens is not None and max_tokens < 1:
        misfit("max_tokens", f"`max_tokens` is {max_tokens}; it must be at least 1")
    return max_tokens


def require_messages(messages: tuple[Message, ...], field: str, misfit: Misfit) -> tuple[Message, ...]:
    """Return `messages`.

    Raises:
        Refused: There are none, and this is not the provider's to judge; `field` of the body must hold one (400).
    """
    if not messages:
        misfit(field, f"`{field}` must hold at least one message of a role other than `system` and `developer`")
    return messages
