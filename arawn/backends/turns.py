"""Messages as providers insist on: roles alternate, tool results come first, tool names are plain. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

import msgspec

from arawn.backends.unsaid import Unsaid
from arawn.errors import BadInput
from arawn.messages import CompletionRequest, ContentBlock, Image, Message, Text, Thinking, ToolResult, ToolUse

__all__ = ["alternate", "plainly_named"]

_FOREIGN = re.compile(r"[^a-zA-Z0-9_-]")

_ALLOWED: dict[str, tuple[type[ContentBlock], ...]] = {
    "user": (Text, Image, ToolResult),
    "assistant": (Text, Thinking, Image, ToolUse),
}


def alternate(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Join neighbours of one role into one message and put each message's tool results before its other blocks.

    A message without blocks says nothing and does not part its neighbours.

    Raises:
        BadInput: If a message holds a block that its role can never hold.
    """
    joined = []
    for role, group in groupby((message for message in messages if message.content), key=lambda message: message.role):
        blocks = [block for message in group for block in message.content]
        for block in blocks:
            if not isinstance(block, _ALLOWED[role]):
                kinds = ", ".join(f"`{kind.__struct_config__.tag}`" for kind in _ALLOWED[role])
                found = block.__struct_config__.tag
                raise BadInput(f"a message of role `{role}` holds a `{found}` block; it can hold {kinds}")
        blocks.sort(key=lambda block: not isinstance(block, ToolResult))  # stable: False sorts first
        joined.append(Message(role, tuple(blocks)))
    return tuple(joined)


def plainly_named(request: CompletionRequest, unsaid: Unsaid) -> Iterator[Message]:
    """Yield the messages, tool calls by names that are offered, or in letters that every provider takes.

    A model may ask for a tool that never was, such as `functions.look`; providers refuse a history with that name.
    """
    offered = {tool.name for tool in request.tools}
    for message in request.messages:
        content = tuple(_plain(block, offered) if isinstance(block, ToolUse) else block for block in message.content)
        if content != message.content:
            unsaid.changed("names of tool calls that were not offered were put into letters that the dialect takes")
        yield Message(message.role, content)


def _plain(call: ToolUse, offered: set[str]) -> ToolUse:
    name = _FOREIGN.sub("_", call.name)[:64] or "_"
    return call if call.name in offered or call.name == name else msgspec.structs.replace(call, name=name)
