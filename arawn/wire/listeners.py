"""Listening sockets: TCP by name and port, Unix by path with rules for who owns the file."""

from __future__ import annotations

import errno
import logging
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trio

__all__ = ["open_tcp_listeners", "open_unix_listener"]

_BACKLOG = 1024
_LOG = logging.getLogger("arawn.wire")
_PATH_BYTES = 107  # the longest path that fits the kernel's address structure


async def open_tcp_listeners(host: str, port: int) -> list[trio.SocketListener]:
    """Return one listener for each address of `host`; port 0 lets the system choose.

    Raises:
        OSError: The name has no address, or an address is in use.

    Checkpoint: always. If cancelled: nothing is left open.
    """
    return list(await trio.open_tcp_listeners(port, host=host, backlog=_BACKLOG))


@contextmanager
def open_unix_listener(path: Path) -> Iterator[trio.SocketListener]:
    """Listen on a Unix socket at `path`, mode 0600, and remove the file at the end if it is still ours.

    A socket file that nobody answers on is left over from a crash and replaced.

    Raises:
        OSError: Somebody answers on `path`, something else than a socket is there, or the path is too long.
    """
    if len(os.fsencode(path)) > _PATH_BYTES:
        raise OSError(
            errno.ENAMETOOLONG, f"a Unix socket path may have {_PATH_BYTES} bytes; choose one shorter", str(path)
        )
    _remove_stale(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.bind(os.fspath(path))
        path.chmod(0o600)  # before `listen`: until then nobody can connect
        identity = _identity(path)
        sock.listen(_BACKLOG)
        try:
            yield trio.SocketListener(trio.socket.from_stdlib_socket(sock))
        finally:
            if _identity(path) == identity:
                _remove(path)


def _remove(path: Path) -> None:
    try:
        path.unlink()
    except OSError as error:  # its directory was made read-only meanwhile; nobody answers on it any more
        _LOG.warning("the socket file `%s` cannot be removed: %s; remove it by hand", path, error.strerror)


def _remove_stale(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise FileExistsError(
            errno.EEXIST, "a file that is no socket is in the way; move it or choose another path", str(path)
        )
    if _is_answered(path):
        raise OSError(
            errno.EADDRINUSE, "another process answers on this socket; stop it or choose another path", str(path)
        )
    path.unlink(missing_ok=True)


def _is_answered(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(os.fspath(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except BlockingIOError:  # its queue is full, so it has one
            return True
    return True


def _identity(path: Path) -> tuple[int, int, int] | None:
    """Return what tells our socket file from a later one; inode numbers alone are used again."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino, found.st_ctime_ns
