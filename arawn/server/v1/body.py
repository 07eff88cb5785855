"""A request's body: the fields that a dialect's struct knows, checked, and the others as they came. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec

from arawn.backends.anthropic import tool_choice_value
from arawn.messages import CompletionRequest, Message, Text
from arawn.server.json_body import decoded
from arawn.server.reply import Refused, refusal
from arawn.server.v1.target import Target

__all__ = [
    "Body",
    "Misfit",
    "Translated",
    "dropped_or_refused",
    "misfits_of",
    "odd",
    "one_call_at_a_time",
    "read_body",
    "require_messages",
]

B = TypeVar("B", bound=msgspec.Struct)


class Body(msgspec.Struct, Generic[B], frozen=True):
    """A decoded body. `rest` holds the fields that `known` has not."""

    known: B
    rest: dict[str, Any]


class Translated(msgspec.Struct, frozen=True):
    """A request in the neutral form, and the names of the fields that did not come along."""

    request: CompletionRequest
    ignored: tuple[str, ...] = ()


def read_body(body: bytes, kind: type[B]) -> Body[B]:
    """Return the body.

    Raises:
        Refused: It is not JSON, not an object, or a field of `kind` has another shape (400, naming the field).
    """
    value = decoded(body)
    try:
        known = msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise odd(f"the request body does not fit: {error}") from error
    names = set(kind.__struct_encode_fields__)
    return Body(known, {name: field for name, field in value.items() if name not in names})


def odd(message: str) -> Refused:
    """Return the refusal of a request that cannot be served as it stands."""
    return Refused(refusal(400, "invalid_request", message))


Misfit = Callable[[object, str], Text]
"""What becomes of a part of a message for which the neutral form has none: given its kind and what to say of it."""


def misfits_of(*, said_as_is: bool) -> Misfit:
    """Return what becomes of such parts.

    With `said_as_is` the provider gets the sender's own bytes, so it is only the record that cannot hold the part: it
    says of which kind it was. Else the request is refused.
    """
    return _noted if said_as_is else _refused


def _noted(kind: object, _: str) -> Text:
    return Text(f"[{kind}]")


def _refused(_: object, message: str) -> Text:
    raise odd(message)


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


def require_messages(messages: tuple[Message, ...], field: str) -> tuple[Message, ...]:
    """Return `messages` if there are any.

    Raises:
        Refused: There are none; `field` of the body must hold one (400).
    """
    if not messages:
        raise odd(f"`{field}` must hold at least one message of a role other than `system` and `developer`")
    return messages
