"""What a supervisor knows of one child, and the pure decisions it takes from that."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, Protocol

import msgspec
import trio

from actors._backoff import RestartDelay
from actors._latch import Latch
from actors._seat import RunEnd
from actors._window import RestartWindow
from actors.errors import shown
from actors.events import Crashed, Hooks, Interrupted, Started
from actors.spec import ChildSpec, Strategy, SupervisorSpec
from actors.status import Status


class Seat(Protocol):
    """What an actor's seat and a nested supervisor have in common; see `ActorSeat` for each method."""

    path: str
    hooks: Hooks
    stopping: bool
    stopped: Latch
    on_stop: Callable[[Any], None]

    @property
    def spec(self) -> ChildSpec[Any] | SupervisorSpec: ...
    def begin(self) -> None: ...
    async def run(self, ready: Callable[[], None]) -> RunEnd: ...
    def request_stop(self, grace: float | None = None) -> None: ...
    def interrupt(self, reason: str) -> None: ...
    def rest(self, reason: str, *, refuse: bool) -> None: ...
    def finalise(self, reason: str, cause: Exception | None = None) -> None: ...
    def status(self) -> Status: ...


class Child:
    """One seat with its restart policy and the story of its incarnations.

    Attributes:
        hired: Whether it has ever been ready; a child that fails before that is its starter's business alone.
        alive: Whether an incarnation exists, from its beginning to the end of its clean-up.
        ready: Whether the present or last incarnation got as far as handling mail.
        outcome: How the last incarnation ended.
        group: Those it is to be started again with; None if it is not.
    """

    def __init__(self, name: str, seat: Seat, spec: ChildSpec[Any] | SupervisorSpec) -> None:
        self.name = name
        self.seat = seat
        self.restart = spec.restart
        self.refuses_mail = isinstance(spec, ChildSpec) and spec.while_restarting == "fail"
        self.hired = False
        self.alive = False
        self.ready = False
        self.incarnation = 0
        self.born = self.ready_at = 0.0
        self.outcome: RunEnd | Exception | None = None
        self.last_crash: str | None = None
        self.next_start: float | None = None
        self.group: Group | None = None
        self.settled = Latch()
        self.ended = Latch()
        self._window: RestartWindow | None = None  # most never crash
        self._delay: RestartDelay | None = None

    def renew(self) -> None:
        """Forget past crashes: a supervisor that lives again judges its children anew."""
        self._window = self._delay = None

    def within_budget(self, now: float) -> bool:
        """Record a crash at `now`; say whether another restart is in the child's own budget."""
        if self._window is None:
            self._window = RestartWindow(self.seat.spec.intensity)
        return self._window.allows(now)

    def restart_delay(self, now: float) -> float:
        """Return the seconds until the next incarnation of a child that crashed at `now`."""
        if self._delay is None:
            self._delay = RestartDelay(self.seat.spec.backoff, seed=self.seat.path)
        return self._delay.after(now - self.ready_at if self.ready else 0.0)  # a slow start is no healthy spell

    def begin(self, now: float) -> None:
        """A new incarnation begins to start; the one before it must have ended."""
        assert not self.alive, f"`{self.seat.path}` would have two incarnations"
        self.incarnation += 1
        self.born, self.ready_at, self.alive, self.ready = now, now, True, False
        self.outcome = self.next_start = None
        self.settled, self.ended = Latch(), Latch()
        self.seat.begin()

    async def live(self, tell: Callable[[Child], None]) -> None:
        """Run the incarnation to its end, clean-up included; how it ended is its `outcome`, and then `tell` is called.

        Checkpoint: as `ActorSeat.run`.
        If cancelled: the incarnation is cut short, and this is over when its clean-up is; there is no `outcome`.
        """
        hooks = self.seat.hooks
        try:
            self.outcome = await self.seat.run(self._become_ready)
        except Exception as error:  # noqa: BLE001  # the supervisor judges it, or whoever waits for the start raises it
            self.outcome = error
            self.last_crash = shown(error)
            hooks.emit(Crashed(self.seat.path, self.incarnation, error, trio.current_time() - self.born))
        finally:
            self.alive = False
            self.settled.set()
            self.ended.set()
        if self.outcome == "interrupted":
            hooks.emit(Interrupted(self.seat.path, self.incarnation))
        tell(self)

    def _become_ready(self) -> None:
        self.hired = self.ready = True
        self.ready_at = trio.current_time()
        self.settled.set()
        self.seat.hooks.emit(Started(self.seat.path, self.incarnation))

    async def interrupt(self, reason: str) -> None:
        """End the incarnation there is, if any, and wait until it has ended.

        Checkpoint: only if there is one.
        If cancelled: it ends all the same.
        """
        if self.alive:
            self.seat.interrupt(reason)
            await self.wait_ended()

    async def wait_ended(self) -> None:
        """Wait until no incarnation is alive.

        Checkpoint: only if one is.
        If cancelled: nothing has changed.
        """
        if self.alive:
            await self.ended.wait()

    def rest(self, due: float) -> None:
        """Sit until the next incarnation begins at `due`."""
        self.next_start = due
        self.seat.rest(f"it restarts in {due - trio.current_time():.3g} s", refuse=self.refuses_mail)

    @property
    def comes_back(self) -> bool:
        """Whether the policy has another incarnation follow the last one, which has ended on its own."""
        return wants_restart(self.restart, crashed=isinstance(self.outcome, Exception))

    @property
    def is_over(self) -> bool:
        """Whether the last incarnation has ended on its own, and no other is to follow."""
        ended = self.outcome == "finished" or isinstance(self.outcome, Exception)
        return ended and not self.alive and not self.comes_back

    def status(self, now: float) -> Status:
        """Return the seat's snapshot with the supervisor's knowledge added."""
        return msgspec.structs.replace(
            self.seat.status(),
            restarts=max(0, self.incarnation - 1),
            last_crash=self.last_crash,
            next_restart_s=None if self.next_start is None else max(0.0, self.next_start - now),
        )


class Group:
    """Children to be started again together, left to right, at `due`; a child is a member of one group at most."""

    def __init__(self, members: list[Child], due: float) -> None:
        self.due = due
        self.scope = trio.CancelScope()
        self._members = list(members)
        for child in members:
            child.group = self

    def dissolve(self, reason: str) -> None:
        """Start nobody any more, from this very moment."""
        for child in self._members:
            if child.group is self:
                child.group = None
        self.scope.cancel(reason=reason)

    def leaving(self) -> Iterator[Child]:
        """Hand out the members right to left, as long as they are members."""
        return (child for child in reversed(self._members) if child.group is self)

    def taking(self) -> Iterator[Child]:
        """Hand out the members still to be started, each leaving the group as it goes."""
        for child in self._members:
            if child.group is self:
                child.group = None
                yield child


def affected(strategy: Strategy, crashed: Child, children: Iterable[Child]) -> list[Child]:
    """Return the children to restart when `crashed` has crashed, in start order."""
    if strategy == "one_for_one":
        return [crashed]
    hired = [child for child in children if child.hired and not child.seat.stopping]
    return hired if strategy == "one_for_all" else hired[hired.index(crashed) :]


def wants_restart(policy: Literal["permanent", "transient", "temporary"], *, crashed: bool) -> bool:
    """Say whether an incarnation that ended on its own is followed by another."""
    return policy == "permanent" or (policy == "transient" and crashed)
