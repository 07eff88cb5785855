"""What the HTTP door needs of the runtime, and nothing more."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, runtime_checkable

from arawn.agent.events import TurnEvent
from arawn.agent.tool import Tool
from arawn.config.schema import Config
from arawn.messages import CompletionRequest, CompletionResponse, StreamEvent

__all__ = ["Conversation", "DialectDoor", "EventSource", "RuntimeDoor", "StatusReport"]

EventSource = AbstractAsyncContextManager[AsyncIterator[StreamEvent]]


class StatusReport(Protocol):
    """What `GET /status` shows."""

    def to_json(self) -> bytes:
        """Return the report as one JSON object."""
        ...


class Conversation(Protocol):
    """One workstream. `profile` and `system` are for this call alone."""

    async def send(
        self,
        text: str,
        *,
        session_id: str | None = None,
        profile: str | None = None,
        system: str | None = None,
        tags: Mapping[str, str] | None = None,
        tools: Sequence[Tool] | None = None,
    ) -> CompletionResponse:
        """Send `text` and return the model's answer."""
        ...

    def stream(
        self,
        text: str,
        *,
        session_id: str | None = None,
        profile: str | None = None,
        system: str | None = None,
        tags: Mapping[str, str] | None = None,
        tools: Sequence[Tool] | None = None,
    ) -> AbstractAsyncContextManager[AsyncIterator[TurnEvent]]:
        """Send `text` and yield events, the last one `Completed`."""
        ...


class RuntimeDoor(Protocol):
    """The running Arawn.

    Waiting for the next event of a stream may be cancelled and begun again; nothing is lost.
    """

    def status(self) -> StatusReport:
        """Return the state of everything, now."""
        ...

    async def tools(self, *names: str) -> Sequence[Tool]:
        """Return the tools that the configuration has under these names."""
        ...

    def workstream(self, name: str, /) -> Conversation:
        """Return the conversation called `name`; it need not exist yet."""
        ...

    async def complete(
        self,
        request: CompletionRequest,
        *,
        profile: str | None = None,
        session_id: str | None = None,
        tags: Mapping[str, str] | None = None,
        workstream: str | None = None,
    ) -> CompletionResponse:
        """Make one call that belongs to no conversation; `workstream` is a name for its record."""
        ...

    def stream(
        self,
        request: CompletionRequest,
        *,
        profile: str | None = None,
        session_id: str | None = None,
        tags: Mapping[str, str] | None = None,
        workstream: str | None = None,
    ) -> EventSource:
        """Make one streamed call that belongs to no conversation; `workstream` is a name for its record."""
        ...


@runtime_checkable
class DialectDoor(RuntimeDoor, Protocol):
    """What the dialects under `/v1` need besides: the profiles that a model's name may mean."""

    @property
    def config(self) -> Config:
        """The configuration that the runtime runs by."""
        ...
