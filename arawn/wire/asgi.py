"""The ASGI 3 calling convention as types, and how its headers are read. Pure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, MutableMapping
from contextlib import AbstractContextManager
from typing import Any

__all__ = [
    "LEAVING_CANCELS",
    "ASGIApp",
    "ClientLeft",
    "Event",
    "LeavingCancels",
    "Receive",
    "Scope",
    "Send",
    "by_name",
]

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]


LeavingCancels = Callable[[], AbstractContextManager[None]]

LEAVING_CANCELS = "arawn.leaving_cancels"
"""Key of an extension: makes a block in which the application is cancelled when its client leaves.

It tells the same as waiting for `http.disconnect` beside the work, and takes no task. For after the body has been read;
one block at a time.
"""


def by_name(headers: Collection[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Return what each name says; lines of one name are one list (RFC 9110, 5.3)."""
    fields = dict(headers)
    if len(fields) < len(headers):
        fields.clear()
        for name, value in headers:
            fields[name] = fields[name] + b", " + value if name in fields else value
    return fields


class ClientLeft(OSError):
    """The client closed the connection before its answer was complete; nothing more can be sent to it."""
