"""Ids that tell all tool calls of a conversation apart, in letters that the anthropic dialect takes. Pure."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import count

import msgspec

from arawn.messages import ContentBlock, Message, ToolResult, ToolUse

__all__ = ["with_own_ids"]

_NUMBERED = frozenset((ToolUse, ToolResult))
_FOREIGN = re.compile(r"[^a-zA-Z0-9_-]")


def with_own_ids(messages: Iterable[Message]) -> Iterator[Message]:
    """Yield the messages, each tool call by an id that no other has, each result by that of its call.

    Some servers count their calls anew in every answer, and a conversation may come from one of those.

    Args:
        messages: A conversation in which roles alternate.
    """
    taken: set[str] = set()
    numbered: dict[str, Iterator[str]] = {}  # what each goes on with: begun anew, many alike would take minutes
    called: dict[str, deque[str]] = {}  # the calls of the last answer: what they are called now, by what they were
    for message in messages:
        if message.role == "assistant":
            called = {}
        if _NUMBERED.isdisjoint(map(type, message.content)):
            yield message
            continue
        yield Message(message.role, tuple(_renamed(block, taken, numbered, called) for block in message.content))


def _renamed(
    block: ContentBlock, taken: set[str], numbered: dict[str, Iterator[str]], called: dict[str, deque[str]]
) -> ContentBlock:
    """Return the block with its own id, and note it in the others."""
    if isinstance(block, ToolUse):
        plain = _plain(block.id)
        own = plain
        if plain in taken:
            own = next(each for each in numbered.setdefault(plain, _numbered(plain)) if each not in taken)
        taken.add(own)
        called.setdefault(block.id, deque()).append(own)
        return msgspec.structs.replace(block, id=own)
    if isinstance(block, ToolResult):
        waiting = called.get(block.tool_use_id)
        return msgspec.structs.replace(block, tool_use_id=waiting.popleft() if waiting else _plain(block.tool_use_id))
    return block


def _numbered(plain: str) -> Iterator[str]:
    return (f"{plain}_{number}" for number in count(2))


def _plain(tool_id: str) -> str:
    return _FOREIGN.sub("_", tool_id) or "call"
