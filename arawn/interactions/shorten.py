"""Long tool results are cut, left-out bodies become digests. Pure."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from arawn.interactions.encode import encode_line
from arawn.interactions.record import BodyDigest, Truncation
from arawn.messages import ContentBlock, Image, Message, Text, ToolResult

__all__ = ["cut_message", "cut_text", "digest"]


def cut_text(text: str, limit: int, where: str) -> tuple[str, Truncation | None]:
    """Return the first `limit` characters of `text`, and what was cut; a limit of 0 keeps all."""
    if not limit or len(text) <= limit:
        return text, None
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return text[:limit], Truncation(where=where, length=len(text), sha256=digest)


def cut_message(message: Message, limit: int) -> tuple[Message, tuple[Truncation, ...]]:
    """Return `message` with every tool result cut to `limit` characters of text, and the cuts, placed inside it."""
    if not limit or not any(isinstance(block, ToolResult) for block in message.content):
        return message, ()
    cuts: list[Truncation] = []
    content: list[ContentBlock] = []
    for index, block in enumerate(message.content):
        content.append(
            _cut_result(block, limit, f".content[{index}]", cuts) if isinstance(block, ToolResult) else block
        )
    return (msgspec.structs.replace(message, content=tuple(content)) if cuts else message), tuple(cuts)


def _cut_result(result: ToolResult, limit: int, where: str, cuts: list[Truncation]) -> ToolResult:
    """Return `result` with `limit` characters over all its texts; pictures stay."""
    texts = [part.text for part in result.content if isinstance(part, Text)]
    _, cut = cut_text("".join(texts), limit, where)
    if cut is None:
        return result
    cuts.append(cut)
    kept: list[Text | Image] = []
    room = limit
    for part in result.content:
        if isinstance(part, Image):
            kept.append(part)
        elif room > 0:
            kept.append(Text(part.text[:room]))
            room -= len(part.text)
    return msgspec.structs.replace(result, content=tuple(kept))


def digest(content: Any, *, role: str | None = None, kind: str | None = None) -> BodyDigest:
    """Return what is kept of a message of that role, or of a response block of that kind, that is not logged."""
    data = encode_line(content)[:-1]
    return BodyDigest(role=role, type=kind, size=len(data), sha256=hashlib.sha256(data).hexdigest())
