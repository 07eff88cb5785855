"""Messages as a person reads them. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, assert_never

import msgspec

from arawn.messages import ContentBlock, Image, Message, Text, Thinking, ToolResult, ToolUse

__all__ = ["block_text", "logged_lines", "message_lines"]


def message_lines(message: Message) -> Iterator[str]:
    """Yield a blank line, who speaks, and what is said."""
    yield from _said(message.role, (block_text(block) for block in message.content))


def logged_lines(message: Any) -> Iterator[str]:
    """Yield the same for a message of a log record, of which perhaps only size and hash were kept."""
    if "content" in message:
        yield from message_lines(msgspec.convert(message, Message))
    else:
        yield from _said(message.get("role") or message.get("type") or "?", [f"({message['size']} bytes, not logged)"])


def _said(role: str, texts: Iterable[str]) -> Iterator[str]:
    yield ""
    yield f"{role}:"
    for text in texts:
        for line in text.splitlines() or [""]:
            yield f"  {line}"


def block_text(block: ContentBlock) -> str:
    """Return one content block as text."""
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
