"""What a turn with tools tells its reader beside the model's own events. No client of `/v1` is ever sent these."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from arawn.messages import CompletionResponse, Message, StreamEvent, Usage

__all__ = ["Emit", "ToolEnded", "ToolStarted", "TurnEvent", "TurnReply"]


class ToolStarted(msgspec.Struct, frozen=True, gc=False, tag="tool_started"):
    """A tool call begins to run; `id` is the one that the model gave it. `arguments` is None if they are no object."""

    id: str
    name: str
    arguments: dict[str, Any] | None


class ToolEnded(msgspec.Struct, frozen=True, gc=False, tag="tool_ended"):
    """A tool call has its result; `text` is that of it which is text."""

    id: str
    name: str
    text: str
    is_error: bool


TurnEvent = StreamEvent | ToolStarted | ToolEnded
Emit = Callable[[TurnEvent], Awaitable[None]]


class TurnReply(CompletionResponse, frozen=True, gc=False, kw_only=True):
    """The model's last answer of a turn with tools, and what the turn was.

    Attributes:
        truncated: The turn ended at the limit of iterations, and the model had asked for more tools; they were not run.
        iterations: How often the model was asked.
        turn_usage: The tokens of all iterations together; `usage` has those of the last.
        messages: What the turn added to the conversation: the question, and every answer and tool result.
    """

    truncated: bool = False
    iterations: int = 1
    turn_usage: Usage = Usage()
    messages: tuple[Message, ...] = ()
