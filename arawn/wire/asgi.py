"""The ASGI 3 calling convention as types. Pure data."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

__all__ = ["LEAVING_CANCELS", "ASGIApp", "ClientLeft", "Event", "LeavingCancels", "Receive", "Scope", "Send"]

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]


LeavingCancels = Callable[[bool], None]

LEAVING_CANCELS = "arawn.leaving_cancels"
"""Key of an extension: a function that says whether the application is to be cancelled when its client leaves.

It tells the same as waiting for `http.disconnect` beside the work, and takes no task. True comes once the body has been
read, False before the application returns.
"""


class ClientLeft(OSError):
    """The client closed the connection before its answer was complete; nothing more can be sent to it."""
