"""The runtime as its users hold it: conversations, single calls, status."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec
import trio

from actors import ChildSpec, OnDemand, Ref, Reply, Supervisor
from arawn.agent.servers import ToolServers
from arawn.agent.tool import Tool
from arawn.backends.actor import Call
from arawn.config import default_profile
from arawn.config.schema import Config, NamedWorkstream
from arawn.errors import BadInput, LogWriteFailed
from arawn.full_mailbox import submit_at_once
from arawn.interactions.feedback import Judgement, feedback_line
from arawn.interactions.journal import Journal
from arawn.interactions.record import FeedbackLine, MarkLine
from arawn.messages import CallContext, CompletionRequest, CompletionResponse, StreamEvent
from arawn.metrics.counts import Counts
from arawn.requests import require_request, require_session_id, require_tags
from arawn.routing.explain import Explanation
from arawn.routing.policy import require_profile
from arawn.routing.router import Router
from arawn.running_backends import Followed, RunningBackends
from arawn.status import LogStatus, RuntimeStatus
from arawn.stream import Begun, EventStream, open_stream
from arawn.version import VERSION
from arawn.workstreams.handle import Workstream
from arawn.workstreams.store import Summary, WorkstreamState, require_name
from arawn.workstreams.store_actor import Query, StoreHealth

__all__ = ["Runtime"]

M = TypeVar("M")


class Runtime:
    """A running Arawn; made by `open_runtime`."""

    def __init__(
        self,
        *,
        root: Supervisor,
        journal: Journal,
        log_path: Path | None,
        store: Ref[Query[object]],
        store_health: StoreHealth,
        backends: RunningBackends,
        counts: Counts,
        workstreams: OnDemand,
        router: Router,
        tools: ToolServers,
        waits_for_room: bool,
    ) -> None:
        self.log_path = log_path
        self.counts = counts
        self._root = root
        self._journal = journal
        self._store = store
        self._store_health = store_health
        self._running = backends
        self._backends = backends.refs
        self._workstreams = workstreams
        self._router = router
        self._tools = tools
        self._waits_for_room = waits_for_room
        self._began = trio.current_time()

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self._running.config

    async def settled(self) -> None:
        """Wait until it is known whether the default profile can take calls; see `RunningBackends.settled`."""
        await self._running.settled()

    def require_default(self) -> None:
        """Raise `Unavailable` if the default profile cannot take calls as things are."""
        self._running.require_default()

    async def follow(self, config: Config) -> Followed:
        """Put a new configuration in force; see `RunningBackends.follow`.

        Raises:
            ConfigError: A backend cannot be started, or the routing policy cannot be used; nothing was changed.

        Checkpoint: always.
        If cancelled: nothing has changed.
        """
        fresh = self._router.prepare(config)
        try:
            await fresh.start()
            followed = await self._running.follow(config)
        except BaseException:  # a cancellation too
            with trio.CancelScope(shield=True):  # bounded: it closes what nobody uses yet
                await fresh.aclose()
            raise
        await self._router.adopt(self.config, fresh)
        return followed

    async def end_calls(self) -> None:
        """End every call under way, and take no more; who waits for one is told `OutcomeUnknown` or `Stopped`.

        Checkpoint: always. If cancelled: they end without this caller.
        """
        self._workstreams.request_stop(0)  # a turn may be in the middle of a tool
        await self._running.end()

    async def mark(self, line: MarkLine) -> None:
        """Write a line about the log itself into it; see `Journal.record`."""
        await self._journal.record(line)

    def workstream(self, name: str, profile: str | None = None) -> Workstream:
        """Return the handle of the conversation called `name`; it need not exist yet.

        Args:
            name: 1 to 200 characters, no slash, no control character.
            profile: Bind the conversation to this profile with its first message, durably.

        Raises:
            BadInput: The name cannot be used.
            UnknownProfile: The profile is not configured.
        """
        if profile is not None:
            require_profile(profile, self._backends)
        return Workstream(require_name(name), profile, self._workstreams.ref(name))

    async def tools(self, *names: str) -> tuple[Tool, ...]:
        """Return the tools that the configuration has under these names; see `ToolServers.tools`."""
        return await self._tools.tools(names)

    async def workstreams(self, *, archived: bool = False) -> list[Summary]:
        """Return every stored conversation by name.

        Raises:
            StoreFailed: The database cannot be read.

        Checkpoint: always.
        If cancelled: nothing has changed.
        """
        return await self._store.ask(Query(lambda store: store.list(archived=archived)))

    async def stored_workstream(self, name: str) -> WorkstreamState | None:
        """Return one stored conversation with its history; None if there is none.

        Raises:
            StoreFailed: The database cannot be read.

        Checkpoint: always.
        If cancelled: nothing has changed.
        """
        return await self._store.ask(Query(lambda store: store.load(name)))

    async def give_feedback(self, interaction: str, judgement: Judgement) -> FeedbackLine:
        """Write what somebody says of one call into the log, and return the line.

        Args:
            interaction: The call's id, or the beginning of it that no other has.
            judgement: What is said.

        Raises:
            BadInput: There is no such call; or the log is off.
            LogWriteFailed: Something was lost while it was being written, perhaps this; give it again.
            OSError: The log cannot be read.

        Checkpoint: always.
        If cancelled: the line may be written.
        """
        if self.log_path is None:
            raise BadInput("the interaction log is off; set `logging.interactions.enabled` to judge calls")
        log, secrets = self.config.logging.interactions, self._running.secrets
        make = partial(feedback_line, at=datetime.now(UTC), config=log, secrets=secrets)
        line = await trio.to_thread.run_sync(make, self.log_path, interaction, judgement, abandon_on_cancel=True)
        lost_before = self._journal.health().count
        await self._journal.record(line)
        health = self._journal.health()
        if health.state == "lost" and health.count > lost_before:
            raise LogWriteFailed(f"the feedback is not in the interaction log: {health.reason}; give it again")
        return line

    async def start(self, spec: ChildSpec[M]) -> Ref[M]:
        """Start one more part; it is supervised like the others and stopped before them.

        Raises:
            Exception: Whatever its own start raised.

        Checkpoint: always.
        If cancelled: the part is stopped.
        """
        return await self._root.start(spec)

    async def complete(
        self,
        request: CompletionRequest,
        *,
        profile: str | None = None,
        session_id: str | None = None,
        tags: Mapping[str, str] | None = None,
        workstream: str | None = None,
    ) -> CompletionResponse:
        """Make one call that belongs to no conversation; all else as for `Workstream.send`."""
        reply = await self._submit(
            request, None, profile=profile, session_id=session_id, tags=tags, workstream=workstream
        )
        return await reply.wait()

    def stream(
        self,
        request: CompletionRequest,
        *,
        profile: str | None = None,
        session_id: str | None = None,
        tags: Mapping[str, str] | None = None,
        workstream: str | None = None,
    ) -> AbstractAsyncContextManager[EventStream]:
        """Make one streamed call that belongs to no conversation; see `Workstream.stream`."""
        submit = partial(
            self._submit, request, profile=profile, session_id=session_id, tags=tags, workstream=workstream
        )
        return open_stream(submit)

    async def _submit(
        self,
        request: CompletionRequest,
        sink: trio.MemorySendChannel[StreamEvent | Begun] | None,
        *,
        profile: str | None,
        session_id: str | None,
        tags: Mapping[str, str] | None,
        workstream: str | None,
    ) -> Reply[CompletionResponse]:
        """Choose the profile that answers, and put the call into its mailbox."""
        routing = self._router.settled(hint=profile, bound=None)
        if routing is None:
            routing = await self._router.choose(require_request(request))
        context = CallContext(
            workstream=workstream, session_id=require_session_id(session_id), tags=require_tags(tags), routing=routing
        )
        call = Call(require_request(request), context, trio.current_time(), sink)
        backend, name = self._backends[routing.profile], routing.profile
        return await backend.submit(call) if self._waits_for_room else submit_at_once(backend, name, call, self.counts)

    async def explain_routing(
        self, request: CompletionRequest, *, profile: str | None = None, workstream: str | None = None
    ) -> Explanation:
        """Return which profile would take a call and why; nothing is sent to a model.

        Args:
            request: What would be asked.
            profile: The hint that the call would have.
            workstream: The conversation that it would be said in: its history and its settings count too.

        Raises:
            UnknownProfile: The name that decides is not configured.
            PolicyFailed: The routing policy decided nothing.
            BadInput: The request or the name cannot be used.
            StoreFailed: The database cannot be read.

        Checkpoint: only if there is a workstream, or the policy waits.
        If cancelled: nothing has changed.
        """
        bound = None
        if workstream is not None:
            stored = await self.stored_workstream(require_name(workstream)) or WorkstreamState(name=workstream)
            standing = self.config.workstreams.named.get(workstream, NamedWorkstream())
            bound = stored.profile or standing.profile
            request = msgspec.structs.replace(
                request,
                messages=(*stored.history, *request.messages),
                system=request.system or stored.system_prompt or standing.system_prompt,
            )
        return await self._router.explain(require_request(request), hint=profile, bound=bound)

    def status(self) -> RuntimeStatus:
        """Return the state of everything, now; synchronous and free of side effects."""
        tree = self._root.status()
        below = {child.name: child for child in tree.children}
        return RuntimeStatus(
            version=VERSION,
            pid=os.getpid(),
            uptime_s=trio.current_time() - self._began,
            default_profile=default_profile(self.config),
            log=LogStatus(path=str(self.log_path) if self.log_path else None, health=self._journal.health()),
            backends=self._running.statuses(),
            draining=self._running.draining(),
            database_fault=self._store_health.fault,
            active_workstreams=tuple(child.name for child in below["workstreams"].children),
            tree=tree,
        )
