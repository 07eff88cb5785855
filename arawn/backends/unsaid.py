"""What of one request its dialect cannot say, or has to say otherwise. Pure."""

from __future__ import annotations

from typing import Any

from arawn.backends.protocol import EncodedRequest

__all__ = ["Unsaid"]


class Unsaid:
    """Takes note while a request is encoded; what happens to several parts alike is noted once."""

    def __init__(self) -> None:
        self._warnings: dict[str, None] = {}
        self._left_out: dict[str, None] = {}

    def left_out(self, name: str, warning: str) -> None:
        """Note that the parts called `name` were left out; `warning` says why."""
        self._left_out[name] = None
        self._warnings[warning] = None

    def changed(self, warning: str) -> None:
        """Note that something is said otherwise, as `warning` tells."""
        self._warnings[warning] = None

    def encoded(self, body: dict[str, Any]) -> EncodedRequest:
        """Return the request with what was noted."""
        return EncodedRequest(body, tuple(self._warnings), tuple(self._left_out))
