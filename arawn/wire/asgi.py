"""The ASGI 3 calling convention as types. Pure data."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AbstractContextManager
from typing import Any

__all__ = ["LEAVING_CANCELS", "ASGIApp", "ClientLeft", "Event", "LeavingCancels", "Receive", "Scope", "Send"]

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


class ClientLeft(OSError):
    """The client closed the connection before its answer was complete; nothing more can be sent to it."""
