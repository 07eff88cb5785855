"""The ASGI 3 calling convention as types. Pure data."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import trio

__all__ = ["LEAVING_CANCELS", "ASGIApp", "ClientLeft", "Event", "LeavingCancels", "Receive", "Scope", "Send"]

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]


LeavingCancels = Callable[[trio.CancelScope | None], None]

LEAVING_CANCELS = "arawn.leaving_cancels"
"""Key of an extension: a function that has a scope cancelled when the client leaves, and lets go of it when given None.

It tells the same as waiting for `http.disconnect` beside the work, and takes no task. To be used once the body has been
read, and let go of before the application returns.
"""


class ClientLeft(OSError):
    """The client closed the connection before its answer was complete; nothing more can be sent to it."""
