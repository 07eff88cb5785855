"""What `ask` and `chat` want answered, and what they need of whoever answers. Pure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

import msgspec

from arawn.agent.events import TurnEvent
from arawn.messages import CompletionResponse

__all__ = ["Answerer", "Emit", "Question"]

Emit = Callable[[TurnEvent], Awaitable[None]]


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One message to a model; without `workstream` it belongs to no conversation, and has no `tools`."""

    text: str
    workstream: str | None = None
    profile: str | None = None
    session_id: str | None = None
    system: str | None = None
    tags: dict[str, str] = {}
    tools: tuple[str, ...] = ()


class Answerer(Protocol):
    """A running Arawn, in this process or another."""

    @property
    def why(self) -> str | None:
        """How the profiles were chosen, when none is configured."""
        ...

    @property
    def log_path(self) -> Path | None:
        """The directory of the interaction log; None when it is off."""
        ...

    @property
    def profiles(self) -> tuple[str, ...]:
        """The names of the profiles."""
        ...

    async def ask(self, question: Question, emit: Emit) -> CompletionResponse:
        """Return the whole answer, after every part of it went to `emit`."""
        ...

    async def bind(self, workstream: str, profile: str) -> None:
        """Bind a workstream to a profile, durably."""
        ...
