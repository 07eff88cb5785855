"""Messages in the order providers insist on: roles alternate, tool results come first. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from arawn.errors import BadInput
from arawn.messages import ContentBlock, Image, Message, Text, Thinking, ToolResult, ToolUse

__all__ = ["alternate"]

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
