"""How a backend is: a state that anyone can wait for, and whose changes are told, a line of the program's log each."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Literal

import msgspec
from trio_util import AsyncValue  # type: ignore[import-untyped]

__all__ = ["BackendHealth", "ToldHealth", "change_words"]

_LOG = logging.getLogger("arawn.backends")
_NEXT = {
    "degraded": "`arawn backends test {name}` asks it again",
    "open": "its calls fail at once, but for probes that find out when it is over",
    "unavailable": "its calls fail at once; it is tried again by itself",
}


class BackendHealth(msgspec.Struct, frozen=True):
    """How it is, why, and since when.

    `starting`; `ready`; `degraded`: the last call failed; `open`: too many did in a row, so calls fail at once but for
    one probe at a time; `unavailable`: calls fail at once.
    """

    state: Literal["starting", "ready", "degraded", "open", "unavailable"] = "starting"
    reason: str | None = None
    since: datetime | None = None


class ToldHealth(AsyncValue):  # type: ignore[misc]  # trio_util is untyped
    """A `BackendHealth` to wait for; each new state that is not well is a warning, and so is the end of it.

    What lasts is told once, however many calls find it so. `starting` says nothing: it passes. How the backend is when
    it has just been made is told by whoever makes it.
    """

    def __init__(self, name: str) -> None:
        """`name` is the profile's, for the words."""
        super().__init__(BackendHealth())
        self._name = name
        self._told: BackendHealth | None = None

    @property
    def value(self) -> BackendHealth:
        """How the backend is."""
        health: BackendHealth = AsyncValue.value.fget(self)
        return health

    @value.setter
    def value(self, health: BackendHealth) -> None:
        words = change_words(self._name, self._told, health)
        if words is not None:
            self._told = None if health.state == "ready" else health
            if self.value.since is not None:
                _LOG.warning("%s", words)
        AsyncValue.value.fset(self, health)


def change_words(name: str, told: BackendHealth | None, health: BackendHealth) -> str | None:
    """Return what to say of a profile that is now so; None if there is nothing new.

    Args:
        name: The profile's.
        told: What was said last, if the profile was not well by then.
        health: How it is.
    """
    if health.state == "ready":
        return None if told is None else f"profile `{name}` is ready; it was {told.state}"
    if health.state not in _NEXT or (told is not None and told.state == health.state):
        return None
    reason = " ".join((health.reason or "").split())
    return f"profile `{name}` is {health.state}: {reason}; {_NEXT[health.state].format(name=name)}"
