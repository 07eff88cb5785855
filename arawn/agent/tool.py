"""What a tool is: how it is shown to the model, how it is run, and what it answers. Pure data."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from arawn.errors import ArawnError, BadInput
from arawn.messages import Image, Text, ToolDefinition
from arawn.threads import RunInThread

__all__ = ["BadArguments", "Tool", "ToolAnswer", "ToolRaised", "as_answer", "require_tool_name"]

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")  # what both dialects accept


class BadArguments(Exception):
    """The model's arguments do not fit the tool's parameters; the message is meant for the model."""


class ToolRaised(ArawnError):
    """A tool in a thread raised what would end a program, and is its failure; `__cause__` is that error."""


class ToolAnswer(msgspec.Struct, frozen=True):
    """What a tool answered: text and pictures, and whether they tell of a failure."""

    content: tuple[Text | Image, ...]
    is_error: bool = False


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """One tool, ready to be used.

    Attributes:
        definition: What the model sees.
        run: Runs it with arguments as the model gave them; what may block goes to the thread runner.
            It raises `BadArguments` for arguments that do not fit, anything else for a failure.
        read_only: It changes nothing: it may run beside other such tools.
        deadline: Seconds that one run may take; None takes `agent.tool_deadline_s`.
    """

    definition: ToolDefinition
    run: Callable[[dict[str, Any], RunInThread], Awaitable[ToolAnswer]]
    read_only: bool = False
    deadline: float | None = None

    @property
    def name(self) -> str:
        """The name that the model calls it by."""
        return self.definition.name


def require_tool_name(name: str) -> str:
    """Return `name` if both dialects can call a tool that.

    Raises:
        BadInput: They cannot.
    """
    if not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise BadInput(f"`{name}` cannot name a tool; a name has 1 to 64 letters, digits, `_` and `-`")
    return name


def as_answer(value: object) -> ToolAnswer:
    """Return what a tool returned as blocks: texts and pictures as they are, everything else as JSON.

    A list with a block in it is one of texts and pictures; its strings are texts too.

    Raises:
        TypeError: JSON cannot hold it, or it holds a picture, of which JSON would be of no use to a model.
    """
    match value:
        case ToolAnswer():
            return value
        case str():
            return ToolAnswer((Text(value),))
        case Text() | Image():
            return ToolAnswer((value,))
        case list() | tuple() if _are_blocks(value):
            return ToolAnswer(tuple(Text(part) if isinstance(part, str) else part for part in value))
    kind = type(value).__name__
    try:
        if _holds_picture(value):
            raise TypeError("a picture is returned by itself, or in a list of texts and pictures")  # noqa: TRY301
        return ToolAnswer((Text(_json(value)),))
    except (TypeError, ValueError, RecursionError, OverflowError) as error:
        raise TypeError(f"it returned an object of type `{kind}`, which JSON cannot hold: {error}") from error


def _json(value: object) -> str:
    """Return `value` as JSON, in which half a character stays one, as in a plain text: who sends it mends and tells."""
    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:
        escaped = json.dumps(msgspec.to_builtins(value, str_keys=True))
        plain = json.loads(escaped, parse_constant=lambda _: None)  # NaN is `null`, as above
        return json.dumps(plain, ensure_ascii=False, separators=(",", ":"))


def _are_blocks(parts: Sequence[object]) -> bool:
    return all(isinstance(part, Text | Image | str) for part in parts) and not all(
        isinstance(part, str) for part in parts
    )


def _holds_picture(value: object) -> bool:
    """Say whether there is a picture anywhere in dictionaries and lists; a `RecursionError` for one within itself."""
    if isinstance(value, dict):
        return any(map(_holds_picture, value.values()))
    return isinstance(value, Image) or (isinstance(value, list | tuple) and any(map(_holds_picture, value)))
