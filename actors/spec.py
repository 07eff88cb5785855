"""What a child is and how it is to be kept alive: frozen data, no behaviour."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Generic, Literal, TypeVar

import msgspec

__all__ = ["Backoff", "BatchHandler", "ChildSpec", "Handler", "Intensity", "Request", "Strategy", "SupervisorSpec"]

M = TypeVar("M")
R_co = TypeVar("R_co", covariant=True)

Handler = Callable[[M], Awaitable[Any]]
BatchHandler = Callable[[list[M]], Awaitable[list[Any]]]
Strategy = Literal["one_for_one", "one_for_all", "rest_for_one"]


class Request(Generic[R_co]):
    """Mark a message type with the type of its reply: `class Get(msgspec.Struct, Request[int])`."""

    __slots__ = ()


class Intensity(msgspec.Struct, frozen=True):
    """Restart budget: `limit` restarts within a sliding window of `period` seconds."""

    limit: int = 5
    period: float = 60.0

    def __post_init__(self) -> None:
        if type(self.limit) is not int or self.limit < 0 or not self.period > 0:  # `not >` also refuses NaN
            raise ValueError(f"need a whole limit >= 0 and period > 0, got {self.limit!r} and {self.period!r}")


class Backoff(msgspec.Struct, frozen=True):
    """Waits between restarts, in seconds: `initial * factor**n`, at most `maximum`, spread by `jitter` (0..1).

    An incarnation that lived for `healthy_after` seconds starts the count again.
    """

    initial: float = 0.1
    factor: float = 2.0
    maximum: float = 30.0
    jitter: float = 0.1
    healthy_after: float = 10.0

    def __post_init__(self) -> None:
        ordered = 0 <= self.initial <= self.maximum and self.factor >= 1 and 0 <= self.jitter <= 1
        if not (ordered and self.healthy_after >= 0):
            raise ValueError(f"need 0 <= initial <= maximum, factor >= 1, 0 <= jitter <= 1, got {self}")


class ChildSpec(msgspec.Struct, Generic[M], frozen=True, kw_only=True):
    """One actor.

    Attributes:
        name: Any text, unique among its siblings. With a `/` in it, its path may be that of another actor as well.
        start: Opens one incarnation: entering is its start (it is ready once entered), the value is its message
            handler, leaving is its clean-up.
        mailbox: Messages that may wait, >= 1.
        restart: `permanent` always, `transient` after a crash only, `temporary` never.
        workers: Messages handled at the same time, >= 1. They are started in order and may finish in any.
        batch: Above 1, the handler gets a list of up to this many messages (whatever waits when it is free) and
            returns the list of their replies; a reply that is one of the `reply_errors` is raised to its asker.
        intensity, backoff: How often and how soon it is restarted.
        start_grace: Seconds that entering `start` may take; past it the start is cancelled and counts as a crash.
        stop_grace: Seconds for queued mail at a stop, before the handlers are cancelled.
        cleanup_grace: Seconds that leaving `start` may take once its handlers have ended.
        while_restarting: `keep` leaves mail in its (bounded) box between incarnations; `fail` refuses it.
        abandoned: What becomes of an ask whose caller is gone. `skip`: not started, but finished once started.
            `cancel`: not started, and cancelled once started. `run`: handled as if the caller were there.
        reply_errors: Errors that are answers: they reach the asker as they are and are no crash.
    """

    name: str
    start: Callable[[], AbstractAsyncContextManager[Handler[M] | BatchHandler[M]]]
    mailbox: int
    restart: Literal["permanent", "transient", "temporary"] = "permanent"
    workers: int = 1
    batch: int = 1
    intensity: Intensity = Intensity()
    backoff: Backoff = Backoff()
    start_grace: float = math.inf
    stop_grace: float = 5.0
    cleanup_grace: float = 5.0
    while_restarting: Literal["keep", "fail"] = "keep"
    abandoned: Literal["skip", "cancel", "run"] = "skip"
    reply_errors: tuple[type[Exception], ...] = ()

    def __post_init__(self) -> None:
        _require_types(self)
        if not callable(self.start):
            raise TypeError(f"`{self.name}`: start must be a function that opens an incarnation, got {self.start!r}")
        if not all(isinstance(error, type) and issubclass(error, Exception) for error in self.reply_errors):
            raise TypeError(f"`{self.name}`: reply_errors must be exception types, got {self.reply_errors!r}")
        if self.mailbox < 1 or self.workers < 1:
            raise ValueError(
                f"`{self.name}`: need mailbox >= 1 and workers >= 1, got {self.mailbox} and {self.workers}"
            )
        if self.batch < 1 or (self.batch > 1 and self.abandoned == "cancel"):
            raise ValueError(f"`{self.name}`: need batch >= 1, and batch = 1 with abandoned='cancel'")
        if not (self.start_grace > 0 and self.stop_grace >= 0 and self.cleanup_grace >= 0):
            raise ValueError(f"`{self.name}`: need start_grace > 0, stop_grace >= 0 and cleanup_grace >= 0")


class SupervisorSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A supervisor: its strategy, and `total`, the restart budget over all its children together (none on demand)."""

    name: str
    strategy: Strategy = "one_for_one"
    total: Intensity = Intensity(limit=20, period=60.0)
    restart: Literal["permanent", "transient", "temporary"] = "permanent"
    intensity: Intensity = Intensity()
    backoff: Backoff = Backoff()

    def __post_init__(self) -> None:
        _require_types(self)


_CHOICES: dict[str, tuple[str, ...]] = {
    "restart": ("permanent", "transient", "temporary"),
    "strategy": ("one_for_one", "one_for_all", "rest_for_one"),
    "while_restarting": ("keep", "fail"),
    "abandoned": ("skip", "cancel", "run"),
}
_TYPES: dict[str, type | tuple[type, ...]] = {
    "name": str,
    "mailbox": int,
    "workers": int,
    "batch": int,
    "intensity": Intensity,
    "total": Intensity,
    "backoff": Backoff,
    "start_grace": (int, float),
    "stop_grace": (int, float),
    "cleanup_grace": (int, float),
    "reply_errors": tuple,
}


def _require_types(spec: ChildSpec[Any] | SupervisorSpec) -> None:
    """Refuse what a type checker would: a misspelt policy must not mean "never restarted"."""
    for field in spec.__struct_fields__:
        value = getattr(spec, field)
        if field in _CHOICES and value not in _CHOICES[field]:
            raise ValueError(f"`{spec.name}`: {field} must be one of {', '.join(_CHOICES[field])}, got {value!r}")
        if field in _TYPES and (not isinstance(value, _TYPES[field]) or isinstance(value, bool)):
            raise TypeError(f"`{spec.name}`: {field} has the wrong type, got {value!r}")
