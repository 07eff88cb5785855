"""The running daemon as commands see it: found by its Unix socket, without one by its file; spoken to over HTTP."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import MappingProxyType

import httpx
import msgspec
import trio

from arawn.agent.events import Emit, ToolEnded, ToolStarted
from arawn.cli.daemon_bodies import decoded, encoded, error_in, is_alive, kind_of_error, misfit_of
from arawn.cli.door import DaemonFault, Door, daemon_of
from arawn.cli.log_holder import absence_of
from arawn.config.paths import state_dir
from arawn.errors import ArawnError, ConfigError
from arawn.messages import TextDelta, ThinkingDelta, ToolUseDelta, ToolUseStart
from arawn.owners import stranger
from arawn.server.auth import read_token
from arawn.server.native import ChatReply, ChatRequest
from arawn.status import RuntimeStatus
from arawn.wire.sse import SseEvent, SseParser

__all__ = [
    "DaemonClient",
    "DaemonSilent",
    "find_daemon",
    "require_daemon",
    "silence_of",
]

_PROBE_S = 5.0
_EVENT_BYTES = 64 * 1024 * 1024
_CHANGE_LOST = "what was asked for may have been done, or not"
_CALL_LOST = (
    "a daemon that was stopped has recorded the call, and `arawn interactions list` shows it; "
    "one that was killed may have left no record"
)
_OWN_PLACES = "set `HOME` to your own home directory, or `ARAWN_STATE_DIR` and `ARAWN_RUNTIME_DIR` to your own places"
_REMOVE = "end it, or set `server.socket` to another path, or without a socket `server.listen` to another address"
_REFUSED = (
    "refuses the token that this command has: the one counts that the file `token` of the state directory, or "
    "`ARAWN_TOKEN`, held at its start; set that one, or start the daemon again (`arawn stop` needs no token)"
)
_HUNG = (
    f"does not answer within {_PROBE_S:g} s; if it is suspended (SIGSTOP), `kill -CONT {{pid}}` lets it go on; if the "
    "machine is busy, wait; else `arawn stop` asks it to end, and `kill -KILL {pid}` ends it at once"
)
_CROWDED = (
    "has no place left for a connection of this kind (503 `too_many_connections`); end programs of yours that "
    "hold them open, or wait; `arawn stop` asks the daemon to end all the same"
)
_Delta = TextDelta | ThinkingDelta | ToolUseStart | ToolUseDelta | ToolStarted | ToolEnded


class _Completed(msgspec.Struct, frozen=True, tag="completed"):
    response: ChatReply


class _Way(msgspec.Struct, frozen=True):
    """How to reach a daemon: the name of its door, and what the client needs."""

    name: str
    url: str = "http://localhost"
    socket: str | None = None
    headers: Mapping[str, str] = MappingProxyType({})


class DaemonClient:
    """A daemon that answers on its door, which messages call by `name`."""

    def __init__(self, http: httpx.AsyncClient, door: Door, name: str) -> None:
        self.door = door
        self._http = http
        self._name = name

    async def get(self, path: str) -> bytes:
        """Return the body of `GET path`; all else as for `call`."""
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
        """Return what `GET /status` says; errors as for `call` and `decoded`.

        Checkpoint: always. If cancelled: nothing has changed.
        """
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
        raise DaemonFault(f"the daemon on `{self._name}` ended its answer too early; {_CALL_LOST}")

    async def _error_of(self, reply: httpx.Response) -> ArawnError:
        """Return the error that an answer stands for; of a body that did not fit, also how old the daemon may be."""
        if kind_of_error(reply.content) == "unauthorized":
            return DaemonFault(f"the daemon on `{self._name}` {_REFUSED}")
        error = error_in(reply.content)
        misfit = reply.status_code == httpx.codes.UNPROCESSABLE_ENTITY  # as it may be of a provider's refusal, too
        misfit = misfit and kind_of_error(reply.content) == "invalid_request"
        return misfit_of(error, await self.get("/status")) if misfit else error

    @contextmanager
    def _explained(self, lost: str) -> Iterator[None]:
        try:
            yield
        except httpx.ConnectError as error:
            gone = f"no daemon answers on `{self._name}` any more"
            raise DaemonFault(f"{gone}; nothing was sent; `arawn start` runs one") from error
        except httpx.HTTPError as error:
            raise DaemonFault(f"the daemon on `{self._name}` went away before it had answered; {lost}") from error


class DaemonSilent(DaemonFault):
    """The daemon does not answer on its door, or serves nobody there, and its process is there.

    With `stopping` it is to be so: the daemon has said that it takes no more.
    """

    def __init__(self, pid: int, why: str, *, stopping: bool = False) -> None:
        self.pid = pid
        self.stopping = stopping
        super().__init__(f"the daemon, process {pid}, {why}")


def _missing(door: Door) -> str:
    if door.socket is None:
        return ""
    return ": another file stands in its place" if door.socket.exists() else ": the file is gone"


@asynccontextmanager
async def find_daemon(door: Door) -> AsyncIterator[DaemonClient | None]:
    """Yield a client of the daemon that answers on `door`; None if there is none.

    Raises:
        DaemonSilent: There is one, and it says nothing, or has no place for this connection.
        DaemonFault: The socket is another user's; or something else holds the door, and does not answer as a daemon
            does; or the token cannot be read.

    Checkpoint: only if there is something to connect to.
    If cancelled: the connection is closed.
    """
    way = _way_to(door)
    if way is None:
        yield None
        return
    transport = httpx.AsyncHTTPTransport(verify=False, uds=way.socket)  # no TLS there: no roots to read
    headers = {"host": "localhost"}  # a name that every daemon of this machine has
    async with httpx.AsyncClient(transport=transport, base_url=way.url, headers=headers, timeout=None) as http:  # noqa: S113
        if not await _answers(http, door, way.name):
            yield None
            return
        http.headers.update(way.headers)  # not before: what is no daemon is not told the token
        yield DaemonClient(http, door, way.name)


@asynccontextmanager
async def require_daemon(door: Door) -> AsyncIterator[DaemonClient]:
    """Yield a client of the daemon that answers on `door`.

    Raises:
        DaemonSilent: There is one, and it does not answer.
        DaemonFault: There is none; the message says how to start one.

    Checkpoint: always.
    If cancelled: the connection is closed.
    """
    async with find_daemon(door) as daemon:
        if daemon is None:
            raise silence_of(door) or absence_of(door)
        yield daemon


def silence_of(door: Door) -> DaemonSilent | None:
    """Return what to say of the daemon of `door`, which does not answer there; None if there is no such daemon."""
    found = daemon_of(door)
    if found is None:
        return None
    if found.stopping:
        ends = "it ends with the calls that it has, or after `server.shutdown_grace_s`"
        return DaemonSilent(found.pid, f"is stopping and answers no more; {ends}", stopping=True)
    name = found.address or door if door.socket is None else door.socket
    new = "`arawn stop` ends the daemon, and `arawn start` runs a new one"
    return DaemonSilent(found.pid, f"is there, but no daemon answers on `{name}`{_missing(door)}; {new}")


def _way_to(door: Door) -> _Way | None:
    """Return how to reach the daemon; None if nothing is there, or it says itself that it takes no more.

    Without a socket its file says where it is, which nobody but this user, or root, can have written and locked: no
    other address is ever given the token.
    """
    if door.socket is not None:
        return _Way(str(door.socket), socket=str(door.socket)) if _is_there(door.socket) else None
    daemon = daemon_of(door)
    if daemon is None or daemon.stopping or daemon.address is None:
        return None
    try:
        token = read_token(state_dir(os.environ), os.environ) if daemon.guarded else None
    except ConfigError as error:
        raise DaemonFault("; ".join(error.problems)) from error
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    return _Way(daemon.address, daemon.address, headers=headers)


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


async def _answers(http: httpx.AsyncClient, door: Door, name: str) -> bool:
    with trio.move_on_after(_PROBE_S):
        try:
            reply = await http.get("/healthz")
        except httpx.ConnectError:  # a socket file that a crash left behind
            return False
        except httpx.HTTPError as error:
            raise DaemonFault(f"what answers on `{name}` is no daemon of Arawn: {error!r}; {_REMOVE}") from error
        if reply.status_code == httpx.codes.OK and is_alive(reply.content):
            return True
        if kind_of_error(reply.content) == "too_many_connections":
            raise _unserved(door, _CROWDED) or DaemonFault(f"what answers on `{name}` {_CROWDED}")
        found = f"status {reply.status_code}, {reply.content[:40]!r}"
        raise DaemonFault(f"what answers on `{name}` is no daemon of Arawn: {found}; {_REMOVE}")
    silence = f"what listens on `{name}` says nothing within {_PROBE_S:g} s; {_REMOVE}"
    raise _unserved(door, _HUNG) or DaemonFault(silence)


def _unserved(door: Door, why: str) -> DaemonSilent | None:
    """Return what to say of the daemon of `door`, which takes connections; None if no daemon is known to be there."""
    found = daemon_of(door)
    return None if found is None else DaemonSilent(found.pid, why.format(pid=found.pid))
