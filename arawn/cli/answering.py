"""Who answers `ask` and `chat`: the running daemon when there is one, else a runtime in this process."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import trio

from arawn.agent.events import Emit, TurnEvent, TurnReply
from arawn.cli.daemon_client import DaemonClient, find_daemon, silence_of
from arawn.cli.door import cannot_apply, door_of, files_of_daemon, refuse_other_file
from arawn.cli.log_output import quiet_retries
from arawn.cli.output import note
from arawn.cli.workstream_access import ThroughDaemon
from arawn.config import default_profile
from arawn.config.load import Loaded
from arawn.config.paths import database_path
from arawn.config.schema import Config, NamedWorkstream
from arawn.config.search import read_config, with_profiles
from arawn.errors import ArawnError
from arawn.messages import Completed, CompletionRequest, CompletionResponse, user
from arawn.routing.policy import require_profile
from arawn.running_daemons import path_text
from arawn.server.native import ChatRequest
from arawn.server.workstreams import WorkstreamChange
from arawn.status import RuntimeStatus
from arawn.workstreams.store import WorkstreamStore

if TYPE_CHECKING:
    from arawn.runtime_door import Runtime

__all__ = ["Answerer", "Wanted", "narrowed", "open_answerer"]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What kind of runtime a command needs.

    `workstream` is the conversation that is spoken in, if any. The one profile that answers first is started, all of
    them where rules choose.
    """

    config_file: Path | None
    profile: str | None
    workstream: str | None = None
    logged: bool = True


@asynccontextmanager
async def open_answerer(wanted: Wanted) -> AsyncIterator[Answerer]:
    """Yield what answers questions for as long as the block lasts.

    Raises:
        ConfigError: The configuration is wrong.
        DaemonSilent: A daemon runs and cannot be reached; it has the log.
        BadInput: Something is wanted that a running daemon cannot do.
        ArawnError: The runtime cannot start.

    Checkpoint: always.
    If cancelled: calls under way are cancelled, and recorded as such.
    """
    flags = {} if wanted.logged else {"logging.interactions.enabled": False}
    loaded = await read_config(wanted.config_file, environ=os.environ, flags=flags, cwd=Path.cwd())
    door = door_of(loaded)
    async with find_daemon(door) as daemon:
        if daemon is not None:
            _refuse_what_cannot_apply(wanted, daemon)
            _tell_of_unread(loaded.files, daemon)
            status = await daemon.status()
            log_path = Path(status.log.path) if status.log.path else None
            yield DaemonAnswerer(daemon, log_path, tuple(backend.profile for backend in status.backends))
            return
    silent = silence_of(door)
    if silent is not None and wanted.logged:
        raise silent
    async with _open_in_process(wanted, loaded) as answerer:
        yield answerer


def _refuse_what_cannot_apply(wanted: Wanted, daemon: DaemonClient) -> None:
    if not wanted.logged:
        raise cannot_apply("--no-log", daemon.door)
    refuse_other_file(wanted.config_file, daemon.door)


def _tell_of_unread(here: Iterable[Path], daemon: DaemonClient) -> None:
    """Tell a person of files that would count in this place and do not, since the daemon was started without them."""
    read = files_of_daemon(daemon.door)
    unread = [] if read is None else [f"`{path}`" for path in here if path_text(path.resolve()) not in read]
    if unread:
        own = " and ".join(f"`{path}`" for path in sorted(read or ())) or "no file"
        note(f"the daemon answers with its own configuration ({own}), not with {' and '.join(unread)}")


@asynccontextmanager
async def _open_in_process(wanted: Wanted, loaded: Loaded) -> AsyncIterator[Answerer]:
    from arawn.backends.secret_values import secret_values
    from arawn.runtime import start_runtime  # neither is needed when a daemon answers, and both are slow to load

    found = await with_profiles(loaded, os.environ)
    every = found.config
    if wanted.profile is not None:
        require_profile(wanted.profile, every.profiles)
    config = narrowed(every, await _first_profile(wanted, every))
    local = next((profile for profile in config.profiles.values() if profile.backend == "local"), None)
    if local is not None:
        note(f"starting the local model `{local.model}` …")
    quiet_retries()
    converses = wanted.workstream is not None
    secrets = tuple(secret_values(every.profiles, os.environ))  # of those too that do not start
    async with start_runtime(config, os.environ, secrets=secrets, converses=converses) as runtime:
        yield InProcessAnswerer(runtime, found.why, every)


async def _first_profile(wanted: Wanted, config: Config) -> str | None:
    """Return the profile that answers first; None if that is for the rules to say.

    Raises:
        StoreFailed: The database cannot be read.

    Checkpoint: if there is a conversation. If cancelled: nothing has changed.
    """
    bound = None
    if wanted.workstream is not None and wanted.profile is None:
        binding = partial(_binding, database_path(config, os.environ), wanted.workstream)
        standing = config.workstreams.named.get(wanted.workstream, NamedWorkstream())
        bound = await trio.to_thread.run_sync(binding) or standing.profile
    return wanted.profile or bound or (None if config.routing.enabled else default_profile(config))


def _binding(database: Path, workstream: str) -> str | None:
    with closing(WorkstreamStore(database)) as store:
        return store.binding(workstream)


def narrowed(config: Config, profile: str | None) -> Config:
    """Return `config` with this profile alone, if there is one of that name: no other has to start."""
    if profile not in config.profiles:
        return config
    return msgspec.structs.replace(config, profiles={profile: config.profiles[profile]})


def _log_fault(status: RuntimeStatus) -> str | None:
    health = status.log.health
    if health.state == "ok":
        return None
    return f"the log is {health.state}: {health.reason}; if the record of this answer is not in it, that is why"


class DaemonAnswerer:
    """Has the daemon answer. `why` is None: it has said at its start how the profiles were chosen."""

    why: str | None = None

    def __init__(self, daemon: DaemonClient, log_path: Path | None, profiles: tuple[str, ...]) -> None:
        self.log_path = log_path
        self.profiles = profiles
        self._daemon = daemon

    async def ask(self, question: ChatRequest, emit: Emit) -> CompletionResponse:
        """Return the answer; errors as for `DaemonClient.chat`.

        Checkpoint: always. If cancelled: the call is cancelled, and recorded as such.
        """
        reply = await self._daemon.chat(question, emit)
        whole = msgspec.structs.replace(reply, turn_usage=reply.turn_usage or reply.usage)
        return msgspec.convert(whole, TurnReply, from_attributes=True)

    async def log_fault(self) -> str | None:
        """Return what is wrong with the log, now that there is an answer; None if nothing is, or no daemon says so.

        Checkpoint: always. If cancelled: nothing has changed.
        """
        try:
            return _log_fault(await self._daemon.status())
        except ArawnError:  # whatever has become of the daemon, the answer is there
            return None

    async def bind(self, workstream: str, profile: str) -> None:
        """Bind a workstream; errors as for `DaemonClient.call`. Checkpoint: always. If cancelled: it may be bound."""
        await ThroughDaemon(self._daemon).change(workstream, WorkstreamChange(profile=profile))


class InProcessAnswerer:
    """Answers with a runtime in this process. `why` says how the profiles were chosen, when none is configured."""

    def __init__(self, runtime: Runtime, why: str | None, config: Config) -> None:
        self.why = why
        self.log_path = runtime.log_path
        self.profiles = tuple(config.profiles)
        self._runtime = runtime
        self._config = config

    async def ask(self, question: ChatRequest, emit: Emit) -> CompletionResponse:
        """Return the answer; errors as for `Workstream.stream`.

        Checkpoint: always. If cancelled: the call is cancelled, and recorded as such.
        """
        profile, session_id, tags = question.routing_profile, question.session_id, question.tags
        if question.workstream is None:
            request = CompletionRequest(messages=(user(question.message),), system=question.system)
            opened: AbstractAsyncContextManager[AsyncIterator[TurnEvent]] = self._runtime.stream(
                request, profile=profile, session_id=session_id, tags=tags
            )
        else:
            conversation = self._runtime.workstream(question.workstream)
            tools = await self._runtime.tools(*question.tools) if question.tools else None
            opened = conversation.stream(
                question.message,
                session_id=session_id,
                profile=profile,
                system=question.system,
                tags=tags,
                tools=tools,
            )
        async with opened as events:
            async for event in events:
                if isinstance(event, Completed):
                    return event.response
                await emit(event)
        raise AssertionError("a stream ends with `Completed` or raises")

    async def log_fault(self) -> str | None:
        """Return what is wrong with the log, now that there is an answer; None if nothing is.

        Checkpoint: always. If cancelled: nothing has changed.
        """
        await trio.lowlevel.checkpoint()
        return _log_fault(self._runtime.status())

    async def bind(self, workstream: str, profile: str) -> None:
        """Bind a workstream to a profile, which is started if it does not run; errors as for `Workstream.bind`.

        Raises:
            ConfigError: The profile cannot be started.

        Checkpoint: always. If cancelled: it may be bound.
        """
        running = self._runtime.config.profiles
        if profile in self._config.profiles and profile not in running:
            more = {name: each for name, each in self._config.profiles.items() if name in running or name == profile}
            await self._runtime.put_in_force(msgspec.structs.replace(self._config, profiles=more))
        await self._runtime.workstream(workstream).bind(profile)


Answerer = DaemonAnswerer | InProcessAnswerer
"""A running Arawn. `ask` returns the whole answer, after every part of it went to `emit`; `bind` is durable."""
