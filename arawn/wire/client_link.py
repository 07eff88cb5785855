"""The bytes below HTTP: a connected socket, bare or under TLS. Knows how much has been sent and when a wait is due.

Beside trio's own streams these save what a request can do without: sending tries the socket at once and passes through
the scheduler only if that would block, and closing needs no await, so a connection can be retired anywhere.
"""

from __future__ import annotations

import select
import socket
import ssl
from typing import Protocol

import trio

__all__ = ["Link", "PlainLink", "TlsLink"]

_READ_BYTES = 64 * 1024
_SEAL_BYTES = 64 * 1024


class Link(Protocol):
    """A connected byte stream. One task may send while another receives, no more."""

    @property
    def bytes_sent(self) -> int:
        """How many bytes the operating system has taken."""

    async def send(self, data: bytes) -> None:
        """Send all of `data`.

        Raises:
            trio.BrokenResourceError: The connection is gone.
            trio.ClosedResourceError: `close` was called.

        Checkpoint: only when it has to wait; a pending cancellation is taken before anything is sent.
        If cancelled: a part may have been sent.
        """

    async def receive(self) -> bytes:
        """Return what arrives next, b"" at the end.

        Raises:
            trio.BrokenResourceError: The connection is gone.
            trio.ClosedResourceError: `close` was called.

        Checkpoint: always on a bare socket; under TLS only when it has to wait. If cancelled: nothing is lost.
        """

    def has_input(self) -> bool:
        """Whether bytes, the end or a fault wait to be read: an idle connection must have none."""

    def close(self) -> None:
        """Close at once; whoever waits gets `trio.ClosedResourceError`. Closing twice does no harm."""


class PlainLink:
    """A connected TCP socket."""

    def __init__(self, sock: socket.socket) -> None:
        """Take over `sock`, which must not block and is closed by `close`."""
        self._socket = sock
        self._closed = False
        self._input = select.poll()
        self._input.register(sock, select.POLLIN)
        self.bytes_sent = 0

    async def send(self, data: bytes) -> None:
        """Send all of `data`; see `Link.send`."""
        await trio.lowlevel.checkpoint_if_cancelled()
        sent = self._try_send(data)
        if sent == len(data):
            return
        with memoryview(data) as view:
            while sent < len(view):
                await trio.lowlevel.wait_writable(self._socket)
                with view[sent:] as left:
                    sent += self._try_send(left)

    def _try_send(self, data: bytes | memoryview) -> int:
        if self._closed:
            raise trio.ClosedResourceError("this connection has been closed")
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise trio.BrokenResourceError(f"sending failed: {error.strerror}") from error
        self.bytes_sent += sent
        return sent

    async def receive(self) -> bytes:
        """Return what arrives next; see `Link.receive`."""
        while True:
            if self._closed:
                raise trio.ClosedResourceError("this connection has been closed")
            await trio.lowlevel.wait_readable(self._socket)
            try:
                return self._socket.recv(_READ_BYTES)
            except BlockingIOError:  # a false alarm
                continue
            except OSError as error:
                raise trio.BrokenResourceError(f"receiving failed: {error.strerror}") from error

    def has_input(self) -> bool:
        """Whether anything waits to be read; see `Link.has_input`."""
        return self._closed or bool(self._input.poll(0))  # once closed, the descriptor may be another's

    def close(self) -> None:
        """Close the socket; see `Link.close`."""
        if not self._closed:
            self._closed = True
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()


class TlsLink:
    """TLS over a socket. Closing sends no farewell: HTTP says itself where an answer ends."""

    def __init__(self, below: PlainLink, context: ssl.SSLContext, server_name: str) -> None:
        """Begin; `handshake` comes first.

        Args:
            below: A fresh connection; `close` closes it too.
            context: Says whom to trust.
            server_name: The name that the certificate must carry.
        """
        self._below = below
        self._arrived = ssl.MemoryBIO()
        self._sealed = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._arrived, self._sealed, server_hostname=server_name)

    @property
    def bytes_sent(self) -> int:
        """Encrypted bytes that the operating system has taken."""
        return self._below.bytes_sent

    async def handshake(self) -> None:
        """Agree on keys and check the certificate.

        Raises:
            ssl.SSLError: There is no agreement, or no trust.
            trio.BrokenResourceError: The connection is gone.

        Checkpoint: always. If cancelled: the link is of no use any more; close it.
        """
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
                await self._fill()
                continue
            await self._flush()
            return

    async def send(self, data: bytes) -> None:
        """Send all of `data`, a bounded part at a time; see `Link.send`."""
        await trio.lowlevel.checkpoint_if_cancelled()
        with memoryview(data) as view:
            for start in range(0, len(view), _SEAL_BYTES):
                with view[start : start + _SEAL_BYTES] as part:
                    self._seal(part)
                await self._flush()

    def _seal(self, part: memoryview) -> None:
        try:
            self._tls.write(part)  # into memory, which takes everything
        except ssl.SSLError as error:
            raise trio.BrokenResourceError(f"TLS failed while sending: {error.reason}") from error

    async def receive(self) -> bytes:
        """Return what arrives next; see `Link.receive`.

        An end without TLS's own farewell counts as an end: HTTP's framing tells whether the answer was complete.
        """
        while True:
            try:
                return self._tls.read(_READ_BYTES)
            except ssl.SSLWantReadError:
                await self._fill()  # never sends: another task may be in the middle of that
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""
            except ssl.SSLError as error:
                raise trio.BrokenResourceError(f"TLS failed while receiving: {error.reason}") from error

    async def _fill(self) -> None:
        data = await self._below.receive()
        if data:
            self._arrived.write(data)
        else:
            self._arrived.write_eof()

    async def _flush(self) -> None:
        if self._sealed.pending:
            await self._below.send(self._sealed.read())

    def has_input(self) -> bool:
        """Whether anything waits, in the socket or not yet decrypted; see `Link.has_input`."""
        return bool(self._arrived.pending) or self._tls.pending() > 0 or self._below.has_input()

    def close(self) -> None:
        """Close the socket below; see `Link.close`."""
        self._below.close()
