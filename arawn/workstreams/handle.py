"""The handle of one conversation, as users hold it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager

import trio

from actors import Ref, Reply
from arawn.messages import CompletionResponse, StreamEvent
from arawn.requests import require_session_id, require_tags
from arawn.stream import EventStream, open_stream
from arawn.workstreams.actor import Archive, Bind, Create, Remove, Say, WorkstreamMessage
from arawn.workstreams.store import require_text

__all__ = ["Workstream"]


class Workstream:
    """The handle of one conversation. Calls on it are answered one after another, in order."""

    def __init__(self, name: str, profile: str | None, ref: Ref[WorkstreamMessage]) -> None:
        self.name = name
        self._profile = profile
        self._ref = ref

    async def bind(self, profile: str | None) -> None:
        """Bind the conversation to a profile, durably; None binds it to none.

        Raises:
            UnknownProfile: It is not configured; the binding is as it was.

        Checkpoint: always.
        If cancelled: it is bound, or it is not.
        """
        await self._ref.ask(Bind(profile))

    async def create(
        self, *, profile: str | None = None, system_prompt: str | None = None, tags: Mapping[str, str] | None = None
    ) -> None:
        """Store the conversation with these settings, before anything is said in it.

        Raises:
            BadInput: There is one of that name.
            UnknownProfile: The profile is not configured; nothing was stored.

        Checkpoint: always.
        If cancelled: it is stored, or it is not.
        """
        await self._ref.ask(Create(profile=profile, system_prompt=system_prompt, tags=require_tags(tags)))

    async def archive(self, *, archived: bool = True) -> bool:
        """Archive the conversation, after the calls before; False brings it back. Return whether there is one.

        Checkpoint: always.
        If cancelled: it is archived, or it is not.
        """
        return await self._ref.ask(Archive(archived))

    async def remove(self) -> bool:
        """Delete the conversation, after the calls before; its records stay. Return whether there was one.

        Checkpoint: always.
        If cancelled: it is deleted, or it is not.
        """
        return await self._ref.ask(Remove())

    async def send(
        self,
        text: str,
        *,
        session_id: str | None = None,
        profile: str | None = None,
        system: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> CompletionResponse:
        """Say `text` and return the model's answer, once its record is written.

        Args:
            text: What the user says.
            session_id: Goes into the record.
            profile: A hint for this call alone.
            system: A system prompt for this call alone.
            tags: Go into the record, over the workstream's own.

        Raises:
            UnknownProfile: A profile is named that is not configured.
            BackendError: The call failed; the conversation is as it was.
            ActorError: A part of the runtime was stopped or crashed; the type says whether the call was made.

        Checkpoint: always.
        If cancelled: the provider call is cancelled and recorded; the conversation is as it was.
        """
        said = _said(text, session_id=session_id, profile=profile, system=system, tags=tags)
        await self._bind_first()
        return await self._ref.ask(said)

    def stream(
        self,
        text: str,
        *,
        session_id: str | None = None,
        profile: str | None = None,
        system: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> AbstractAsyncContextManager[EventStream]:
        """Say `text` and read the answer as it comes: `async with ... as events: async for event in events`.

        The last event is `Completed`. Arguments and errors as for `send`; leaving the block early cancels the call.
        """

        async def submit(sink: trio.MemorySendChannel[StreamEvent]) -> Reply[CompletionResponse]:
            said = _said(text, session_id=session_id, profile=profile, system=system, tags=tags, sink=sink)
            await self._bind_first()
            return await self._ref.submit(said)

        return open_stream(submit)

    async def _bind_first(self) -> None:
        if self._profile is not None:
            await self.bind(self._profile)
            self._profile = None


def _said(
    text: str,
    *,
    session_id: str | None,
    profile: str | None,
    system: str | None,
    tags: Mapping[str, str] | None,
    sink: trio.MemorySendChannel[StreamEvent] | None = None,
) -> Say:
    """Return the message, if every part of it is what its type promises."""
    return Say(
        text=require_text(text),
        profile=profile,
        session_id=require_session_id(session_id),
        system=None if system is None else require_text(system),
        tags=require_tags(tags),
        sink=sink,
    )
