"""The wiring, top to bottom, in order of life: configuration, log, store, backends, workstreams."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Never, assert_never

import trio

from actors import ActorError, Backoff, ChildSpec, Intensity, OnDemand, Ref, Supervisor, SupervisorSpec, open_supervisor
from arawn.agent.servers import start_tool_servers
from arawn.arguments import require_config_source, require_kind, require_policy
from arawn.backends.actor import BackendParts, Call, open_backend
from arawn.backends.health import ToldHealth
from arawn.backends.secret_values import proxy_passwords, secret_values
from arawn.board import Board
from arawn.config.hidden import tool_secrets
from arawn.config.load import checked
from arawn.config.paths import database_path, interactions_dir
from arawn.config.schema import Config, InteractionLogConfig, Profile
from arawn.config.search import read_config, with_profiles
from arawn.errors import ArawnError
from arawn.following import usable
from arawn.interactions.housekeeping import open_housekeeper
from arawn.interactions.ids import RecordIds
from arawn.interactions.journal import Append, Journal, write_appends
from arawn.interactions.last_word import telling_losses
from arawn.interactions.opening import warn_without_room
from arawn.interactions.patience import open_patience
from arawn.interactions.record import LogLine
from arawn.interactions.secret_set import SecretSet
from arawn.interactions.tool_results import OpenToolCalls
from arawn.interactions.writer import open_writer
from arawn.metrics.counted import open_counted
from arawn.metrics.counts import Counts
from arawn.reload_plan import configuration_hash
from arawn.routing.decision import RoutingPolicy
from arawn.routing.router import Router
from arawn.running_backends import RunningBackends
from arawn.runtime_door import Runtime
from arawn.threads import RunInThread
from arawn.trio_run import current_run
from arawn.workstreams.actor import WorkstreamParts, open_workstream
from arawn.workstreams.store_actor import Query, open_store

__all__ = ["open_runtime", "start_runtime"]

_KEEPS_TRYING = Intensity(limit=1_000_000, period=60.0)  # back-off alone paces what must never bring the rest down
_LOG_BACKOFF = Backoff(initial=0.1, maximum=5.0)
_LOG_MAILBOX, _LOG_BATCH = 4096, 256
_HOUSEKEEPING_BACKOFF = Backoff(initial=1.0, maximum=3600.0, healthy_after=3600.0)
_STORE_MAILBOX, _STORE_BATCH = 1024, 128
_WORKSTREAM_MAILBOX = 64


@asynccontextmanager
async def open_runtime(
    config: Path | str | Config | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    policy: RoutingPolicy | None = None,
) -> AsyncIterator[Runtime]:
    """Run Arawn in this process for as long as the block lasts.

    Args:
        config: A TOML file; or a `Config`; or None to search as the command line does (user file, `./arawn.toml`,
            environment), and without any profile to use what this machine offers.
        environ: Stands in for the process environment.
        policy: Chooses the profile of calls that name none and are bound to none, whatever `[routing]` says.

    Raises:
        WrongLoop: The caller is no trio task; docs/library.md shows how asyncio, threads and notebooks do it.
        BadInput: An argument is of another kind than these.
        ConfigError: The configuration is wrong, or a `Config` has no profile; every problem is listed.
        LogWriteFailed: The interaction log cannot be opened, or another process owns it.
        StoreFailed: The workstream database cannot be opened, or another process owns it.
        Unavailable: The default profile has no key, or its model server does not start.
        LogWriteFailed: On leaving the block, too: records were lost, or the log could not be closed.

    Checkpoint: always.
    If cancelled: calls under way are cancelled and recorded as such; the log is flushed and synced.
    """
    current_run("`open_runtime` was entered")
    environ = os.environ if environ is None else require_kind("environ", environ, Mapping)
    source = require_config_source(config)
    if isinstance(source, Config):
        config = checked(source)
    else:
        loaded = await read_config(source, environ=environ, cwd=Path.cwd())
        config = (await with_profiles(loaded, environ)).config
    require_policy(policy)
    async with start_runtime(config, environ, policy=policy) as runtime:
        await runtime.settled()
        runtime.require_default()
        yield runtime


@asynccontextmanager
async def start_runtime(
    config: Config,
    environ: Mapping[str, str],
    *,
    secrets: Sequence[str] = (),
    run_in_thread: RunInThread = trio.to_thread.run_sync,
    policy: RoutingPolicy | None = None,
    waits_for_room: bool = True,
    converses: bool = True,
) -> AsyncIterator[Runtime]:
    """Start every part in order; all else as for `open_runtime`.

    A profile may be unavailable, the default one too, or still start.

    Args:
        config: A configuration that has passed every check.
        environ: The process environment.
        secrets: Texts that must never reach the log, besides the keys of the profiles.
        run_in_thread: Runs what may block on the disk; tests on the virtual clock run it in place.
        policy: As for `open_runtime`.
        waits_for_room: Whether a call to a profile whose mailbox is full waits; if not, it fails with `MailboxFull`.
        converses: Whether conversations are wanted: then the start fails when another process has their database.
    """
    board = Board()
    board.config = lambda: config
    log_path = interactions_dir(config, environ) if config.logging.interactions.enabled else None
    async with (
        telling_losses(log_path, lambda: board.journal, run_in_thread),
        open_patience(config.logging.interactions.answer_wait_ms / 1000) as board.patience,
        open_supervisor(SupervisorSpec(name="arawn", total=_KEEPS_TRYING), hooks=[board.hear]) as root,
    ):
        journal = await _start_log(root, config.logging.interactions, log_path, board, run_in_thread)
        store = await root.start(_store_spec(database_path(config, environ), board, run_in_thread, converses=converses))
        counts = Counts()
        backends = await _start_backends(root, config, environ=environ, secrets=secrets, journal=journal, counts=counts)
        board.config = lambda: backends.config
        async with aclosing(Router(config, backends.refs, environ, policy)) as router:
            await router.start()
            yield Runtime(
                root=root,
                journal=journal,
                log_path=log_path,
                store=store,
                store_health=board.store_health,
                backends=backends,
                counts=counts,
                workstreams=await _start_workstreams(root, store, backends, router),
                router=router,
                tools=await start_tool_servers(root, lambda: backends.config, environ),
                usable=partial(usable, environ=environ, policy_given=policy is not None),
                waits_for_room=waits_for_room,
            )


async def _start_log(
    root: Supervisor, config: InteractionLogConfig, path: Path | None, board: Board, run_in_thread: RunInThread
) -> Journal:
    writer = None if path is None else await root.start(_log_spec(config, path, board, run_in_thread))
    board.journal = Journal(
        writer,
        patience=board.patience,
        writer_health=lambda: board.log_health(),  # noqa: PLW0108  # of the incarnation there is by then
        housekeeping_health=lambda: board.housekeeping_health(),  # noqa: PLW0108  # as above
        overflow=config.overflow,
    )
    if path is not None and writer is not None:
        await run_in_thread(partial(warn_without_room, path))
        await root.start(_housekeeping_spec(config, path, writer, board, run_in_thread))
    return board.journal


def _log_spec(config: InteractionLogConfig, path: Path, board: Board, run_in_thread: RunInThread) -> ChildSpec[Append]:
    @asynccontextmanager
    async def start() -> AsyncIterator[Callable[[list[Append]], Awaitable[list[Any]]]]:
        known_by = configuration_hash(board.config())
        async with open_writer(config, path, config_sha256=known_by, run_in_thread=run_in_thread) as writer:

            async def handle(batch: list[Append]) -> list[Any]:
                return list(await write_appends(writer.handle, batch))

            board.log_health = lambda: writer.health.value
            yield handle

    return ChildSpec(
        name="interaction-log",
        start=start,
        mailbox=_LOG_MAILBOX,
        batch=_LOG_BATCH,
        abandoned="run",
        intensity=_KEEPS_TRYING,
        backoff=_LOG_BACKOFF,
        stop_grace=10.0,
        cleanup_grace=15.0,
    )


def _housekeeping_spec(
    config: InteractionLogConfig, path: Path, writer: Ref[Append], board: Board, run_in_thread: RunInThread
) -> ChildSpec[Never]:
    async def tell(line: LogLine) -> None:
        await writer.tell(Append(line))

    async def handle(message: Never) -> None:  # nobody sends it anything
        await trio.lowlevel.checkpoint()
        assert_never(message)

    @asynccontextmanager
    async def start() -> AsyncIterator[Callable[[Never], Awaitable[None]]]:
        async with open_housekeeper(path, config, tell, run_in_thread=run_in_thread) as keeper:
            board.housekeeping_health = lambda: keeper.health
            yield handle

    return ChildSpec(
        name="housekeeping",
        start=start,
        mailbox=1,
        intensity=_KEEPS_TRYING,
        backoff=_HOUSEKEEPING_BACKOFF,
        cleanup_grace=5.0,
    )


def _store_spec(path: Path, board: Board, run_in_thread: RunInThread, *, converses: bool) -> ChildSpec[Query[Any]]:
    return ChildSpec(
        name="workstream-store",
        start=partial(open_store, path, board.store_health, held_at_once=converses, run_in_thread=run_in_thread),
        mailbox=_STORE_MAILBOX,
        batch=_STORE_BATCH,
        abandoned="run",
        reply_errors=(ArawnError,),
        intensity=_KEEPS_TRYING,
    )


async def _start_backends(
    root: Supervisor,
    config: Config,
    *,
    environ: Mapping[str, str],
    secrets: Sequence[str],
    journal: Journal,
    counts: Counts,
) -> RunningBackends:
    """Start every profile; one that is unavailable is kept, and answers each call with its reason."""
    supervisor = await root.start_supervisor(SupervisorSpec(name="backends", total=_KEEPS_TRYING))
    ids, open_tool_calls, log = RecordIds(), OpenToolCalls(), config.logging.interactions
    known = SecretSet((*secrets, *proxy_passwords(os.environ)))  # a client takes its proxies from there

    def secrets_of(config: Config) -> Iterator[str]:
        yield from secret_values(config.profiles, environ)
        yield from tool_secrets(config.tools.values(), environ)

    def make(label: str, name: str, profile: Profile, health: ToldHealth) -> ChildSpec[Call]:
        count = counts.of(name)
        parts = BackendParts(name, profile, environ, log, journal, known, ids, open_tool_calls, count, health)
        return _backend_spec(label, parts)

    backends = RunningBackends(supervisor, config, secrets=known, secrets_of=secrets_of, make=make)
    await backends.start()
    return backends


def _backend_spec(label: str, parts: BackendParts) -> ChildSpec[Call]:
    return ChildSpec(
        name=label,
        start=partial(open_counted, partial(open_backend, parts), parts.counts),
        mailbox=parts.profile.mailbox,
        workers=parts.profile.max_concurrency,
        abandoned="cancel",
        reply_errors=(ArawnError,),
        intensity=_KEEPS_TRYING,
        cleanup_grace=8.0,
    )


async def _start_workstreams(
    root: Supervisor, store: Ref[Query[Any]], backends: RunningBackends, router: Router
) -> OnDemand:
    parts = WorkstreamParts(store, backends.refs, router, lambda: backends.config)

    def make(name: str) -> ChildSpec[Any]:
        return ChildSpec(
            name=name,
            start=partial(open_workstream, name, parts),
            mailbox=_WORKSTREAM_MAILBOX,
            abandoned="cancel",
            reply_errors=(ArawnError, ActorError),
        )

    spec = SupervisorSpec(name="workstreams")
    return await root.start_on_demand(spec, make, idle_after=backends.config.workstreams.idle_after_s)
