"""The messages of the OpenAI dialect as neutral turns. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from arawn.backends.assembly import tool_use_from_text
from arawn.messages import ContentBlock, Image, Message, Text, Thinking, ToolResult
from arawn.server.v1.body import Misfit

__all__ = ["Turn", "image_of", "turns"]

_DATA_URL = re.compile(r"data:([^;,]*)(?:;[^;,]*)*;base64,(.*)", re.DOTALL | re.IGNORECASE)  # RFC 2397
_OTHER_NAMES = {"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "image/x-png": "image/png"}
_FORMLESS = ("function_call", "audio")

Part = Text | Image


class CalledFunction(msgspec.Struct, frozen=True):
    """Which function a tool call named; the arguments are JSON text, or meant to be."""

    name: str
    arguments: str = ""


class Called(msgspec.Struct, frozen=True):
    """A tool call of the assistant."""

    id: str
    function: CalledFunction | None = None


class Turn(msgspec.Struct, frozen=True):
    """One message. A `name` is not passed on."""

    role: str
    content: str | list[dict[str, Any]] | None = None
    tool_calls: list[Called] | None = None
    tool_call_id: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    function_call: Any = None
    audio: Any = None


def turns(messages: Sequence[Turn], misfit: Misfit) -> tuple[str | None, tuple[Message, ...]]:
    """Return the system prompt and the other messages.

    All system and developer messages become one prompt, in their order, with an empty line between two.

    Raises:
        Refused: A role or a part of a message has no form here.
    """
    prompts: list[str] = []
    said: list[Message] = []
    for position, turn in enumerate(messages):
        place = f"`$.messages[{position}]`"
        match turn.role:
            case "system" | "developer":
                prompts.extend(_texts(turn.content, place, misfit))
            case "user":
                said.append(Message("user", tuple(_parts(turn.content, place, misfit))))
            case "assistant":
                said.append(Message("assistant", tuple(_assistant(turn, place, misfit))))
            case "tool":
                said.append(Message("user", (_result(turn, place, misfit),)))
            case role:
                known = "`system`, `developer`, `user`, `assistant`, `tool`"
                said.append(
                    Message("user", (misfit(role, f"{place} has the role `{role}`; what is accepted is {known}"),))
                )
    return "\n\n".join(prompts) or None, tuple(said)


def _assistant(turn: Turn, place: str, misfit: Misfit) -> Iterator[ContentBlock]:
    if turn.reasoning_content:
        yield Thinking(turn.reasoning_content)
    yield from (Text(text) for text in _texts(turn.content, place, misfit) if text)
    if turn.refusal:
        yield Text(turn.refusal)
    for call in turn.tool_calls or ():
        if call.function is None:
            message = f"{place} holds a tool call without `function`; other kinds of calls have no form here"
            yield misfit("tool call", message)
            continue
        yield tool_use_from_text(call.id, call.function.name, call.function.arguments)
    for name in _FORMLESS:
        if getattr(turn, name) is not None:
            yield misfit(name, f"{place} holds `{name}`, which has no form here; `content` and `tool_calls` have")


def _result(turn: Turn, place: str, misfit: Misfit) -> ToolResult | Text:
    if turn.tool_call_id is None:
        message = f"{place} has the role `tool` and no `tool_call_id`; give the id of the call that it answers"
        return misfit("result of a tool", message)
    return ToolResult(turn.tool_call_id, tuple(_parts(turn.content, place, misfit)))


def _texts(content: str | list[dict[str, Any]] | None, place: str, misfit: Misfit) -> Iterator[str]:
    """Yield the texts of a message that can hold nothing else."""
    if isinstance(content, str):
        yield content
        return
    for part in content or ():
        match part:
            case {"type": "text", "text": str(text)} | {"type": "refusal", "refusal": str(text)}:
                yield text
            case _:
                kind = part.get("type")
                yield misfit(kind, f"{place} holds a part of type `{kind}`; this role holds text alone").text


def _parts(content: str | list[dict[str, Any]] | None, place: str, misfit: Misfit) -> Iterator[Part]:
    if isinstance(content, str):
        yield Text(content)
        return
    for part in content or ():
        match part:
            case {"type": "text", "text": str(text)}:
                yield Text(text)
            case {"type": "image_url", "image_url": {"url": str(url)} | str(url)}:
                yield image_of(url)
            case _:
                kind = part.get("type")
                message = f"{place} holds a part of type `{kind}` that has no form here; `text` and `image_url` have"
                yield misfit(kind, message)


def image_of(url: str) -> Image:
    """Return the picture at `url`, which may hold the picture itself, under the name that its type is registered by."""
    data = _DATA_URL.fullmatch(url)
    if data is None:
        return Image(url=url)
    kind = data[1].strip().lower()
    return Image(media_type=_OTHER_NAMES.get(kind, kind), data=data[2])
