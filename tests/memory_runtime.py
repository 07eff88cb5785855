"""A runtime in memory that answers with what it was asked, or with a fault."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import trio

import actors
from arawn.agent.tool import Tool
from arawn.config.schema import Config
from arawn.interactions.health import LogHealth
from arawn.messages import (
    Begun,
    Completed,
    CompletionRequest,
    CompletionResponse,
    RoutingMetadata,
    StreamEvent,
    Text,
    TextDelta,
    ToolUse,
    Usage,
)
from arawn.status import LogStatus, RuntimeStatus

Tags = Mapping[str, str] | None


class Events:
    """What is read of a stream; nothing is known of its answer before the end."""

    begun: Begun | None = None

    def __init__(self, events: AsyncIterator[StreamEvent]) -> None:
        self._events = events

    def nudge(self) -> None:
        """As of an `EventStream`."""
        self._waiting.cancel(reason="a nudge")

    async def next_or_nudge(self) -> StreamEvent | None:
        """As of an `EventStream`."""
        with trio.CancelScope() as self._waiting:
            return await anext(self._events)
        return None


class MemoryRuntime:
    """Keeps what it was asked in `calls`; `database_fault` is why it is not ready.

    `fault` is raised instead of an answer, or, in a stream, after `deltas`; `delay` is waited before each event.
    """

    config = Config()
    log_path: Path | None = None
    database_fault: str | None = None

    def log_is_behind(self) -> bool:
        return False

    def __init__(self, *, fault: Exception | None = None, deltas: int = 2, delay: float = 0.0) -> None:
        self.calls: list[dict[str, Any]] = []
        self.cancelled = trio.Event()
        self._fault = fault
        self._deltas = deltas
        self._delay = delay

    def status(self) -> RuntimeStatus:
        return RuntimeStatus(
            version="1",
            pid=7,
            uptime_s=1.0,
            default_profile=None,
            log=LogStatus(path=None, health=LogHealth()),
            backends=(),
            database_fault=self.database_fault,
            active_workstreams=(),
            tree=actors.Status(name="arawn", kind="supervisor", state="running"),
        )

    async def tools(self, *names: str) -> tuple[Tool, ...]:
        await trio.lowlevel.checkpoint()
        return ()

    def workstream(self, name: str, /) -> MemoryConversation:
        return MemoryConversation(self, name)

    async def complete(
        self,
        request: CompletionRequest,
        *,
        profile: str | None = None,
        session_id: str | None = None,
        tags: Tags = None,
        workstream: str | None = None,
    ) -> CompletionResponse:
        self.note(request.messages[0].content[0], None, profile, session_id, tags)
        return await self.answer()

    def stream(
        self,
        request: CompletionRequest,
        *,
        profile: str | None = None,
        session_id: str | None = None,
        tags: Tags = None,
        workstream: str | None = None,
    ) -> AbstractAsyncContextManager[Events]:
        self.note(request.messages[0].content[0], None, profile, session_id, tags)
        return self.events()

    def note(
        self, text: object, workstream: str | None, profile: str | None, session_id: str | None, tags: Tags
    ) -> None:
        said = text.text if isinstance(text, Text) else text
        call = {"text": said, "workstream": workstream, "profile": profile, "session_id": session_id, "tags": tags}
        self.calls.append(call)

    async def answer(self) -> CompletionResponse:
        try:
            await trio.sleep(self._delay)
        except trio.Cancelled:
            self.cancelled.set()
            raise
        if self._fault is not None:
            raise self._fault
        return CompletionResponse(
            content=(Text("Paris"), ToolUse("t1", "look", {"at": "map"})),
            model="m-1",
            stop_reason="end_turn",
            usage=Usage(input_tokens=3, output_tokens=1),
            profile="fast",
            routing=RoutingMetadata("fast", "Default"),
            interaction_id="0190-record",
        )

    @asynccontextmanager
    async def events(self) -> AsyncIterator[Events]:
        sender, receiver = trio.open_memory_channel[StreamEvent](100)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._produce, sender)
            async with aclosing(self._consume(receiver)) as events:
                yield Events(events)
            nursery.cancel_scope.cancel(reason="read to the end")

    async def _produce(self, sender: trio.MemorySendChannel[StreamEvent]) -> None:
        with sender:
            try:
                for number in range(self._deltas):
                    await trio.sleep(self._delay)
                    await sender.send(TextDelta(0, f"part {number} é\n"))
            except trio.Cancelled:
                self.cancelled.set()
                raise

    async def _consume(self, receiver: trio.MemoryReceiveChannel[StreamEvent]) -> AsyncGenerator[StreamEvent]:
        with receiver:
            async for event in receiver:
                yield event
        yield Completed(await self.answer())


class MemoryConversation:
    def __init__(self, runtime: MemoryRuntime, name: str) -> None:
        self._runtime = runtime
        self._name = name

    async def send(
        self,
        text: str,
        *,
        session_id: str | None = None,
        profile: str | None = None,
        system: str | None = None,
        tags: Tags = None,
        tools: object = None,
    ) -> CompletionResponse:
        self._runtime.note(text, self._name, profile, session_id, tags)
        return await self._runtime.answer()

    def stream(
        self,
        text: str,
        *,
        session_id: str | None = None,
        profile: str | None = None,
        system: str | None = None,
        tags: Tags = None,
        tools: object = None,
    ) -> AbstractAsyncContextManager[Events]:
        self._runtime.note(text, self._name, profile, session_id, tags)
        return self._runtime.events()
