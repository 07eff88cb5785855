"""Life-cycle events, and the hooks that hear them. Events go out only: nothing a hook does can hurt an actor."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from inspect import iscoroutinefunction

import msgspec

from actors.errors import shown

__all__ = [
    "BackingOff",
    "Crashed",
    "DeadLetter",
    "Ended",
    "Event",
    "GaveUp",
    "Hook",
    "Hooks",
    "Interrupted",
    "Passivated",
    "Started",
    "log_event",
]


class Started(msgspec.Struct, frozen=True, tag=True):
    """An incarnation is ready; the first is number 1."""

    actor: str
    incarnation: int


class Crashed(msgspec.Struct, frozen=True, tag=True):
    """An incarnation ended with `error`, `lived` seconds after it was begun; it need not have been ready."""

    actor: str
    incarnation: int
    error: Exception
    lived: float


class Interrupted(msgspec.Struct, frozen=True, tag=True):
    """An incarnation was ended by its supervisor, to start again with its group."""

    actor: str
    incarnation: int


class BackingOff(msgspec.Struct, frozen=True, tag=True):
    """An incarnation crashed or ended by itself; the next one begins in `delay` seconds."""

    actor: str
    delay: float


class Passivated(msgspec.Struct, frozen=True, tag=True):
    """An idle child on demand ended; its next message starts it again."""

    actor: str


class Ended(msgspec.Struct, frozen=True, tag=True):
    """The actor has ended for good; each actor has this as its last event, unless it was passivated."""

    actor: str
    reason: str


class GaveUp(msgspec.Struct, frozen=True, tag=True):
    """A supervisor spent its restart budget on `child`."""

    actor: str
    child: str
    error: Exception


class DeadLetter(msgspec.Struct, frozen=True, eq=False, tag=True):
    """A message that was sent and will not be handled, or whose error reply has nobody to go to.

    A message is a dead letter only if nobody else is told: what a send raises, or an asker gets, is no dead letter.

    Attributes:
        message: The message itself.
        started: Whether a handler has begun it; if not, sending it again is safe.
        error: What its asker would have got, had there been one.
    """

    actor: str
    message: object
    reason: str
    started: bool = False
    error: Exception | None = None


Event = Started | Crashed | Interrupted | BackingOff | Passivated | Ended | GaveUp | DeadLetter
Hook = Callable[[Event], None]


class Hooks:
    """Call every hook with every event; a hook that raises is counted in `failures` and hurts nobody."""

    def __init__(self, hooks: Iterable[Hook] = ()) -> None:
        self._hooks = tuple(hooks)
        for hook in self._hooks:
            if not callable(hook) or iscoroutinefunction(hook):
                raise TypeError(f"a hook must be a plain function of one event, got {hook!r}")
        self.failures = 0
        self.last_failure: Exception | None = None

    def emit(self, event: Event) -> None:
        """Pass `event` to each hook in turn. Synchronous: a hook that blocks blocks everything."""
        for hook in self._hooks:
            try:
                hook(event)
            except Exception as error:  # noqa: BLE001  # G19: a failing hook cannot hurt an actor; it is counted instead
                self.failures += 1
                self.last_failure = error


def log_event(event: Event) -> None:
    """Tell the logger `actors`: a crash or a spent budget as an error, a dead letter as a warning, all else as debug.

    Messages are named by their types: their content stays out of the log.
    """
    logger = logging.getLogger("actors")
    match event:
        case Crashed(actor, incarnation, error):
            logger.error("`%s`, incarnation %d, crashed", actor, incarnation, exc_info=error)
        case GaveUp(actor, child, error):
            logger.error("`%s` gave up: `%s` crashed too often; last: %s", actor, child, shown(error))
        case DeadLetter(actor, message, reason):
            logger.warning("`%s` to `%s` is a dead letter: %s", type(message).__name__, actor, reason)
        case _:
            logger.debug("%s", event)
