"""The workstream actor: one conversation, one message at a time, its history in order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from itertools import takewhile
from shlex import quote
from typing import TypeVar

import msgspec
import trio

from actors import Ref, Request
from arawn.agent.events import TurnReply
from arawn.agent.plan import closed, too_large, without_last_results
from arawn.agent.tool import Tool
from arawn.agent.turn import Turn
from arawn.backends.actor import Call
from arawn.config.schema import Config, NamedWorkstream
from arawn.errors import BadInput, BadRequest
from arawn.messages import (
    CallContext,
    CompletionRequest,
    CompletionResponse,
    Message,
    StreamEvent,
    ToolResult,
    user,
)
from arawn.routing.policy import require_profile
from arawn.routing.router import Router
from arawn.stream import Begun
from arawn.workstreams.names import require_new_name
from arawn.workstreams.settings import said_within
from arawn.workstreams.store import WorkstreamState, WorkstreamStore
from arawn.workstreams.store_actor import Query, StoreTimeout, written

R = TypeVar("R")

__all__ = [
    "Act",
    "Change",
    "Create",
    "Remove",
    "Say",
    "WorkstreamMessage",
    "WorkstreamParts",
    "open_workstream",
]


class Say(msgspec.Struct, Request[CompletionResponse], frozen=True, kw_only=True):
    """Say something in the conversation; the reply is the model's answer. `profile` is a hint for this call alone.

    `system` stands in for the workstream's own system prompt, for this call alone.
    """

    text: str
    profile: str | None = None
    session_id: str | None = None
    system: str | None = None
    tags: dict[str, str] = {}
    sink: trio.MemorySendChannel[StreamEvent | Begun] | None = None


class Act(msgspec.Struct, Request[TurnReply], frozen=True):
    """Say something and let the model use tools, by name, until it needs none; the reply is its last answer."""

    said: Say
    tools: dict[str, Tool]


class Create(msgspec.Struct, Request[None], frozen=True, kw_only=True):
    """Store the workstream with these settings and no history."""

    profile: str | None = None
    system_prompt: str | None = None
    tags: dict[str, str] = {}


class Change(msgspec.Struct, Request[bool], frozen=True, kw_only=True):
    """Change what is given of the settings, all of it or nothing; a profile makes the workstream if it is new.

    The reply says whether there is one.
    """

    profile: str | msgspec.UnsetType | None = msgspec.UNSET
    system_prompt: str | msgspec.UnsetType | None = msgspec.UNSET
    tags: dict[str, str] | msgspec.UnsetType = msgspec.UNSET
    archived: bool | msgspec.UnsetType = msgspec.UNSET


class Remove(msgspec.Struct, Request[bool], frozen=True):
    """Forget settings and history, stored and in memory; the reply says whether there was anything stored."""


WorkstreamMessage = Say | Act | Change | Create | Remove


class WorkstreamParts(msgspec.Struct, frozen=True):
    """What every workstream is given: the store, and what a reload may change: backends, routing, settings."""

    store: Ref[Query[object]]
    backends: Mapping[str, Ref[Call]]
    router: Router
    config: Callable[[], Config]


def open_workstream(
    name: str, parts: WorkstreamParts
) -> AbstractAsyncContextManager[Callable[[WorkstreamMessage], Awaitable[CompletionResponse | bool | None]]]:
    """Open a conversation, as the handler of its messages.

    Args:
        name: The workstream's name.
        parts: See `WorkstreamParts`.

    Checkpoint: never; the history is loaded by the first message. If cancelled: there is nothing to undo.
    """
    return nullcontext(_Workstream(WorkstreamState(name=name), parts).handle)


class _Workstream:
    """One conversation in memory: the stored state, and the messages since."""

    def __init__(self, state: WorkstreamState, parts: WorkstreamParts) -> None:
        self._state = state
        self._parts = parts
        self._loaded = False

    async def handle(self, message: WorkstreamMessage) -> CompletionResponse | bool | None:
        """Handle one message.

        Raises:
            UnknownProfile: A profile was named that is not configured; nothing was sent, nothing changed.
            PolicyFailed: The routing policy decided nothing; nothing was sent, nothing changed.
            BadInput: It is to be created and is there already, spoken to and archived, or new under a name that none
                may have.
            BackendError: The call failed; the conversation is as it was, or has what a turn with tools had come to.
            ContextTooLong, or BadRequest with status 413: The same, but for results of tools that no call to the model
                has taken: they are left out.
            StoreFailed: The history cannot be read, or the answer cannot be kept; the conversation is as it was.
            StoreTimeout: The database did not answer; what was to be kept may be kept.

        If cancelled: the call is cancelled; the conversation is as it was, unless an answer was there already.
        """
        if not self._loaded:
            name = self._state.name
            stored = await self._parts.store.ask(Query(lambda store: store.load(name)))
            if stored is None and not isinstance(message, Remove):
                require_new_name(name)
            self._state, self._loaded = stored or self._state, True
        match message:
            case Say():
                return await self._say(message)
            case Act():
                return await self._act(message)
            case Create():
                await self._create(message)
            case Change():
                return await self._set(message)
            case Remove():
                return await self._remove()
        return None

    async def _create(self, settings: Create) -> None:
        if settings.profile is not None:
            require_profile(settings.profile, self._parts.backends)
        state = WorkstreamState(name=self._state.name, **msgspec.structs.asdict(settings))
        await self._change(lambda store: store.create(state), lambda _: state)

    async def _set(self, wanted: Change) -> bool:
        if isinstance(wanted.profile, str):
            require_profile(wanted.profile, self._parts.backends)
        state = self._state
        given = {name: value for name, value in msgspec.structs.asdict(wanted).items() if value is not msgspec.UNSET}
        if given.keys() == {"profile"} and wanted.profile == state.profile is not None:
            return True  # a handle that has a profile binds before its first message
        changed = msgspec.structs.replace(state, **given)
        return await self._change(lambda store: store.change(changed, given), lambda found: changed if found else state)

    async def _remove(self) -> bool:
        name = self._state.name
        return await self._change(lambda store: store.remove(name), lambda _: WorkstreamState(name=name))

    async def _say(self, said: Say) -> CompletionResponse:
        call, backend = await self._prepared(said, {})
        try:
            response = await backend.ask(call)
        except BadRequest as error:
            if too_large(error):
                await self._leave_out_results()  # noqa: ASYNC120  # `_change` shields, and has a deadline
            raise
        said_now = (call.request.messages[-1], Message("assistant", response.content))
        await self._keep(self._state, closed(said_now), response.interaction_id)
        return response

    async def _act(self, act: Act) -> TurnReply:
        """Run a turn with tools; once the model has answered, the turn is kept as it goes on, and however it ends."""
        call, backend = await self._prepared(act.said, act.tools)
        before = self._state

        async def keep() -> None:
            await self._keep(before, turn.messages(), turn.interaction_id)

        turn = Turn(call, act.tools, self._parts.config().agent, backend.ask, keep)
        try:
            reply = await turn.run()
        except StoreTimeout:
            raise  # another wait would not be shorter
        except BaseException as error:
            if turn.answered:  # what tools did cannot be undone; `_change` shields, and has a deadline
                await keep()  # noqa: ASYNC102
            elif too_large(error):
                await self._leave_out_results()  # noqa: ASYNC102
            raise
        await keep()
        return reply

    async def _prepared(self, said: Say, tools: Mapping[str, Tool]) -> tuple[Call, Ref[Call]]:
        """Return the first call of the next turn, and the backend that is to answer it."""
        state = self._state
        standing = self._parts.config().workstreams.named.get(state.name, NamedWorkstream())
        if state.archived:
            raise BadInput(
                f"workstream `{state.name}` is archived; `arawn workstreams archive --undo {quote(state.name)}` brings "
                "it back"
            )
        definitions = tuple(tool.definition for tool in tools.values())
        asked = CompletionRequest(messages=(user(said.text),), system=said.system, tools=definitions)
        request, bound = said_within(asked, state, standing)
        routing = self._parts.router.settled(hint=said.profile, bound=bound)
        if routing is None:
            routing = await self._parts.router.choose(request)
        context = CallContext(
            workstream=state.name,
            session_id=said.session_id,
            turn_id=state.turns + 1,
            tags={**standing.tags, **state.tags, **said.tags},
            routing=routing,
        )
        return Call(request, context, trio.current_time(), said.sink), self._parts.backends[routing.profile]

    async def _keep(self, before: WorkstreamState, messages: tuple[Message, ...], interaction_id: str | None) -> None:
        """Store the turn that follows `before`, or what has come to it since it was last stored."""
        turn = before.turns + 1
        grown = msgspec.structs.replace(before, turns=turn, history=(*before.history, *messages))
        stored = self._state.history[len(before.history) :]
        first = sum(1 for _ in takewhile(lambda pair: pair[0] is pair[1], zip(stored, messages, strict=False)))
        await self._change(
            lambda store: store.add_turn(before, turn, messages[first:], interaction_id, first=first), lambda _: grown
        )

    async def _leave_out_results(self) -> None:
        """Leave out what tools answered at the end of a turn that was cut: with it the next call was too long."""
        state, history = self._state, self._state.history
        if not history:
            return
        first = max(place for place, message in enumerate(history) if _is_question(message))
        before = msgspec.structs.replace(state, turns=state.turns - 1, history=history[:first])
        turn = without_last_results(history[first:])
        if turn != history[first:]:
            await self._keep(before, turn, None)

    async def _change(self, write: Callable[[WorkstreamStore], R], state_after: Callable[[R], WorkstreamState]) -> R:
        """Write to the store first, then to memory: both or neither, also when the caller goes away in between.

        Raises:
            StoreTimeout: No word from the store: what it holds is unknown, so the next message loads it.
        """
        try:
            result = await written(self._parts.store, write)
        except StoreTimeout:
            self._state, self._loaded = WorkstreamState(name=self._state.name), False
            raise
        self._state = state_after(result)
        return result


def _is_question(message: Message) -> bool:
    """Say whether a turn begins with the message: it is the user's, and no results of tools."""
    return message.role == "user" and not any(isinstance(block, ToolResult) for block in message.content)
