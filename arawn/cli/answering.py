"""Who answers `ask` and `chat`: the running daemon when there is one, else a runtime in this process."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from arawn.agent.events import TurnEvent, TurnReply
from arawn.cli.daemon_client import DaemonClient, find_daemon
from arawn.cli.log_output import quiet_retries
from arawn.cli.output import note
from arawn.cli.question import Answerer, Emit, Question
from arawn.config import default_profile, load
from arawn.config.paths import socket_path
from arawn.config.schema import Config
from arawn.config.search import find_config
from arawn.errors import BadInput
from arawn.messages import Completed, CompletionRequest, CompletionResponse, user
from arawn.routing.policy import require_profile
from arawn.server.native import ChatRequest
from arawn.server.workstreams import WorkstreamChange

if TYPE_CHECKING:
    from arawn.runtime_door import Runtime

__all__ = ["DaemonAnswerer", "InProcessAnswerer", "Wanted", "narrowed", "open_answerer"]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What kind of runtime a command needs.

    `conversation` keeps every profile, since the binding of a workstream decides; otherwise only the one that is used
    is started. `told` says whether a person is told what takes long.
    """

    config_file: Path | None
    profile: str | None
    conversation: bool
    logged: bool = True
    told: bool = True


@asynccontextmanager
async def open_answerer(wanted: Wanted) -> AsyncIterator[Answerer]:
    """Yield what answers questions for as long as the block lasts.

    Raises:
        ConfigError: The configuration is wrong.
        BadInput: Something is wanted that a running daemon cannot do.
        ArawnError: The runtime cannot start.

    Checkpoint: always.
    If cancelled: calls under way are cancelled, and recorded as such.
    """
    loaded = load(config_file=wanted.config_file, environ=os.environ, cwd=Path.cwd())
    async with find_daemon(socket_path(loaded.config, os.environ)) as daemon:
        if daemon is not None:
            _refuse_what_cannot_apply(wanted, daemon)
            status = await daemon.status()
            log_path = Path(status.log.path) if status.log.path else None
            yield DaemonAnswerer(daemon, log_path, tuple(backend.profile for backend in status.backends))
            return
    async with _open_in_process(wanted) as answerer:
        yield answerer


def _refuse_what_cannot_apply(wanted: Wanted, daemon: DaemonClient) -> None:
    flag = "--no-log" if not wanted.logged else "--config" if wanted.config_file is not None else None
    if flag is not None:
        raise BadInput(
            f"`{flag}` cannot apply: the daemon on `{daemon.socket}` answers, with its own configuration; "
            f"leave `{flag}` out, or stop the daemon with `arawn stop`"
        )


@asynccontextmanager
async def _open_in_process(wanted: Wanted) -> AsyncIterator[Answerer]:
    from arawn.runtime import start_runtime  # not needed when a daemon answers, and slow to load

    flags = {} if wanted.logged else {"logging.interactions.enabled": False}
    found = await find_config(wanted.config_file, environ=os.environ, flags=flags, cwd=Path.cwd())
    config = found.loaded.config
    if wanted.profile is not None:
        require_profile(wanted.profile, config.profiles)
    if not wanted.conversation and (wanted.profile or not config.routing.enabled):  # rules may choose any profile
        config = narrowed(config, wanted.profile or default_profile(config))
    local = next((profile for profile in config.profiles.values() if profile.backend == "local"), None)
    if local is not None and wanted.told:
        note(f"starting the local model `{local.model}` …")
    quiet_retries()
    async with start_runtime(config, os.environ, required=None) as runtime:
        yield InProcessAnswerer(runtime, found.why)


def narrowed(config: Config, profile: str | None) -> Config:
    """Return `config` with this profile alone: a call outside any conversation needs no other to start."""
    if profile not in config.profiles:
        return config
    return msgspec.structs.replace(config, profiles={profile: config.profiles[profile]})


class DaemonAnswerer:
    """Has the daemon answer."""

    why: str | None = None

    def __init__(self, daemon: DaemonClient, log_path: Path | None, profiles: tuple[str, ...]) -> None:
        self.log_path = log_path
        self.profiles = profiles
        self._daemon = daemon

    async def ask(self, question: Question, emit: Emit) -> CompletionResponse:
        """Return the answer; errors as for `DaemonClient.chat`.

        Checkpoint: always. If cancelled: the call is cancelled, and recorded as such.
        """
        request = ChatRequest(
            message=question.text,
            workstream=question.workstream,
            session_id=question.session_id,
            routing_profile=question.profile,
            system=question.system,
            tags=question.tags,
            tools=question.tools,
            stream=True,
        )
        reply = await self._daemon.chat(request, emit)
        return TurnReply(
            content=reply.content,
            model=reply.model,
            stop_reason=reply.stop_reason,
            usage=reply.usage,
            profile=reply.profile,
            interaction_id=reply.interaction_id,
            routing=reply.routing,
            truncated=reply.truncated,
            iterations=reply.iterations,
            turn_usage=reply.turn_usage or reply.usage,
        )

    async def bind(self, workstream: str, profile: str) -> None:
        """Bind a workstream; errors as for `DaemonClient.call`. Checkpoint: always. If cancelled: it may be bound."""
        await self._daemon.change_workstream(workstream, WorkstreamChange(profile=profile))


class InProcessAnswerer:
    """Answers with a runtime in this process."""

    def __init__(self, runtime: Runtime, why: str | None) -> None:
        self.why = why
        self.log_path = runtime.log_path
        self.profiles = tuple(runtime.config.profiles)
        self._runtime = runtime

    async def ask(self, question: Question, emit: Emit) -> CompletionResponse:
        """Return the answer; errors as for `Workstream.stream`.

        Checkpoint: always. If cancelled: the call is cancelled, and recorded as such.
        """
        profile, session_id, tags = question.profile, question.session_id, question.tags
        if question.workstream is None:
            request = CompletionRequest(messages=(user(question.text),), system=question.system)
            opened: AbstractAsyncContextManager[AsyncIterator[TurnEvent]] = self._runtime.stream(
                request, profile=profile, session_id=session_id, tags=tags
            )
        else:
            conversation = self._runtime.workstream(question.workstream)
            tools = await self._runtime.tools(*question.tools) if question.tools else None
            opened = conversation.stream(
                question.text, session_id=session_id, profile=profile, system=question.system, tags=tags, tools=tools
            )
        async with opened as events:
            async for event in events:
                if isinstance(event, Completed):
                    return event.response
                await emit(event)
        raise AssertionError("a stream ends with `Completed` or raises")

    async def bind(self, workstream: str, profile: str) -> None:
        """Bind a workstream; errors as for `Workstream.bind`. Checkpoint: always. If cancelled: it may be bound."""
        await self._runtime.workstream(workstream).bind(profile)
