"""Accepts all connections that wait, not one in each pass of the scheduler: under load a pass takes milliseconds."""

from __future__ import annotations

import errno
import logging
import os
import socket
from collections import deque

import trio

__all__ = ["BurstListener"]

_LOG = logging.getLogger("arawn.wire")
_AT_ONCE = 64
_PAUSE_S = 0.1  # until accepting is tried again where something has run out
_SHORT = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS))
_GONE = frozenset(  # the one connection's trouble, or the network's (accept(2)), not the listener's
    getattr(errno, name)
    for name in (
        *("ECONNABORTED", "ECONNRESET", "EPERM", "EPROTO", "ENETDOWN", "ENETUNREACH", "EHOSTDOWN", "EHOSTUNREACH"),
        *("ENONET", "ENOPROTOOPT", "EOPNOTSUPP", "ETIMEDOUT"),
    )
    if hasattr(errno, name)  # macOS has no ENONET
)


class BurstListener(trio.abc.Listener[trio.SocketStream]):
    """What a `trio.SocketListener` accepts, without a checkpoint between connections that came together."""

    def __init__(self, listener: trio.SocketListener) -> None:
        """Accept from `listener`, which is closed with this one."""
        self._listener = listener
        self._socket = socket.socket(fileno=os.dup(listener.socket.fileno()))  # trio's own always has a checkpoint
        self._accepted: deque[socket.socket] = deque()
        self._short = False

    async def accept(self) -> trio.SocketStream:
        """Return the next connection. For want of descriptors it waits, and says so in the program's log, once.

        Raises:
            OSError: Accepting has become impossible.
            trio.ClosedResourceError: The listener was closed.

        Checkpoint: only if no connection waits. If cancelled: nothing is lost.
        """
        while not self._accepted:
            if self._socket.fileno() < 0:
                raise trio.ClosedResourceError("the listener has been closed")
            await trio.lowlevel.wait_readable(self._listener.socket)
            try:
                self._take()
            except OSError as error:
                if error.errno not in _SHORT:
                    raise
                self._complain(error)
                await trio.sleep(_PAUSE_S)
        self._short = False
        return trio.SocketStream(trio.socket.from_stdlib_socket(self._accepted.popleft()))

    def _complain(self, error: OSError) -> None:
        if not self._short:
            self._short = True
            _LOG.warning("no connection can be accepted: %s; raise `ulimit -n` (`LimitNOFILE=`)", error.strerror)

    def _take(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                self._accepted.append(self._socket.accept()[0])
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno not in _GONE:
                    if self._accepted:  # it comes again when these are served
                        return
                    raise

    async def aclose(self) -> None:
        """Close the listener, and the connections that nobody took.

        Checkpoint: always. If cancelled: everything is closed all the same.
        """
        while self._accepted:
            self._accepted.popleft().close()
        self._socket.close()
        await self._listener.aclose()
