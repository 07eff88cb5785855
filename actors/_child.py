"""What a supervisor knows of one child, and the pure decisions it takes from that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal, Protocol

import msgspec
import trio

from actors._backoff import RestartDelay
from actors._seat import RunEnd
from actors._window import RestartWindow
from actors.spec import ChildSpec, Strategy, SupervisorSpec
from actors.status import Status


class Seat(Protocol):
    """What an actor's seat and a nested supervisor have in common; see `ActorSeat` for each method."""

    path: str
    stopping: bool
    stopped: trio.Event
    on_stop: Callable[[], None]

    async def run(self, ready: Callable[[], None]) -> RunEnd: ...
    def request_stop(self, grace: float | None = None) -> None: ...
    def interrupt(self, reason: str) -> None: ...
    def rest(self, reason: str, *, refuse: bool) -> None: ...
    def finalise(self, reason: str) -> None: ...
    def status(self) -> Status: ...


class Child:
    """One seat with its restart policy and the story of its incarnations."""

    def __init__(self, seat: Seat, spec: ChildSpec[Any] | SupervisorSpec) -> None:
        self.seat = seat
        self.name = spec.name
        self.restart = spec.restart
        self.refuses_mail = isinstance(spec, ChildSpec) and spec.while_restarting == "fail"
        self.window = RestartWindow(spec.intensity)
        self.delay = RestartDelay(spec.backoff, seed=seat.path)
        self.incarnation = 0
        self.born = 0.0
        self.alive = False
        self.ready = False
        self.last_crash: Exception | None = None
        self.next_start: float | None = None
        self.settled = trio.Event()
        self.ended = trio.Event()

    def begin(self, now: float) -> None:
        """A new incarnation begins to start."""
        self.incarnation += 1
        self.born, self.alive, self.ready, self.next_start = now, True, False, None
        self.settled, self.ended = trio.Event(), trio.Event()

    def settle(self) -> None:
        """The incarnation is ready."""
        self.ready = True
        self.settled.set()

    def end(self) -> None:
        """The incarnation has ended, clean-up included."""
        self.alive = False
        self.settled.set()
        self.ended.set()

    def status(self, now: float) -> Status:
        """Return the seat's snapshot with the supervisor's knowledge added."""
        return msgspec.structs.replace(
            self.seat.status(),
            restarts=max(0, self.incarnation - 1),
            last_crash=None if self.last_crash is None else repr(self.last_crash),
            next_restart_s=None if self.next_start is None else max(0.0, self.next_start - now),
        )


class Pending:
    """A group waiting to be started again, left to right, at `due`."""

    def __init__(self, group: list[Child], due: float) -> None:
        self.due = due
        self.scope = trio.CancelScope()
        self._group = list(group)

    def __contains__(self, child: Child) -> bool:
        return child in self._group

    def remove(self, child: Child) -> None:
        """Take a child out that is not to be started any more."""
        if child in self._group:
            self._group.remove(child)

    def taking(self) -> Iterator[Child]:
        """Hand out the children still to be started, each leaving the group as it goes."""
        while self._group:
            yield self._group.pop(0)


def affected(strategy: Strategy, crashed: Child, children: list[Child]) -> list[Child]:
    """Return the children to restart when `crashed` has crashed, in start order."""
    if strategy == "one_for_one":
        return [crashed]
    first = 0 if strategy == "one_for_all" else children.index(crashed)
    return [child for child in children[first:] if child is crashed or child.incarnation > 1 or child.ready]


def wants_restart(policy: Literal["permanent", "transient", "temporary"], *, crashed: bool) -> bool:
    """Say whether an incarnation that ended on its own is followed by another."""
    return policy == "permanent" or (policy == "transient" and crashed)
