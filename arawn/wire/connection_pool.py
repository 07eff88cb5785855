"""The connections to one origin: who may use which, and when one is done with. Everything costs the same at any size.

Idle connections form a stack: the one used last serves next, so the others grow old and expire. Callers beyond the
limit wait in line, first come first served, and are handed a connection directly, or the place of one that was retired.
All but the waiting and the connecting is synchronous, so no cancellation can leave a connection half-used in here.
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable

import httpx
import trio

from arawn.wire.client_connection import ClientConnection

__all__ = ["ConnectionPool"]

Connect = Callable[[float | None], Awaitable[ClientConnection]]
"""Opens a connection within so many seconds."""


class _Turn:
    """What a caller in line is given: a connection, or the right to open one; or it is sent away."""

    __slots__ = ("connection", "sent_away")

    def __init__(self) -> None:
        self.connection: ClientConnection | None = None
        self.sent_away = False


class ConnectionPool:
    """Connections to one origin. Whoever gets one from `acquire` must `give_back` or `retire` it."""

    def __init__(self, name: str, connect: Connect, *, limit: int | None, idle_seconds: float) -> None:
        """Begin without connections.

        Args:
            name: The origin, for messages.
            connect: Opens a connection.
            limit: Connections at once, idle ones included; None for no limit.
            idle_seconds: An idle connection older than this is not used again.
        """
        self._name = name
        self._connect = connect
        self._limit = limit
        self._idle_seconds = idle_seconds
        self._idle: deque[ClientConnection] = deque()  # the one used last at the right
        self._busy: set[ClientConnection] = set()
        self._connecting = 0
        self._waiting: OrderedDict[trio.lowlevel.Task, _Turn] = OrderedDict()
        self._closed = False
        self._token = trio.lowlevel.current_trio_token()

    def __repr__(self) -> str:
        state = "closed, " if self._closed else ""
        counts = f"{len(self._busy)} busy, {self._connecting} connecting, {len(self._idle)} idle"
        limit = "" if self._limit is None else f", limit {self._limit}"
        return f"<ConnectionPool {self._name}: {state}{counts}, {len(self._waiting)} waiting{limit}>"

    async def acquire(self, pool_seconds: float | None, connect_seconds: float | None) -> ClientConnection:
        """Return a connection for one request: an idle one, else a new one.

        Args:
            pool_seconds: Longest wait for a turn; None for ever.
            connect_seconds: Longest time for opening a connection; None for ever.

        Raises:
            httpx.PoolTimeout: All connections stayed busy.
            httpx.ConnectError, httpx.ConnectTimeout: There is no connection to be had.

        Checkpoint: only if there is no idle connection. If cancelled: nothing is taken.
        """
        connection = self._take_idle()
        if connection is not None:
            return connection
        if self._limit is None or len(self._busy) + self._connecting < self._limit:
            self._connecting += 1
        else:
            connection = await self._wait_turn(pool_seconds)
        return connection or await self._open(connect_seconds)

    def give_back(self, connection: ClientConnection) -> None:
        """Let the next request use `connection`: its answer has been read to the end.

        Whether anything follows it, which nobody asked for, is looked at when it is used again.
        """
        if self._closed or (self._waiting and connection.link.has_input()):
            self.retire(connection)
            return
        connection.reused = True
        if self._waiting:
            self._next_in_line().connection = connection  # it stays busy
            return
        self._busy.discard(connection)
        connection.idle_since = trio.current_time()
        self._idle.append(connection)

    def retire(self, connection: ClientConnection) -> None:
        """Close `connection`, which is never used again; its place goes to the next in line."""
        connection.link.close()
        if connection in self._busy:
            self._busy.remove(connection)
            self._free_place()

    def retire_soon(self, connection: ClientConnection) -> None:
        """Retire `connection` from any thread, as garbage collection may have to; nothing happens after the run."""
        with contextlib.suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self.retire, connection)

    def close(self) -> None:
        """Close every connection and send away who waits; nothing can be acquired any more."""
        self._closed = True
        while self._idle:
            self._idle.pop().link.close()
        for connection in self._busy:
            connection.link.close()
        while self._waiting:
            self._next_in_line().sent_away = True

    def _take_idle(self) -> ClientConnection | None:
        if self._closed:
            raise self._closed_error()
        idle = self._idle
        if not idle:
            return None
        oldest_fit = trio.current_time() - self._idle_seconds
        while idle and idle[0].idle_since <= oldest_fit:
            idle.popleft().link.close()
        while idle:
            connection = idle.pop()
            if not connection.link.has_input():
                self._busy.add(connection)
                return connection
            connection.link.close()  # the server has closed it, or said something nobody asked for
        return None

    async def _wait_turn(self, seconds: float | None) -> ClientConnection | None:
        """Return a connection, or None for the right to open one."""
        task, turn = trio.lowlevel.current_task(), _Turn()

        def leave(_: object) -> trio.lowlevel.Abort:
            del self._waiting[task]
            return trio.lowlevel.Abort.SUCCEEDED

        with trio.move_on_after(float("inf") if seconds is None else seconds):
            self._waiting[task] = turn
            await trio.lowlevel.wait_task_rescheduled(leave)
            if turn.sent_away:
                raise self._closed_error()
            return turn.connection
        raise httpx.PoolTimeout(f"all {self._limit} connections to {self._name} stayed in use for {seconds:g} s")

    async def _open(self, seconds: float | None) -> ClientConnection:
        """Open a connection; the right to do so has been counted."""
        try:
            connection = await self._connect(seconds)
        except BaseException:
            self._connecting -= 1
            self._free_place()
            raise
        self._connecting -= 1
        self._busy.add(connection)
        if self._closed:
            self.retire(connection)
            raise self._closed_error()
        return connection

    def _free_place(self) -> None:
        """A connection less: the next in line may open one."""
        if self._waiting and not self._closed:
            self._next_in_line()
            self._connecting += 1

    def _next_in_line(self) -> _Turn:
        """Wake who has waited longest."""
        task, turn = self._waiting.popitem(last=False)
        trio.lowlevel.reschedule(task)
        return turn

    def _closed_error(self) -> httpx.ConnectError:
        return httpx.ConnectError(f"the transport to {self._name} has been closed; open another one")
