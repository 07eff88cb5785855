"""Why an address cannot be listened on, and the remedy that fits the cause. Pure."""

from __future__ import annotations

import errno
import socket

__all__ = ["listen_fault"]

_ANOTHER = "give another address with `--listen` or `server.listen`"


def listen_fault(listen: str, error: OSError | UnicodeError) -> str:
    """Return what to say when `listen`, as `server.listen` has it, cannot be listened on because of `error`."""
    return f"cannot listen on `{listen}`: {_cause(listen.rpartition(':')[0], error)}"


def _cause(host: str, error: OSError | UnicodeError) -> str:
    if isinstance(error, UnicodeError):
        return f"`{host}` is no name of a machine; give a name or an address of this one, such as `127.0.0.1`"
    if isinstance(error, socket.gaierror):
        why = f"no address is known for the name `{host}` ({error.strerror})"
        return f"{why}; give a name or an address of this machine, such as `127.0.0.1`"
    if error.errno == errno.EADDRINUSE:
        return f"another process listens there; stop that process, or {_ANOTHER}"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"this machine has no address `{host}`; give one that it has, such as `127.0.0.1`, or `0.0.0.0` for all"
    if error.errno in {errno.EACCES, errno.EPERM}:
        return "permission denied, as for ports below 1024; give a port from 1024 on with `--listen` or `server.listen`"
    return f"{error.strerror or error}; {_ANOTHER}"
