"""Messages as providers insist on: roles alternate, tool results come first, tool names are plain. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, compress, groupby, repeat
from operator import attrgetter, eq, is_
from typing import TypeVar

import msgspec

from arawn.backends.unsaid import Unsaid
from arawn.errors import BadInput
from arawn.messages import CompletionRequest, ContentBlock, Image, Message, Text, Thinking, ToolResult, ToolUse

__all__ = [
    "alternate",
    "blocks_of",
    "joined",
    "of_kind",
    "plainly_named",
    "require_called",
    "results_first",
    "unparted",
]

T = TypeVar("T")

_FOREIGN = re.compile(r"[^a-zA-Z0-9_-]")
_ROLE, _CONTENT, _NAME = attrgetter("role"), attrgetter("content"), attrgetter("name")

_ALLOWED: dict[str, tuple[type[ContentBlock], ...]] = {
    "user": (Text, Image, ToolResult),
    "assistant": (Text, Thinking, Image, ToolUse),
}


def blocks_of(messages: Iterable[Message]) -> Iterator[ContentBlock]:
    """Return the blocks of all messages, in order. A rule for a kind that is not among them need not be followed."""
    return chain.from_iterable(map(_CONTENT, messages))


def of_kind(kind: type[T], blocks: Sequence[object]) -> Iterator[T]:
    """Return the blocks that are of this very kind."""
    return compress(blocks, map(is_, map(type, blocks), repeat(kind)))  # type: ignore[arg-type]  # only those of `kind`


def alternate(messages: Sequence[Message]) -> Sequence[Message]:
    """Return the messages as `joined` does.

    Raises:
        BadInput: If a message holds a block that its role can never hold.
    """
    turns = joined(messages)
    for same in (turns[::2], turns[1::2]):  # each of one role
        if same and not set(map(type, blocks_of(same))).issubset(_ALLOWED[same[0].role]):
            raise _misplaced(turns)
    return turns


def unparted(messages: Sequence[Message]) -> Sequence[Message]:
    """Return the messages, texts of the assistant that follow each other as one: it may have said a sentence in parts.

    With citations, for one. `CompletionResponse.text` joins them so too.
    """
    if max(map(len, map(_CONTENT, messages)), default=0) < 2:  # as nearly always
        return messages
    return [Message(each.role, _as_one_text(each)) if each.role == "assistant" else each for each in messages]


def _as_one_text(message: Message) -> tuple[ContentBlock, ...]:
    said: list[ContentBlock] = []
    for is_text, blocks in groupby(message.content, key=lambda block: isinstance(block, Text)):
        group = list(blocks)
        said += [Text("".join(block.text for block in group if isinstance(block, Text)))] if is_text else group
    return tuple(said)


def joined(messages: Sequence[Message]) -> Sequence[Message]:
    """Join neighbours of one role into one message; a message without blocks says nothing and does not part them."""
    roles = [*map(_ROLE, messages)]
    if all(map(_CONTENT, messages)) and not any(map(eq, roles, roles[1:])):  # as nearly always
        return messages
    said = groupby(filter(_CONTENT, messages), key=_ROLE)
    return [Message(role, tuple(blocks_of(group))) for role, group in said]


def require_called(messages: Iterable[Message]) -> None:
    """Refuse a tool result that no call before it has asked for: nobody could tell what it says.

    Raises:
        BadInput: There is one.
    """
    called: set[str] = set()
    for block in blocks_of(messages):
        if isinstance(block, ToolUse):
            called.add(block.id)
        elif isinstance(block, ToolResult) and block.tool_use_id not in called:
            raise BadInput(
                f"a tool result answers the call `{block.tool_use_id}`, and no call before it has this id; give the "
                "assistant's message with the call, or leave the result out"
            )


def results_first(turns: Iterable[Message]) -> list[Message]:
    """Put each message's tool results before its other blocks."""
    return [
        Message(turn.role, tuple(sorted(turn.content, key=_is_no_result)))
        if ToolResult in map(type, turn.content[1:])
        else turn
        for turn in turns
    ]


def plainly_named(request: CompletionRequest, unsaid: Unsaid) -> Iterable[Message]:
    """Return the messages, tool calls by names that are offered, or in letters that every provider takes.

    A model may ask for a tool that never was, such as `functions.look`; providers refuse a history with that name.
    """
    called = set(map(_NAME, of_kind(ToolUse, (*blocks_of(request.messages),))))
    plain = {name: _FOREIGN.sub("_", name)[:64] or "_" for name in called.difference(map(_NAME, request.tools))}
    foreign = {name: letters for name, letters in plain.items() if letters != name}
    return (_renamed(message, foreign, unsaid) for message in request.messages) if foreign else request.messages


def _renamed(message: Message, names: Mapping[str, str], unsaid: Unsaid) -> Message:
    if not any(isinstance(block, ToolUse) and block.name in names for block in message.content):
        return message
    unsaid.changed("names of tool calls that were not offered were put into letters that the dialect takes")
    content = tuple(
        msgspec.structs.replace(block, name=names.get(block.name, block.name)) if isinstance(block, ToolUse) else block
        for block in message.content
    )
    return Message(message.role, content)


def _is_no_result(block: ContentBlock) -> bool:
    return not isinstance(block, ToolResult)


def _misplaced(turns: Iterable[Message]) -> BadInput:
    """Return the error for the first block that its role can never hold."""
    role, block = next(
        (turn.role, block) for turn in turns for block in turn.content if not isinstance(block, _ALLOWED[turn.role])
    )
    kinds = ", ".join(f"`{kind.__struct_config__.tag}`" for kind in _ALLOWED[role])
    found = block.__struct_config__.tag
    return BadInput(f"a message of role `{role}` holds a `{found}` block; it can hold {kinds}")
