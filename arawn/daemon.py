"""The daemon: a runtime, the doors to it, and how both end."""

from __future__ import annotations

import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import msgspec
import trio
from trio_util import wait_any  # type: ignore[import-untyped]

from actors import ChildSpec, Request
from arawn.beside import open_beside
from arawn.config import listen_address
from arawn.config.paths import socket_path, state_dir
from arawn.config.schema import Config
from arawn.errors import ArawnError
from arawn.interactions.filesystem import Filesystem, make_directories
from arawn.listen_faults import listen_fault
from arawn.reload import Reread, reloader_spec
from arawn.reload_asked import ReloadSignal, reloaded, token_has_changed
from arawn.runtime import start_runtime
from arawn.runtime_door import Runtime
from arawn.server.app import build_app, server_words
from arawn.server.auth import ensure_token, open_door
from arawn.server.probes import why_not_ready
from arawn.wire.asgi import ASGIApp
from arawn.wire.listeners import open_tcp_listeners, open_unix_listener
from arawn.wire.server import serve

__all__ = ["DoorFailed", "Opened", "StopRequest", "run_daemon"]

_LOG = logging.getLogger("arawn.daemon")
_WONDERED_S = 2.0  # a start that takes longer says why
_LAST_WORDS_S = 1.0  # past the grace: time for ended calls to say so
_DOORS_CLEANUP_S = 5.0  # past the grace: time for last words, and for cancelled requests to unwind

Announce = Callable[["Opened"], Callable[[], None]]


class DoorFailed(ArawnError):
    """A door cannot be opened; the message says which, why, and what to change."""


class Opened(msgspec.Struct, frozen=True):
    """A daemon whose doors answer: what runs, and where. `token` is None where none is asked for."""

    runtime: Runtime
    addresses: tuple[str, ...]
    socket: Path | None
    token: str | None


class StopRequest:
    """What signals ask for: an end in order; asked again, calls in flight get no more grace."""

    def __init__(self) -> None:
        self.wanted = trio.Event()
        self.hurried = trio.Event()

    def ask(self) -> None:
        """Ask for the stop, or, when it was asked for before, for an end to the waiting."""
        if self.wanted.is_set():
            self.hurried.set()
        self.wanted.set()


class _Where(Request[tuple[str, ...]]):
    """Ask the doors for the URLs that they answer on."""

    __slots__ = ()


async def run_daemon(
    config: Config, environ: Mapping[str, str], *, announce: Announce, ready: Callable[[Opened], None], reread: Reread
) -> None:
    """Run until SIGTERM or SIGINT, then stop in order: doors, workstreams, backends, store, log. SIGHUP reloads.

    Args:
        config: As it passed every check.
        environ: The process environment.
        announce: Called once, when the doors answer; what it returns is called when the daemon begins to end.
        ready: Called once, when everything is ready.
        reread: Reads the configuration again and checks it, for a reload.

    Raises:
        DoorFailed: An address or the socket cannot be listened on.
        ConfigError, LogWriteFailed, StoreFailed, Unavailable: As for `open_runtime`.
        SupervisorGaveUp: A part crashed again and again.

    Checkpoint: always.
    If cancelled: calls in flight are cancelled and recorded; the log is flushed.
    """
    stop = StopRequest()
    reloading = ReloadSignal()
    answers = trio.Event()
    async with open_beside() as nursery:
        await nursery.start(_watch_signals, stop, reloading)
        nursery.start_soon(reloading.serve)
        with trio.CancelScope() as starting:
            nursery.start_soon(_give_up_start, stop, answers, starting)  # noqa: ASYNC111  # cancelling it late is harmless
            await _run(config, environ, stop, reloading, answers, announce=announce, ready=ready, reread=reread)


async def _watch_signals(stop: StopRequest, reloading: ReloadSignal, task_status: trio.TaskStatus[None]) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        task_status.started()
        async for number in signals:
            if number == signal.SIGHUP:
                reloading.ask()
            else:
                stop.ask()


async def _give_up_start(stop: StopRequest, answers: trio.Event, starting: trio.CancelScope) -> None:
    """Cancel a start that is not wanted any more; once the doors answer, the daemon ends in order instead."""
    await stop.wanted.wait()
    if not answers.is_set():
        starting.cancel(reason="a signal came during the start")


async def _run(
    config: Config,
    environ: Mapping[str, str],
    stop: StopRequest,
    reloading: ReloadSignal,
    answers: trio.Event,
    *,
    announce: Announce,
    ready: Callable[[Opened], None],
    reread: Reread,
) -> None:
    """Open the doors, then wait for the default profile: a model may take minutes to load, and probes ask meanwhile."""
    token = ensure_token(state_dir(environ), environ) if config.server.auth == "token" else None
    socket = socket_path(config, environ)
    secrets = [token] if token else []
    async with start_runtime(config, environ, secrets=secrets, waits_for_room=False) as runtime:
        runtime.require_default()
        reloader = await runtime.start(reloader_spec(runtime, reread))
        token_changed = partial(token_has_changed, token, state_dir(environ), environ)
        reload = reloading.reload = partial(reloaded, reloader, token_changed)
        app = build_app(runtime, door=open_door(config.server, token), reload=reload)
        doors = await runtime.start(_doors_spec(app, config, socket, stop, runtime.end_calls))
        opened = Opened(runtime, await doors.ask(_Where()), socket, token)
        tell_end = announce(opened)
        answers.set()
        try:
            await wait_any(stop.wanted.wait, runtime.settled, partial(_say_what_takes_long, runtime))
            if not stop.wanted.is_set():
                runtime.require_default()
                ready(opened)
            await stop.wanted.wait()
        finally:
            tell_end()


async def _say_what_takes_long(runtime: Runtime) -> None:
    """Say once what a start waits for, to whoever wonders; never returns."""
    await trio.sleep(_WONDERED_S)
    if (why := why_not_ready(runtime.status())) is not None:  # it may be ready since this moment
        _LOG.warning("not ready yet: %s", why)
    await trio.sleep_forever()


def _doors_spec(
    app: ASGIApp, config: Config, socket: Path | None, stop: StopRequest, end_calls: Callable[[], Awaitable[None]]
) -> ChildSpec[_Where]:
    service = partial(_Service, stop.hurried, end_calls)
    return ChildSpec(
        name="doors",
        start=partial(_open_doors, app, config, socket, service),
        mailbox=1,
        cleanup_grace=config.server.shutdown_grace_s + _DOORS_CLEANUP_S,
    )


@asynccontextmanager
async def _open_doors(
    app: ASGIApp, config: Config, socket: Path | None, make_service: Callable[[], _Service]
) -> AsyncIterator[Callable[[_Where], Awaitable[tuple[str, ...]]]]:
    """Serve `app` on every door; leaving the block drains them within the grace that the configuration gives."""
    with ExitStack() as stack:
        listeners = await _listen(config.server.listen)
        for listener in listeners:
            stack.callback(listener.socket.close)
        addresses = tuple(_url(listener) for listener in listeners)
        if socket is not None:
            listeners.append(_listen_on_socket(socket, stack))

        async def where(_: _Where) -> tuple[str, ...]:
            return addresses

        service = make_service()
        async with trio.open_nursery() as nursery:
            await nursery.start(service.run, app, listeners)
            yield where
            await service.drain(config.server.shutdown_grace_s)


class _Service:
    """The server behind all doors, and the end of it."""

    def __init__(self, hurried: trio.Event, end_calls: Callable[[], Awaitable[None]]) -> None:
        """Serve nothing yet.

        Args:
            hurried: Once set, there is no more grace.
            end_calls: Ends every call at the models, so that whoever waits for one is told so.
        """
        self._hurried = hurried
        self._end_calls = end_calls
        self._scope = trio.CancelScope()
        self._stopping = trio.Event()
        self._ended = trio.Event()

    async def run(self, app: ASGIApp, listeners: list[trio.SocketListener], task_status: trio.TaskStatus[None]) -> None:
        with self._scope:
            stop = self._stopping
            await serve(app, listeners=listeners, stopping=stop, words=server_words, task_status=task_status)
        self._ended.set()

    async def drain(self, grace: float) -> None:
        """Accept nothing more; let what is in flight go on for `grace` seconds, then end it with an error, then cut it.

        Checkpoint: always.
        If cancelled: what is in flight is cut with the nursery that serves it.
        """
        self._stopping.set()
        with trio.move_on_after(grace):
            await wait_any(self._ended.wait, self._hurried.wait)
        if not self._ended.is_set():
            with trio.move_on_after(_LAST_WORDS_S):
                await wait_any(self._ended.wait, self._end_calls_and_wait)
        self._scope.cancel(reason="the grace is over")
        await self._ended.wait()

    async def _end_calls_and_wait(self) -> None:
        await self._end_calls()
        await trio.sleep_forever()


async def _listen(listen: str) -> list[trio.SocketListener]:
    host, port = listen_address(listen)
    try:
        return await open_tcp_listeners(host, port)
    except (OSError, UnicodeError) as error:
        raise DoorFailed(listen_fault(listen, error)) from error


def _listen_on_socket(path: Path, stack: ExitStack) -> trio.SocketListener:
    try:
        make_directories(Filesystem(), path.parent)
        return stack.enter_context(open_unix_listener(path))
    except OSError as error:
        right = 'set `server.socket` to another path, or to "" for none'
        raise DoorFailed(f"cannot listen on the Unix socket `{path}`: {error.strerror}; {right}") from error


def _url(listener: trio.SocketListener) -> str:
    host, port = listener.socket.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
