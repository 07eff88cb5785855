"""Content blocks out of deltas: the one place where pieces of text, thinking and arguments are joined. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, assert_never

import msgspec

from arawn.backends.shape import WrongShapeError
from arawn.backends.worded_refusal import RefusalDelta, worded_refusal
from arawn.messages import (
    Completed,
    CompletionResponse,
    ContentBlock,
    StreamEvent,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    ToolUse,
    ToolUseDelta,
    ToolUseStart,
)

__all__ = ["ContentAssembly", "can_grow", "deltas_of", "is_whole_object", "tool_use_from_text"]

_ANY_JSON = msgspec.json.Decoder()


def tool_use_from_text(tool_id: str, name: str, arguments: str) -> ToolUse:
    """Return the tool call; no text at all means no arguments, text that is no JSON object is kept as invalid."""
    if not arguments.strip():
        return ToolUse(tool_id, name)
    try:
        parsed = _ANY_JSON.decode(arguments)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        parsed = None
    if isinstance(parsed, dict):
        return ToolUse(tool_id, name, parsed)
    return ToolUse(tool_id, name, invalid_arguments=arguments)


def is_whole_object(arguments: str) -> bool:
    """Say whether the arguments of a call are there from end to end."""
    return bool(arguments.strip()) and tool_use_from_text("", "", arguments).invalid_arguments is None


def can_grow(arguments: str) -> bool:
    """Say whether more of them may come: an empty object may stand for those to come."""
    return "".join(arguments.split()) == "{}" or not is_whole_object(arguments)


def deltas_of(answer: CompletionResponse) -> Iterator[StreamEvent]:
    """Yield what a stream would have said of an answer that came whole."""
    refusal = worded_refusal(answer)
    for index, block in enumerate(answer.content):
        if isinstance(block, Text):
            yield (RefusalDelta if block is refusal else TextDelta)(index, block.text)
        elif isinstance(block, Thinking):
            yield ThinkingDelta(index, block.text)
        elif isinstance(block, ToolUse):
            yield ToolUseStart(index, block.id, block.name)
            arguments = block.invalid_arguments or (block.arguments and msgspec.json.encode(block.arguments).decode())
            if arguments:
                yield ToolUseDelta(index, arguments)


class _Growing(msgspec.Struct, gc=False):
    """One block while its pieces arrive."""

    kind: Literal["text", "thinking", "tool_use"]
    pieces: list[str] = []
    id: str = ""
    name: str = ""
    signature: str | None = None

    def block(self) -> ContentBlock:
        joined = "".join(self.pieces)
        if self.kind == "text":
            return Text(joined)
        if self.kind == "thinking":
            return Thinking(joined, self.signature)
        return tool_use_from_text(self.id, self.name, joined)


class ContentAssembly:
    """Blocks that grow by deltas. A delta for the index after the last block begins a new block."""

    def __init__(self) -> None:
        self._blocks: list[_Growing] = []

    def __len__(self) -> int:
        return len(self._blocks)

    def add(self, event: StreamEvent) -> None:
        """Take in one delta.

        Raises:
            WrongShapeError: If the delta does not fit the block at its index, or skips an index.
        """
        match event:
            case TextDelta():
                self.grow(event.index, "text", event.text)
            case ThinkingDelta():
                self.grow(event.index, "thinking", event.text)
            case ToolUseStart():
                self._open(event.index, _Growing("tool_use", [], event.id, event.name))
            case ToolUseDelta():
                self._at(event.index, "tool_use").pieces.append(event.partial_json)
            case Completed():
                raise WrongShapeError("`Completed` is no delta")
            case _:
                assert_never(event)

    def grow(self, index: int, kind: Literal["text", "thinking"], piece: str) -> None:
        """Add to the text or thinking at `index`; errors as for `add`."""
        if index == len(self._blocks):
            self._blocks.append(_Growing(kind, [piece]))
        else:
            self._at(index, kind).pieces.append(piece)

    def sign(self, index: int, signature: str) -> None:
        """Add to the signature of the thinking block at `index`."""
        block = self._at(index, "thinking")
        block.signature = (block.signature or "") + signature

    def content(self) -> tuple[ContentBlock, ...]:
        """Return the blocks as far as they have grown."""
        return (*[block.block() for block in self._blocks],)

    def _open(self, index: int, block: _Growing) -> None:
        if index != len(self._blocks):
            raise WrongShapeError(f"block {index} begins although there are {len(self._blocks)} blocks")
        self._blocks.append(block)

    def _at(self, index: int, kind: str) -> _Growing:
        if not 0 <= index < len(self._blocks) or self._blocks[index].kind != kind:
            raise WrongShapeError(f"a delta of kind `{kind}` names block {index}, which is not one")
        return self._blocks[index]
