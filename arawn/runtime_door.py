"""The runtime as its users hold it: conversations, single calls, status."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import trio

from actors import ChildSpec, OnDemand, Ref, Reply, Supervisor
from arawn.agent.servers import ToolServers
from arawn.agent.tool import Tool
from arawn.arguments import require_kind
from arawn.config import default_profile
from arawn.config.schema import Config
from arawn.following import put_in_force
from arawn.interactions.feedback import Judgement
from arawn.interactions.journal import Journal
from arawn.interactions.judging import write_feedback
from arawn.interactions.record import FeedbackLine, MarkLine
from arawn.messages import CompletionRequest, CompletionResponse, StreamEvent
from arawn.metrics.counts import Counts
from arawn.requests import require_request
from arawn.routing.explain import Explanation
from arawn.routing.router import Router
from arawn.running_backends import Followed, RunningBackends
from arawn.single_calls import SingleCalls
from arawn.status import RuntimeStatus, log_status
from arawn.stream import Begun, EventStream, open_stream
from arawn.trio_run import current_run, require_run
from arawn.version import VERSION
from arawn.workstreams.handle import Workstream
from arawn.workstreams.settings import said_within
from arawn.workstreams.store import Summary, WorkstreamState, require_name
from arawn.workstreams.store_actor import Query, StoreHealth

__all__ = ["Runtime"]

M = TypeVar("M")


class Runtime:
    """A running Arawn; made by `open_runtime`.

    Every method but `workstream` raises `WrongLoop` outside the trio run that opened it.
    `log_path` is the directory of the log, None while it is off; `log_is_behind` tells of records still on their way.
    """

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
        usable: Callable[[Config], Awaitable[Config]],
        waits_for_room: bool,
    ) -> None:
        self.log_path = log_path
        self.counts = counts
        self._root = root
        self._journal = journal
        self.log_is_behind = lambda: journal.is_behind
        self._store = store
        self._store_health = store_health
        self._running = backends
        self._single = SingleCalls(router, backends.refs, store, lambda: self.config, counts, waits_for_room)
        self._workstreams = workstreams
        self._router = router
        self._tools = tools
        self._usable = usable
        self._run = current_run("a runtime was made")
        self._began = trio.current_time()

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self._running.config

    async def settled(self) -> None:
        """Wait until it is known whether the default profile takes calls; all else as for `RunningBackends.settled`."""
        require_run(self._run)
        await self._running.settled()

    def require_default(self) -> None:
        """Raise `Unavailable` if the default profile cannot take calls as things are."""
        self._running.require_default()

    async def follow(self, config: Config) -> Followed:
        """Put a new configuration in force, as `arawn reload` does; calls queued or under way stay where they are.

        Raises:
            ConfigError: It, or something in it, cannot be used; all problems are listed. Stopped: The runtime ends.

        Checkpoint: always. If cancelled, or after an error: nothing has changed.
        """
        require_run(self._run)
        return await self.put_in_force(await self._usable(require_kind("config", config, Config)))

    async def put_in_force(self, config: Config) -> Followed:
        """Follow a configuration that passed every check, or a part of one; all else as for `follow`."""
        require_run(self._run)
        return await put_in_force(require_kind("config", config, Config), self._running, self._router)

    async def end_calls(self) -> None:
        """End every call under way, and take no more; who waits for one is told `OutcomeUnknown` or `Stopped`.

        Checkpoint: always. If cancelled: they end without this caller.
        """
        require_run(self._run)
        self._workstreams.request_stop(0)  # a turn may be in the middle of a tool
        await self._running.end()

    async def mark(self, line: MarkLine) -> None:
        """Write a line about the log itself into it; all else as for `Journal.record`."""
        require_run(self._run)
        await self._journal.record(require_kind("line", line, MarkLine))

    def workstream(self, name: str, profile: str | None = None) -> Workstream:
        """Return the handle of the conversation called `name`; it need not exist yet.

        Args:
            name: 1 to 200 characters, no slash, no control character.
            profile: Bind the conversation to this profile with its first message, durably.

        Raises:
            BadInput: The name cannot be used.
            UnknownProfile: The profile is not configured.
        """
        ref = self._workstreams.ref(require_name(name))
        return Workstream(name, profile, ref, self._run, self.stored_workstream, known=self._running.refs)

    async def tools(self, *names: str) -> tuple[Tool, ...]:
        """Return the tools configured under these names, or raise `BadInput`, `ConfigError` or `ToolServerFailed`.

        Checkpoint: always, but for no names. If cancelled: a server may have been started, and an import goes on.
        """
        require_run(self._run)
        return await self._tools.tools(names)

    async def workstreams(self, *, archived: bool = False) -> list[Summary]:
        """Return every stored conversation by name; the archived ones only if asked for.

        Raises:
            BadInput: `archived` is neither True nor False. StoreFailed: The database cannot be read.

        Checkpoint: always. If cancelled: nothing has changed.
        """
        require_run(self._run)
        require_kind("archived", archived, bool)
        return await self._store.ask(Query(lambda store: store.list(archived=archived)))

    async def stored_workstream(self, name: str) -> WorkstreamState | None:
        """Return one stored conversation with its history; None if there is none.

        Raises:
            BadInput: The name is none that a workstream can have.
            StoreFailed: The database cannot be read.

        Checkpoint: always. If cancelled: nothing has changed.
        """
        require_run(self._run)
        require_name(name)
        return await self._store.ask(Query(lambda store: store.load(name)))

    async def give_feedback(self, interaction: str, judgement: Judgement) -> FeedbackLine:
        """Write what somebody says of one call into the log, and return the line.

        Args:
            interaction: The call's id, or the beginning of it that no other has.
            judgement: What is said.

        Raises:
            BadInput: There is no such call, the log is off, or the judgement is none that a line can hold.
            LogWriteFailed: It may not be in the log, or the call is not yet, which is degraded; give it again.
            Stopped: The runtime has ended, or is ending.

        Checkpoint: always. If cancelled: the line may be written.
        """
        require_run(self._run)
        log, secrets = self.config.logging.interactions, self._running.secrets
        write = partial(write_feedback, self._journal, self.log_path, config=log, secrets=secrets)
        return await write(interaction, judgement, is_stopping=lambda: self._root.stopping)

    async def start(self, spec: ChildSpec[M]) -> Ref[M]:
        """Start one more part; it is supervised like the others and stopped before them.

        Raises:
            Exception: Whatever its own start raised.

        Checkpoint: always. If cancelled: the part is stopped.
        """
        require_run(self._run)
        return await self._root.start(require_kind("spec", spec, ChildSpec))

    async def complete(
        self,
        request: CompletionRequest,
        *,
        profile: str | None = None,
        session_id: str | None = None,
        tags: Mapping[str, str] | None = None,
        workstream: str | None = None,
    ) -> CompletionResponse:
        """Make one call that belongs to no conversation; all else as for `Workstream.send`.

        A `workstream` gives it its binding, where no `profile` is named, and its tags of the configuration; no history.
        """
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

    async def binding(self, workstream: str) -> str | None:
        """Return the profile that calls on behalf of a conversation go to; see `SingleCalls.binding`."""
        require_run(self._run)
        return await self._single.binding(workstream)

    async def _submit(
        self, request: CompletionRequest, sink: trio.MemorySendChannel[StreamEvent | Begun] | None, **context: Any
    ) -> Reply[CompletionResponse]:
        require_run(self._run)
        return await self._single.submit(request, sink, **context)

    async def explain_routing(
        self,
        request: CompletionRequest,
        *,
        profile: str | None = None,
        workstream: str | None = None,
        history: bool = True,
    ) -> Explanation:
        """Return which profile would take a call and why; nothing is sent to a model.

        Args:
            request: What would be asked.
            profile: The hint that the call would have.
            workstream: The conversation that it would be said in: its history and its settings count too.
            history: Without it, only the binding of the workstream counts, as for `complete`.

        Raises:
            UnknownProfile: The name that decides is not configured. StoreFailed: The database cannot be read.
            PolicyFailed: The routing policy decided nothing. BadInput: The request or the name cannot be used.

        Checkpoint: only if there is a workstream, or the policy waits. If cancelled: nothing has changed.
        """
        require_run(self._run)
        require_request(request)
        bound = None
        if workstream is not None and not history:
            bound = await self.binding(workstream)
        elif workstream is not None:
            stored = await self.stored_workstream(workstream)
            request, bound = said_within(request, stored, self.config.workstreams.named.get(workstream))
        return await self._router.explain(request, hint=profile, bound=bound)

    def status(self) -> RuntimeStatus:
        """Return the state of everything, now or at the end of the runtime; synchronous and free of side effects."""
        require_run(self._run)
        tree = self._root.status()
        talks = [talk.name for part in tree.children if part.name == "workstreams" for talk in part.children]
        return RuntimeStatus(
            version=VERSION,
            pid=os.getpid(),
            uptime_s=trio.current_time() - self._began,
            default_profile=default_profile(self.config),
            log=log_status(self.log_path, self._journal.health(), self.config.logging.interactions),
            backends=self._running.statuses(),
            draining=self._running.draining(),
            database_fault=self._store_health.fault,
            active_workstreams=tuple(talks),
            tree=tree,
        )
