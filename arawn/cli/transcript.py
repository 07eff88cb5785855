"""Messages as a person reads them. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, assert_never

import msgspec

from arawn.interactions.counted import counted
from arawn.messages import ContentBlock, Image, Message, Text, Thinking, ToolResult, ToolUse

__all__ = ["indented", "logged_lines", "logged_text", "message_lines"]


def message_lines(message: Message) -> Iterator[str]:
    """Yield a blank line, who speaks, and what is said."""
    yield from _said(message.role, map(_block_text, message.content))


def logged_lines(message: Any) -> Iterator[str]:
    """Yield the same for a message of a log record, of which perhaps only size and hash were kept.

    Raises:
        msgspec.ValidationError: It is none that this version knows.
    """
    if not isinstance(message, dict) or not isinstance(message.get("content", []), list | tuple):
        raise msgspec.ValidationError("a message is none that this version knows")
    role = message.get("role") or message.get("type") or "?"
    yield from _said(role, map(logged_text, message.get("content", [message])))


def logged_text(block: Any) -> str:
    """Return one content block of a record as text, or what was kept of it.

    Raises:
        msgspec.ValidationError: It is none that this version knows.
    """
    if isinstance(block, dict) and "sha256" in block and isinstance(block.get("size"), int):
        return f"({counted(block['size'], 'byte')}, not logged)"
    return _block_text(msgspec.convert(block, ContentBlock))


def indented(text: str) -> Iterator[str]:
    """Yield the lines of a text, one at a time: there may be millions of them."""
    begin = 0
    while begin < len(text):
        end = text.find("\n", begin)
        end = end if end >= 0 else len(text)
        yield f"  {text[begin:end]}"
        begin = end + 1


def _said(role: str, texts: Iterable[str]) -> Iterator[str]:
    yield ""
    yield f"{role}:"
    for text in texts:
        yield from indented(text)


def _block_text(block: ContentBlock) -> str:
    match block:
        case Text():
            return block.text
        case Thinking():
            return f"(thinking) {block.text}"
        case Image():
            return f"(image: {block.url or block.media_type or 'unknown kind'})"
        case ToolUse():
            arguments = block.invalid_arguments or json.dumps(block.arguments, ensure_ascii=False)
            return f"(calls {block.name}, {block.id}) {arguments}"
        case ToolResult():
            said = " ".join(part.text if isinstance(part, Text) else "(image)" for part in block.content)
            return f"({'error' if block.is_error else 'result'} of {block.tool_use_id}) {said}"
        case _:
            assert_never(block)
