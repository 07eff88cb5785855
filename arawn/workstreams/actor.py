"""The workstream actor: one conversation, one message at a time, its history in order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import msgspec
import trio

from actors import Ref, Request
from arawn.backends.actor import Call
from arawn.config.schema import NamedWorkstream
from arawn.errors import BadInput
from arawn.messages import (
    CallContext,
    CompletionRequest,
    CompletionResponse,
    Message,
    StreamEvent,
    user,
)
from arawn.routing.policy import choose_profile, require_profile
from arawn.workstreams.store import WorkstreamState
from arawn.workstreams.store_actor import Query

__all__ = ["Bind", "Say", "WorkstreamParts", "open_workstream"]


class Say(msgspec.Struct, Request[CompletionResponse], frozen=True, kw_only=True):
    """Say something in the conversation; the reply is the model's answer. `profile` is a hint for this call alone.

    `system` stands in for the workstream's own system prompt, for this call alone.
    """

    text: str
    profile: str | None = None
    session_id: str | None = None
    system: str | None = None
    tags: dict[str, str] = {}
    sink: trio.MemorySendChannel[StreamEvent] | None = None


class Bind(msgspec.Struct, Request[None], frozen=True):
    """Bind the workstream to a profile, now and after every restart; None binds it to none."""

    profile: str | None


class WorkstreamParts(msgspec.Struct, frozen=True):
    """What every workstream is given: the store, the map of backends, the profile that is used by default."""

    store: Ref[Query[object]]
    backends: Mapping[str, Ref[Call]]
    default: str | None


@asynccontextmanager
async def open_workstream(
    name: str, standing: NamedWorkstream, parts: WorkstreamParts
) -> AsyncIterator[Callable[[Say | Bind], Awaitable[CompletionResponse | None]]]:
    """Load one conversation and yield the handler of its messages.

    Args:
        name: The workstream's name.
        standing: Its settings in the configuration; what is stored wins.
        parts: See `WorkstreamParts`.

    Raises:
        StoreFailed: Its history cannot be read.

    Checkpoint: always.
    If cancelled: nothing has changed.
    """
    stored = await parts.store.ask(Query(lambda store: store.load(name)))
    yield _Workstream(stored or WorkstreamState(name=name), standing, parts).handle


class _Workstream:
    """One conversation in memory: the stored state, and the messages since."""

    def __init__(self, state: WorkstreamState, standing: NamedWorkstream, parts: WorkstreamParts) -> None:
        self._state = state
        self._standing = standing
        self._parts = parts

    async def handle(self, message: Say | Bind) -> CompletionResponse | None:
        """Handle one message.

        Raises:
            UnknownProfile: A profile was named that is not configured; nothing was sent, nothing changed.
            BackendError: The call failed; the conversation is as it was.
            StoreFailed: The answer came but could not be kept; the conversation is as it was.

        If cancelled: the call is cancelled; the conversation is as it was, unless the turn was stored already.
        """
        if isinstance(message, Bind):
            await self._bind(message.profile)
            return None
        return await self._say(message)

    async def _bind(self, profile: str | None) -> None:
        if profile is not None:
            require_profile(profile, self._parts.backends)
        name = self._state.name
        if profile == self._state.profile:
            return
        await self._parts.store.ask(Query(lambda store: store.bind(name, profile)))
        self._state = msgspec.structs.replace(self._state, profile=profile)

    async def _say(self, said: Say) -> CompletionResponse:
        state, standing = self._state, self._standing
        if state.archived:
            raise BadInput(
                f"workstream `{state.name}` is archived; `arawn workstreams archive --undo {state.name}` brings it back"
            )
        routing = choose_profile(
            hint=said.profile,
            bound=state.profile or standing.profile,
            default=self._parts.default,
            known=self._parts.backends,
        )
        turn = state.turns + 1
        question = user(said.text)
        request = CompletionRequest(
            messages=(*state.history, question),
            system=said.system or state.system_prompt or standing.system_prompt,
        )
        context = CallContext(
            workstream=state.name,
            session_id=said.session_id,
            turn_id=turn,
            tags={**standing.tags, **state.tags, **said.tags},
            routing=routing,
        )
        call = Call(request, context, trio.current_time(), said.sink)
        response = await self._parts.backends[routing.profile].ask(call)
        await self._keep(turn, (question, Message("assistant", response.content)), response.interaction_id)
        return response

    async def _keep(self, turn: int, messages: tuple[Message, ...], interaction_id: str | None) -> None:
        """Store the turn first, then take it into memory: both or neither."""
        state = self._state
        await self._parts.store.ask(Query(lambda store: store.add_turn(state, turn, messages, interaction_id)))
        self._state = msgspec.structs.replace(state, turns=turn, history=(*state.history, *messages))
