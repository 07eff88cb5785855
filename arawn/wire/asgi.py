"""The ASGI 3 calling convention as types. Pure data."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

__all__ = ["ASGIApp", "ClientLeft", "Event", "Receive", "Scope", "Send"]

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]


class ClientLeft(OSError):
    """The client closed the connection before its answer was complete; nothing more can be sent to it."""
