"""Calls that are said in no conversation: the choice of their profile, and the way into its mailbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
import trio

from actors import Ref, Reply
from arawn.backends.actor import Call
from arawn.config.schema import Config, NamedWorkstream
from arawn.full_mailbox import submit_at_once
from arawn.messages import CompletionRequest, CompletionResponse, StreamEvent
from arawn.metrics.counts import Counts
from arawn.requests import call_context, require_request, require_tags
from arawn.routing.router import Router
from arawn.stream import Begun
from arawn.workstreams.store import require_name
from arawn.workstreams.store_actor import Query

__all__ = ["SingleCalls"]


class SingleCalls(msgspec.Struct, frozen=True):
    """Takes calls that may be on behalf of a workstream: its binding and its standing tags count, its history not."""

    router: Router
    backends: Mapping[str, Ref[Call]]
    store: Ref[Query[object]]
    config: Callable[[], Config]
    counts: Counts
    waits_for_room: bool

    async def binding(self, workstream: str) -> str | None:
        """Return the profile that a workstream is bound to, else the one that it has in the configuration.

        Raises:
            BadInput: The name is none that a workstream can have.
            StoreFailed: The database cannot be read.

        Checkpoint: always. If cancelled: nothing has changed.
        """
        standing = self._standing(workstream)
        query = Query(lambda store: store.binding(workstream), reads=True)
        return await self.store.ask(query) or standing.profile

    async def submit(
        self,
        request: CompletionRequest,
        sink: trio.MemorySendChannel[StreamEvent | Begun] | None,
        *,
        profile: str | None,
        session_id: str | None,
        tags: Mapping[str, str] | None,
        workstream: str | None,
    ) -> Reply[CompletionResponse]:
        """Choose the profile that answers, and put the call into its mailbox; errors as for `Workstream.send`."""
        bound, given = None, require_tags(tags)
        if workstream is not None:
            given = {**self._standing(workstream).tags, **given}
            bound = await self.binding(workstream) if profile is None else None
        routing = self.router.settled(hint=profile, bound=bound)
        if routing is None:
            routing = await self.router.choose(require_request(request))
        context = call_context(routing, workstream=workstream, session_id=session_id, tags=given)
        call = Call(require_request(request), context, trio.current_time(), sink)
        backend, name = self.backends[routing.profile], routing.profile
        return await backend.submit(call) if self.waits_for_room else submit_at_once(backend, name, call, self.counts)

    def _standing(self, workstream: str) -> NamedWorkstream:
        return self.config().workstreams.named.get(require_name(workstream), NamedWorkstream())
