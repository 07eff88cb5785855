"""The messages of the Anthropic dialect as neutral turns. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from arawn.backends.anthropic_reply import REDACTED
from arawn.messages import ContentBlock, Image, Message, Text, Thinking, ToolResult, ToolUse
from arawn.server.v1.body import Misfit

__all__ = ["Turn", "dropped_marks", "system_text", "turns"]


class Turn(msgspec.Struct, frozen=True):
    """One message."""

    role: str
    content: str | list[dict[str, Any]]


def system_text(system: str | list[dict[str, Any]] | None, misfit: Misfit, place: str = "$.system") -> str | None:
    """Return the system prompt as one text; blocks are joined with an empty line between two.

    Raises:
        Refused: A block is no text (400).
    """
    if system is None or isinstance(system, str):
        return system or None
    texts: list[str] = []
    for position, block in enumerate(system):
        match block:
            case {"type": "text", "text": str(text)}:
                texts.append(text)
            case _:
                kind = block.get("type")
                message = f"`{place}[{position}]` is of type `{kind}`; a system prompt holds text alone"
                texts.append(misfit(kind, message).text)
    return "\n\n".join(texts) or None


def turns(messages: Sequence[Turn], misfit: Misfit) -> tuple[str | None, tuple[Message, ...]]:
    """Return what system messages say, and the other messages. Marks on blocks, such as `cache_control`, are left out.

    All system messages become one prompt, in their order, with an empty line between two.

    Raises:
        Refused: A role or a block has no form here (400).
    """
    prompts: list[str] = []
    said: list[Message] = []
    for position, turn in enumerate(messages):
        place = f"$.messages[{position}]"
        match turn.role:
            case "system":
                prompts.extend(filter(None, [system_text(turn.content, misfit, f"{place}.content")]))
            case "user" | "assistant" as role:
                said.append(Message(role, tuple(_blocks(turn.content, f"{place}.content", misfit))))
            case role:
                known = "`user`, `assistant`, `system`"
                said.append(
                    Message("user", (misfit(role, f"`{place}` has the role `{role}`; what is accepted is {known}"),))
                )
    return "\n\n".join(prompts) or None, tuple(said)


def dropped_marks(system: str | list[dict[str, Any]] | None, messages: Sequence[Turn]) -> tuple[str, ...]:
    """Return the names of the marks on blocks that chat completions have no word for."""
    blocks = [block for turn in messages if isinstance(turn.content, list) for block in turn.content]
    answers = [block["content"] for block in blocks if isinstance(block.get("content"), list)]
    parts = [part for answer in answers for part in answer if isinstance(part, dict)]
    prompt = system if isinstance(system, list) else []
    found = {
        "messages.tool_result.is_error": any(block.get("is_error") is True for block in blocks),
        "messages.cache_control": any(block.get("cache_control") is not None for block in (*blocks, *parts)),
        "system.cache_control": any(block.get("cache_control") is not None for block in prompt),
    }
    return tuple(name for name, said in found.items() if said)


def _blocks(content: str | list[dict[str, Any]], place: str, misfit: Misfit) -> Iterator[ContentBlock]:
    if isinstance(content, str):
        yield Text(content)
        return
    for position, block in enumerate(content):
        yield _block(block, f"{place}[{position}]", misfit)


def _block(block: dict[str, Any], place: str, misfit: Misfit) -> ContentBlock:
    match block:
        case {"type": "tool_use", "id": str(tool_id), "name": str(name), "input": dict(arguments)}:
            return ToolUse(tool_id, name, arguments)
        case {"type": "tool_result", "tool_use_id": str(tool_id)}:
            content = tuple(_shown(block.get("content") or (), place, misfit))
            return ToolResult(tool_id, content, block.get("is_error") is True)
        case {"type": "thinking", "thinking": str(text)}:
            signature = block.get("signature")
            return Thinking(text, signature if isinstance(signature, str) and signature else None)
        case {"type": "redacted_thinking", "data": str(data)}:
            return Thinking("", REDACTED + data)
    return _text_or_image(block, place, misfit)


def _shown(content: object, place: str, misfit: Misfit) -> Iterator[Text | Image]:
    """Yield what a tool answered."""
    if isinstance(content, str):
        yield Text(content)
        return
    blocks = content if isinstance(content, list | tuple) else [content]
    for position, block in enumerate(blocks):
        yield _text_or_image(block, f"{place}.content[{position}]", misfit)


def _text_or_image(block: object, place: str, misfit: Misfit) -> Text | Image:
    match block:
        case {"type": "text", "text": str(text)}:
            return Text(text)
        case {"type": "image", "source": {"type": "base64", "media_type": str(kind), "data": str(data)}}:
            return Image(media_type=kind, data=data)
        case {"type": "image", "source": {"type": "url", "url": str(url)}}:
            return Image(url=url)
    kinds = "`text`, `image` (base64 or url), `tool_use`, `tool_result`, `thinking`, `redacted_thinking`"
    found = block.get("type") if isinstance(block, dict) else type(block).__name__
    return misfit(found, f"`{place}` is a block of type `{found}` that has no form here; what has is {kinds}")
