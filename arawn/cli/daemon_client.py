"""The running daemon as commands see it: found by its Unix socket, spoken to over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import quote

import httpx
import msgspec
import trio

from arawn.agent.events import ToolEnded, ToolStarted
from arawn.cli.question import Emit
from arawn.errors import ArawnError, BadInput
from arawn.messages import (
    TextDelta,
    ThinkingDelta,
    ToolUseDelta,
    ToolUseStart,
)
from arawn.server.native import ChatReply, ChatRequest
from arawn.server.reply import ErrorBody
from arawn.server.workstreams import WorkstreamChange, WorkstreamSettings
from arawn.status import RuntimeStatus
from arawn.wire.sse import SseEvent, SseParser
from arawn.workstreams.store import Summary, WorkstreamState, require_name

__all__ = ["DaemonClient", "DaemonFault", "find_daemon", "require_daemon"]

_PROBE_S = 5.0
_EVENT_BYTES = 64 * 1024 * 1024
_CHANGE_LOST = "what was asked for may have been done, or not"
_CALL_LOST = (
    "a daemon that was stopped has recorded the call, and `arawn interactions list` shows it; "
    "one that was killed may have left no record"
)
_REMOVE = "end it, or set `server.socket` to another path"
_MISUSE = frozenset({"unknown_profile", "bad_input", "invalid_request", "not_found"})
_Delta = TextDelta | ThinkingDelta | ToolUseStart | ToolUseDelta | ToolStarted | ToolEnded


class _Completed(msgspec.Struct, frozen=True, tag="completed"):
    response: ChatReply


class DaemonFault(ArawnError):
    """The daemon cannot be reached, or said that what was asked of it failed."""


class DaemonClient:
    """A daemon that answers on its Unix socket."""

    def __init__(self, http: httpx.AsyncClient, socket: Path) -> None:
        self.socket = socket
        self._http = http

    async def get(self, path: str) -> bytes:
        """Return the body of `GET path`; see `call`."""
        return await self.call("GET", path)

    async def call(self, method: str, path: str, body: object = None) -> bytes:
        """Make one request and return the body of its answer.

        Raises:
            BadInput: The daemon says that the request can never work.
            DaemonFault: It failed, or the connection broke.

        Checkpoint: always.
        If cancelled: what was asked may have been done.
        """
        content = None if body is None else msgspec.json.encode(body)
        with self._explained(_CHANGE_LOST):
            reply = await self._http.request(method, path, content=content)
        if reply.is_error:
            raise _error(reply.content)
        return reply.content

    async def status(self) -> RuntimeStatus:
        """Return what `GET /status` says; errors as for `call`."""
        return msgspec.json.decode(await self.get("/status"), type=RuntimeStatus)

    async def workstreams(self) -> list[Summary]:
        """Return every stored workstream, the archived ones too; errors as for `call`."""
        return msgspec.json.decode(await self.get("/workstreams"), type=list[Summary])

    async def workstream(self, name: str) -> WorkstreamState:
        """Return one stored workstream; errors as for `call`."""
        return msgspec.json.decode(await self.get(_path(name)), type=WorkstreamState)

    async def create_workstream(self, settings: WorkstreamSettings) -> None:
        """Store a new workstream; errors as for `call`."""
        await self.call("POST", "/workstreams", settings)

    async def change_workstream(self, name: str, change: WorkstreamChange) -> None:
        """Bind or archive a workstream; errors as for `call`."""
        await self.call("PATCH", _path(name), change)

    async def remove_workstream(self, name: str) -> None:
        """Delete a workstream; errors as for `call`."""
        await self.call("DELETE", _path(name))

    async def chat(self, request: ChatRequest, emit: Emit) -> ChatReply:
        """Stream one `POST /chat`; every delta goes to `emit` before the whole answer is returned.

        Raises:
            BadInput, DaemonFault: As for `call`.

        Checkpoint: always.
        If cancelled: the daemon sees that its client left, and cancels the call.
        """
        with self._explained(_CALL_LOST):
            async with self._http.stream("POST", "/chat", content=msgspec.json.encode(request)) as reply:
                if reply.is_error:
                    raise _error(await reply.aread())
                return await self._last_event(reply, emit)

    async def _last_event(self, reply: httpx.Response, emit: Emit) -> ChatReply:
        parser = SseParser(max_event_bytes=_EVENT_BYTES)
        last: SseEvent | None = None
        async for chunk in reply.aiter_bytes():  # to its end: httpx leaves generators behind when it is left early
            for event in parser.feed(chunk):
                if event.event in ("completed", "error"):
                    last = event
                else:
                    await emit(msgspec.json.decode(event.data, type=_Delta))
        if last is not None and last.event == "completed":
            return msgspec.json.decode(last.data, type=_Completed).response
        if last is not None:
            raise _error(last.data.encode())
        raise DaemonFault(f"the daemon on `{self.socket}` ended its answer too early; {_CALL_LOST}")

    @contextmanager
    def _explained(self, lost: str) -> Iterator[None]:
        try:
            yield
        except httpx.ConnectError as error:
            gone = f"no daemon answers on `{self.socket}` any more"
            raise DaemonFault(f"{gone}; nothing was sent; `arawn start` runs one") from error
        except httpx.HTTPError as error:
            raise DaemonFault(f"the daemon on `{self.socket}` went away before it had answered; {lost}") from error


@asynccontextmanager
async def find_daemon(socket: Path | None) -> AsyncIterator[DaemonClient | None]:
    """Yield a client of the daemon that answers on `socket`; None if there is none.

    Raises:
        DaemonFault: Something holds the socket and does not answer as a daemon does.

    Checkpoint: only if there is a socket.
    If cancelled: the connection is closed.
    """
    if socket is None or not _is_there(socket):
        yield None
        return
    transport = httpx.AsyncHTTPTransport(uds=str(socket))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=None) as http:  # noqa: S113
        yield DaemonClient(http, socket) if await _answers(http, socket) else None


@asynccontextmanager
async def require_daemon(socket: Path | None) -> AsyncIterator[DaemonClient]:
    """Yield a client of the daemon that answers on `socket`.

    Raises:
        DaemonFault: There is none; the message says how to start one.

    Checkpoint: always.
    If cancelled: the connection is closed.
    """
    if socket is None:
        raise DaemonFault('a daemon cannot be reached: `server.socket` is ""; remove that setting')
    async with find_daemon(socket) as daemon:
        if daemon is None:
            raise DaemonFault(f"no daemon answers on `{socket}`; `arawn start` runs one")
        yield daemon


def _is_there(socket: Path) -> bool:
    return socket.exists()


async def _answers(http: httpx.AsyncClient, socket: Path) -> bool:
    with trio.move_on_after(_PROBE_S):
        try:
            reply = await http.get("/healthz")
        except httpx.ConnectError:  # a socket file that a crash left behind
            return False
        except httpx.HTTPError as error:
            raise DaemonFault(f"what answers on `{socket}` is no daemon of Arawn: {error!r}; {_REMOVE}") from error
        if reply.status_code == httpx.codes.OK:
            return True
        raise DaemonFault(f"what answers on `{socket}` is no daemon of Arawn: status {reply.status_code}; {_REMOVE}")
    raise DaemonFault(f"the daemon on `{socket}` does not answer within {_PROBE_S:g} s; end its process and start anew")


def _error(body: bytes) -> ArawnError:
    """Return the error that an error answer stands for."""
    try:
        detail = msgspec.json.decode(body, type=ErrorBody).error
    except msgspec.DecodeError:
        return DaemonFault(f"the daemon answered with an error that cannot be read: {body[:200]!r}")
    return BadInput(detail.message) if detail.type in _MISUSE else DaemonFault(detail.message)


def _path(name: str) -> str:
    return f"/workstreams/{quote(require_name(name), safe='')}"
