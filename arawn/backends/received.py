"""What has arrived of a stream so far, kept for the record of a call that is cut short."""

from __future__ import annotations

from arawn.messages import (
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

__all__ = ["Received"]


class Received:
    """Collects the deltas of one stream, block by block."""

    def __init__(self) -> None:
        self._parts: dict[int, list[str]] = {}
        self._first: dict[int, StreamEvent] = {}

    def __bool__(self) -> bool:
        return bool(self._first)

    def take(self, event: StreamEvent) -> None:
        """Take in one delta."""
        if isinstance(event, TextDelta | ThinkingDelta):
            self._first.setdefault(event.index, event)
            self._parts.setdefault(event.index, []).append(event.text)
        elif isinstance(event, ToolUseStart):
            self._first.setdefault(event.index, event)
        elif isinstance(event, ToolUseDelta):
            self._parts.setdefault(event.index, []).append(event.partial_json)

    def response(self, model: str | None) -> CompletionResponse | None:
        """Return what arrived as an answer without an end; None if nothing did."""
        if not self._first:
            return None
        content = tuple(self._block(index) for index in sorted(self._first))
        return CompletionResponse(content=content, model=model or "")

    def _block(self, index: int) -> ContentBlock:
        first, text = self._first[index], "".join(self._parts.get(index, ()))
        if isinstance(first, ToolUseStart):
            return ToolUse(first.id, first.name, invalid_arguments=text)
        return Thinking(text) if isinstance(first, ThinkingDelta) else Text(text)
