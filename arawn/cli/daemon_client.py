"""The running daemon as commands see it: found by its Unix socket, spoken to over HTTP."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx
import msgspec
import trio

from arawn.agent.events import Emit, ToolEnded, ToolStarted
from arawn.cli.daemon_bodies import DaemonFault, decoded, encoded, error_in, is_alive, kind_of_error, misfit_of
from arawn.cli.daemon_files import daemon_of
from arawn.cli.output import note
from arawn.cli.settings import socket_of
from arawn.config.paths import runtime_dir
from arawn.errors import ArawnError, ConfigError
from arawn.interactions.counted import counted
from arawn.messages import TextDelta, ThinkingDelta, ToolUseDelta, ToolUseStart
from arawn.owners import stranger
from arawn.running_daemons import RunningDaemon, running_daemons
from arawn.server.native import ChatReply, ChatRequest
from arawn.status import RuntimeStatus
from arawn.wire.sse import SseEvent, SseParser

__all__ = [
    "DaemonClient",
    "DaemonFault",
    "DaemonHung",
    "DaemonSilent",
    "find_daemon",
    "require_daemon",
    "silence_of",
    "socket_of_daemon",
]

_PROBE_S = 5.0
_EVENT_BYTES = 64 * 1024 * 1024
_CHANGE_LOST = "what was asked for may have been done, or not"
_CALL_LOST = (
    "a daemon that was stopped has recorded the call, and `arawn interactions list` shows it; "
    "one that was killed may have left no record"
)
_OWN_PLACES = "set `HOME` to your own home directory, or `ARAWN_STATE_DIR` and `ARAWN_RUNTIME_DIR` to your own places"
_REMOVE = "end it, or set `server.socket` to another path"
_HUNG = (
    f"does not answer within {_PROBE_S:g} s; if it is suspended (SIGSTOP), `kill -CONT {{pid}}` lets it go on; if the "
    "machine is busy, wait; else `arawn stop` asks it to end, and `kill -KILL {pid}` ends it at once"
)
_CROWDED = (
    "has no place left for a connection through its socket (503 `too_many_connections`); end programs of yours that "
    "hold them open, or wait; `arawn stop` asks the daemon to end all the same"
)
_Delta = TextDelta | ThinkingDelta | ToolUseStart | ToolUseDelta | ToolStarted | ToolEnded


class _Completed(msgspec.Struct, frozen=True, tag="completed"):
    response: ChatReply


class DaemonClient:
    """A daemon that answers on its Unix socket."""

    def __init__(self, http: httpx.AsyncClient, socket: Path) -> None:
        self.socket = socket
        self._http = http

    async def get(self, path: str) -> bytes:
        """Return the body of `GET path`; see `call`."""
        return await self.call("GET", path)

    async def call(self, method: str, path: str, body: msgspec.Struct | None = None) -> bytes:
        """Make one request and return the body of its answer.

        Raises:
            BadInput: The daemon says that the request can never work.
            DaemonFault: It failed, or the connection broke.

        Checkpoint: always.
        If cancelled: what was asked may have been done.
        """
        content = None if body is None else encoded(body)
        with self._explained(_CHANGE_LOST):
            reply = await self._http.request(method, path, content=content)
        if reply.is_error:
            raise await self._error_of(reply)
        return reply.content

    async def status(self) -> RuntimeStatus:
        """Return what `GET /status` says; errors as for `call` and `decoded`."""
        return decoded(await self.get("/status"), RuntimeStatus)

    async def chat(self, request: ChatRequest, emit: Emit) -> ChatReply:
        """Make one `POST /chat`, streamed; every delta goes to `emit` before the whole answer is returned.

        Raises:
            BadInput, DaemonFault: As for `call`.

        Checkpoint: always.
        If cancelled: the daemon sees that its client left, and cancels the call.
        """
        content = encoded(msgspec.structs.replace(request, stream=True))
        with self._explained(_CALL_LOST):
            async with self._http.stream("POST", "/chat", content=content) as reply:
                if reply.is_error:
                    await reply.aread()
                    raise await self._error_of(reply)
                return await self._last_event(reply, emit)

    async def _last_event(self, reply: httpx.Response, emit: Emit) -> ChatReply:
        parser = SseParser(max_event_bytes=_EVENT_BYTES)
        last: SseEvent | None = None
        async for chunk in reply.aiter_bytes():  # to its end: httpx leaves generators behind when it is left early
            for event in parser.feed(chunk):
                if event.event in ("completed", "error"):
                    last = event
                else:
                    await emit(decoded(event.data, _Delta))
        if last is not None and last.event == "completed":
            return decoded(last.data, _Completed).response
        if last is not None:
            raise error_in(last.data.encode())
        raise DaemonFault(f"the daemon on `{self.socket}` ended its answer too early; {_CALL_LOST}")

    async def _error_of(self, reply: httpx.Response) -> ArawnError:
        """Return the error that an answer stands for; of a body that did not fit, also how old the daemon may be."""
        error = error_in(reply.content)
        misfit = reply.status_code == httpx.codes.UNPROCESSABLE_ENTITY  # as it may be of a provider's refusal, too
        misfit = misfit and kind_of_error(reply.content) == "invalid_request"
        return misfit_of(error, await self.get("/status")) if misfit else error

    @contextmanager
    def _explained(self, lost: str) -> Iterator[None]:
        try:
            yield
        except httpx.ConnectError as error:
            gone = f"no daemon answers on `{self.socket}` any more"
            raise DaemonFault(f"{gone}; nothing was sent; `arawn start` runs one") from error
        except httpx.HTTPError as error:
            raise DaemonFault(f"the daemon on `{self.socket}` went away before it had answered; {lost}") from error


class DaemonSilent(DaemonFault):
    """The daemon does not answer on its socket, and its process is there."""

    def __init__(self, daemon: RunningDaemon, socket: Path) -> None:
        self.pid = daemon.pid
        self.stopping = daemon.stopping
        if self.stopping:
            ends = "it ends with the calls that it has, or after `server.shutdown_grace_s`"
            super().__init__(f"the daemon, process {self.pid}, is stopping and answers no more; {ends}")
        else:
            found = "another file stands in its place" if socket.exists() else "the file is gone"
            silent = f"the daemon, process {self.pid}, is there, but no daemon answers on `{socket}`: {found}"
            super().__init__(f"{silent}; `arawn stop` ends the daemon, and `arawn start` runs a new one")


class DaemonHung(DaemonFault):
    """Something takes connections on the daemon's socket and serves none, and its process is there."""

    def __init__(self, pid: int, why: str) -> None:
        self.pid = pid
        super().__init__(f"the daemon, process {pid}, {why}")


@asynccontextmanager
async def find_daemon(socket: Path | None) -> AsyncIterator[DaemonClient | None]:
    """Yield a client of the daemon that answers on `socket`; None if there is none.

    Raises:
        DaemonHung: There is one, and it says nothing, or has no place for this connection.
        DaemonFault: The socket is another user's; or something else holds it, and does not answer as a daemon does.

    Checkpoint: only if there is a socket.
    If cancelled: the connection is closed.
    """
    if socket is None or not _is_there(socket):
        yield None
        return
    transport = httpx.AsyncHTTPTransport(verify=False, uds=str(socket))  # no TLS there: no roots to read
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=None) as http:  # noqa: S113
        yield DaemonClient(http, socket) if await _answers(http, socket) else None


@asynccontextmanager
async def require_daemon(socket: Path | None) -> AsyncIterator[DaemonClient]:
    """Yield a client of the daemon that answers on `socket`.

    Raises:
        DaemonSilent, DaemonHung: There is one, and it does not answer.
        DaemonFault: There is none; the message says how to start one.

    Checkpoint: always.
    If cancelled: the connection is closed.
    """
    if socket is None:
        raise DaemonFault('a daemon cannot be reached: `server.socket` is ""; remove that setting')
    async with find_daemon(socket) as daemon:
        if daemon is None:
            raise silence_of(socket) or DaemonFault(f"no daemon answers on `{socket}`; `arawn start` runs one")
        yield daemon


def silence_of(socket: Path | None) -> DaemonSilent | None:
    """Return what to say of the daemon of `socket`, which does not answer there; None if there is no such daemon."""
    found = None if socket is None else daemon_of(socket)
    return None if socket is None or found is None else DaemonSilent(found, socket)


def socket_of_daemon(config_file: Path | None) -> Path | None:
    """Return the daemon's socket: the configured one; if the configuration cannot be used, that of the one that runs.

    Raises:
        ConfigError: The configuration is wrong, and no daemon runs by it, or several may.
    """
    try:
        return socket_of(config_file)
    except ConfigError as error:
        every = running_daemons(runtime_dir(os.environ))
        if config_file is not None:
            every = [daemon for daemon in every if str(config_file.resolve()) in daemon.files]
        if len(every) != 1 or every[0].socket is None:
            raise
        others = len(error.problems) - 1
        more = f" (and {counted(others, 'more problem')})" if others else ""
        note(f"arawn: {error.problems[0]}{more}; this is the daemon that runs, process {every[0].pid}")
        return Path(every[0].socket)


def _is_there(socket: Path) -> bool:
    """Say whether there is a socket to speak to, or a file in its place.

    Raises:
        DaemonFault: It is another user's, who would be given every prompt; or this user may not look there.
    """
    try:
        owner = stranger(socket.lstat(), socket.stat())
    except (FileNotFoundError, NotADirectoryError):
        return False
    except PermissionError as error:
        raise DaemonFault(f"a daemon cannot be looked for at `{socket}`: {error.strerror}; {_OWN_PLACES}") from error
    if owner is None:
        return True
    advice = "run this command as the user of that daemon, or set `server.socket` to another path"
    raise DaemonFault(f"`{socket}` is not spoken to, since it belongs to {owner}, and you are another one; {advice}")


async def _answers(http: httpx.AsyncClient, socket: Path) -> bool:
    with trio.move_on_after(_PROBE_S):
        try:
            reply = await http.get("/healthz")
        except httpx.ConnectError:  # a socket file that a crash left behind
            return False
        except httpx.HTTPError as error:
            raise DaemonFault(f"what answers on `{socket}` is no daemon of Arawn: {error!r}; {_REMOVE}") from error
        if reply.status_code == httpx.codes.OK and is_alive(reply.content):
            return True
        if kind_of_error(reply.content) == "too_many_connections":
            raise _unserved(socket, _CROWDED) or DaemonFault(f"what answers on `{socket}` {_CROWDED}")
        found = f"status {reply.status_code}, {reply.content[:40]!r}"
        raise DaemonFault(f"what answers on `{socket}` is no daemon of Arawn: {found}; {_REMOVE}")
    silence = f"what listens on `{socket}` says nothing within {_PROBE_S:g} s; {_REMOVE}"
    raise _unserved(socket, _HUNG) or DaemonFault(silence)


def _unserved(socket: Path, why: str) -> DaemonHung | None:
    """Return what to say of the daemon of `socket`, which takes connections; None if no daemon is known to be there."""
    silent = silence_of(socket)
    return None if silent is None else DaemonHung(silent.pid, why.format(pid=silent.pid))
