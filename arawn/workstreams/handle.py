"""The handle of one conversation, as users hold it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import overload

import msgspec
import trio

from actors import Ref, Reply
from arawn.agent.events import TurnEvent, TurnReply
from arawn.agent.functions import AnyTool, tools_by_name
from arawn.arguments import require_text_or_none
from arawn.errors import BadInput
from arawn.messages import CompletionResponse, StreamEvent
from arawn.requests import require_session_id, require_tags
from arawn.routing.policy import require_profile
from arawn.stream import Begun, EventStream, open_stream
from arawn.trio_run import require_run
from arawn.workstreams.actor import Act, Change, Create, Remove, Say, WorkstreamMessage
from arawn.workstreams.names import require_new_name
from arawn.workstreams.settings import require_settings, require_system, require_text
from arawn.workstreams.store import WorkstreamState

__all__ = ["Workstream"]


class Workstream:
    """The handle of one conversation. Calls on it are answered one after another, in order.

    Every method raises `WrongLoop` outside the trio run that opened the runtime.
    """

    def __init__(
        self,
        name: str,
        profile: str | None,
        ref: Ref[WorkstreamMessage],
        run: trio.lowlevel.TrioToken,
        stored: Callable[[str], Awaitable[WorkstreamState | None]],
        *,
        known: Collection[str],
    ) -> None:
        if profile is not None:
            require_profile(profile, known)
        self.name = name
        self._profile = profile
        self._ref = ref
        self._run = run
        self._stored = stored
        self._known = known

    async def bind(self, profile: str | None) -> None:
        """Bind the conversation to a profile, durably; None binds it to none.

        Raises:
            BadInput: It is no text.
            UnknownProfile: It is not configured; the binding is as it was.

        Checkpoint: always.
        If cancelled: it is bound, or it is not.
        """
        await self.change(profile=profile)

    async def create(
        self, *, profile: str | None = None, system_prompt: str | None = None, tags: Mapping[str, str] | None = None
    ) -> None:
        """Store the conversation with these settings, before anything is said in it.

        Raises:
            BadInput: There is one of that name; or a setting is of the wrong type, or holds half a character.
            UnknownProfile: The profile is not configured; nothing was stored.

        Checkpoint: always.
        If cancelled: it is stored, or it is not.
        """
        require_run(self._run)
        wanted = Create(profile=profile, system_prompt=system_prompt, tags=require_tags(tags))
        require_settings(msgspec.structs.asdict(wanted))
        await self._require_possible(wanted.profile)
        await self._ref.ask(wanted)

    async def change(
        self,
        *,
        profile: str | msgspec.UnsetType | None = msgspec.UNSET,
        system_prompt: str | msgspec.UnsetType | None = msgspec.UNSET,
        tags: Mapping[str, str] | msgspec.UnsetType = msgspec.UNSET,
        archived: bool | msgspec.UnsetType = msgspec.UNSET,
    ) -> bool:
        """Change what is given of the settings, after the calls before, all of it or nothing; what is not given stays.

        Args:
            profile: Bind it to this profile, making it if it is new; None binds it to none.
            system_prompt: None leaves it without one.
            tags: In place of all that it has.
            archived: Put it away, or bring it back.

        Returns:
            Whether there is one.

        Raises:
            BadInput: A setting is of the wrong type, or holds half a character; nothing was changed.
            UnknownProfile: The profile is not configured; nothing was changed.

        Checkpoint: always.
        If cancelled: all of it is changed, or nothing.
        """
        require_run(self._run)
        new_tags = tags if tags is msgspec.UNSET else require_tags(tags)
        wanted = Change(profile=profile, system_prompt=system_prompt, tags=new_tags, archived=archived)
        given = {name: value for name, value in msgspec.structs.asdict(wanted).items() if value is not msgspec.UNSET}
        require_settings(given)
        await self._require_possible(wanted.profile)
        return await self._ref.ask(wanted)

    async def archive(self, *, archived: bool = True) -> bool:
        """Archive the conversation, after the calls before; False brings it back. Return whether there is one.

        Checkpoint: always.
        If cancelled: it is archived, or it is not.
        """
        return await self.change(archived=archived)

    async def remove(self) -> bool:
        """Delete the conversation, after the calls before; its records stay. Return whether there was one.

        It leaves the memory, too, unless calls wait behind: those begin it afresh.

        Checkpoint: always.
        If cancelled: it is deleted, or it is not.
        """
        require_run(self._run)
        removed = await self._ref.ask(Remove())
        now = self._ref.status()
        if not (now.queued or now.waiting or now.in_hand):  # else it is made anew by what comes next
            await self._ref.stop()
        return removed

    @overload
    async def send(
        self,
        text: str,
        *,
        session_id: str | None = None,
        profile: str | None = None,
        system: str | None = None,
        tags: Mapping[str, str] | None = None,
        tools: Iterable[AnyTool],
    ) -> TurnReply: ...

    @overload
    async def send(
        self,
        text: str,
        *,
        session_id: str | None = None,
        profile: str | None = None,
        system: str | None = None,
        tags: Mapping[str, str] | None = None,
        tools: Iterable[AnyTool] | None = None,
    ) -> CompletionResponse: ...

    async def send(
        self,
        text: str,
        *,
        session_id: str | None = None,
        profile: str | None = None,
        system: str | None = None,
        tags: Mapping[str, str] | None = None,
        tools: Iterable[AnyTool] | None = None,
    ) -> CompletionResponse:
        """Say `text` and return the model's answer, once its record is written.

        Args:
            text: What the user says.
            session_id: Goes into the record.
            profile: A hint for this call alone.
            system: A system prompt for this call alone.
            tags: Go into the record, over the workstream's own.
            tools: What the model may use before it answers; see `arawn.agent`.

        Raises:
            UnknownProfile: A profile is named that is not configured.
            BadInput: A tool cannot be described to a model, or two have one name.
            BackendError: The call failed; the conversation is as it was. With tools it keeps what they did until then.
            ContextTooLong, or BadRequest with `status` 413: The same; results of tools that no call has taken yet are
                left out, so that the next may be.
            ActorError: A part of the runtime was stopped or crashed; the type says whether the call was made.

        Checkpoint: always.
        If cancelled: the provider call is cancelled and recorded, and the conversation is as after a `BackendError`; if
            the answer was there already, it is kept, and nobody has read it: `Runtime.stored_workstream` tells.
        """
        require_run(self._run)
        said = Say(text=text, session_id=session_id, profile=profile, system=system, tags=require_tags(tags))
        _require_sendable(said)
        act = None if tools is None else Act(said, tools_by_name(tools))
        await self._bind_first(said)
        return await self._ref.ask(said) if act is None else await self._ref.ask(act)

    @overload
    def stream(
        self,
        text: str,
        *,
        session_id: str | None = None,
        profile: str | None = None,
        system: str | None = None,
        tags: Mapping[str, str] | None = None,
        tools: None = None,
    ) -> AbstractAsyncContextManager[EventStream]: ...

    @overload
    def stream(
        self,
        text: str,
        *,
        session_id: str | None = None,
        profile: str | None = None,
        system: str | None = None,
        tags: Mapping[str, str] | None = None,
        tools: Iterable[AnyTool] | None = None,
    ) -> AbstractAsyncContextManager[AsyncIterator[TurnEvent]]: ...

    def stream(
        self,
        text: str,
        *,
        session_id: str | None = None,
        profile: str | None = None,
        system: str | None = None,
        tags: Mapping[str, str] | None = None,
        tools: Iterable[AnyTool] | None = None,
    ) -> AbstractAsyncContextManager[AsyncIterator[TurnEvent]]:
        """Say `text` and read the answer as it comes: `async with ... as events: async for event in events`.

        The last event is `Completed`. Arguments and errors as for `send`; leaving the block early cancels the call.
        With tools there is also `ToolStarted` and `ToolEnded`, and the response of `Completed` is a `TurnReply`.
        The conversation takes nothing else until then: a `send` to it from within the block waits for this answer, and
        nobody reads it, so that only `total_s` ends both.
        """
        named = None if tools is None else tools_by_name(tools)

        async def submit(sink: trio.MemorySendChannel[StreamEvent | Begun]) -> Reply[CompletionResponse]:
            require_run(self._run)
            own = require_tags(tags)
            said = Say(text=text, session_id=session_id, profile=profile, system=system, tags=own, sink=sink)
            _require_sendable(said)
            await self._bind_first(said)
            message: Say | Act = said if named is None else Act(said, named)
            return await self._ref.submit(message)

        return open_stream(submit)

    async def _bind_first(self, said: Say) -> None:
        await self._require_possible(said.profile)
        if self._profile is not None:
            await self.bind(self._profile)
            self._profile = None

    async def _require_possible(self, profile: str | msgspec.UnsetType | None) -> None:
        """Refuse what only a conversation of before can be called, unless one is, and a profile that there is not.

        Nothing is started for it. A reload may change the profiles before the message is handled: it is asked again.
        """
        refused: BadInput | None = None
        try:
            require_new_name(self.name)
        except BadInput as error:
            refused = error
        if refused is not None and await self._stored(self.name) is None:
            raise refused
        if isinstance(profile, str):
            require_profile(profile, self._known)


def _require_sendable(said: Say) -> None:
    """Refuse a message if any part of it is not what its type promises."""
    require_text(said.text)
    require_text_or_none("profile", said.profile)
    require_session_id(said.session_id)
    require_system(said.system)
