"""Errors, sorted by what the caller may do next.

ActorError
├── NotStarted              the handler did not run: safe to send again
│   ├── MailboxFull         a `*_nowait` found no room
│   ├── Restarting          the actor is between two incarnations and its spec says to fail fast
│   └── Stopped             the actor has stopped for good
├── HandlerFailed           the handler ran and raised; cause attached; effects possible
├── OutcomeUnknown          taken, then the actor was cancelled or killed
├── AskCycle                programming error: names the cycle
└── SupervisorGaveUp        restart budget spent; last crash as cause
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = [
    "ActorError",
    "AskCycle",
    "HandlerFailed",
    "MailboxFull",
    "NotStarted",
    "OutcomeUnknown",
    "Restarting",
    "Stopped",
    "SupervisorGaveUp",
]


class ActorError(Exception):
    """Root of the errors raised by the actor runtime itself."""


class NotStarted(ActorError):
    """The message was never handled: sending it again is safe."""


class MailboxFull(NotStarted):
    """A `*_nowait` call found the mailbox at its bound."""


class Restarting(NotStarted):
    """The actor is between two incarnations and refuses mail meanwhile."""


class Stopped(NotStarted):
    """The actor has stopped for good, or was stopped before this message was taken."""


class HandlerFailed(ActorError):
    """The handler raised an error that its spec does not declare; `__cause__` is that error. Effects are possible."""


class OutcomeUnknown(ActorError):
    """The handler was cancelled while it worked on the message: it may have had any part of its effects."""


class AskCycle(ActorError):
    """Waiting for this answer would wait for itself; `names` lists the actors of the cycle in order."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        super().__init__("ask cycle: " + " -> ".join(f"`{name}`" for name in self.names))


class SupervisorGaveUp(ActorError):
    """A child crashed more often than its restart intensity allows; `__cause__` is the last crash."""


def shown(error: BaseException) -> str:
    """Word an error, by its leaf if it is a group of one; a broken `__repr__` must not break who tells of it."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    try:
        return repr(error)
    except Exception:  # noqa: BLE001  # user code, called for its words only
        return type(error).__name__
