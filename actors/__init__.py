"""A small actor runtime on trio: bounded mailboxes, supervision, and no lost caller.

`open_supervisor` opens a tree; `Supervisor.start` starts an actor from a `ChildSpec` and returns its `Ref`.
`actors.events` has the life-cycle events, `actors.testing` the tools for tests, `actors.watchdog` what names a
task that holds the thread.
"""

from actors._on_demand import OnDemand
from actors._root import open_supervisor
from actors._supervisor import Supervisor
from actors.errors import (
    ActorError,
    AskCycle,
    HandlerFailed,
    MailboxFull,
    NotStarted,
    OutcomeUnknown,
    Restarting,
    Stopped,
    SupervisorGaveUp,
)
from actors.events import Event, Hook
from actors.ref import Ref, Reply
from actors.spec import Backoff, ChildSpec, Handler, Intensity, Request, Strategy, SupervisorSpec
from actors.status import Status

__all__ = [
    "ActorError",
    "AskCycle",
    "Backoff",
    "ChildSpec",
    "Event",
    "Handler",
    "HandlerFailed",
    "Hook",
    "Intensity",
    "MailboxFull",
    "NotStarted",
    "OnDemand",
    "OutcomeUnknown",
    "Ref",
    "Reply",
    "Request",
    "Restarting",
    "Status",
    "Stopped",
    "Strategy",
    "Supervisor",
    "SupervisorGaveUp",
    "SupervisorSpec",
    "open_supervisor",
]
