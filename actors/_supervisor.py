"""Supervision: one task that hears of every ended incarnation and decides what starts again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import trio

from actors._child import Child, Group, affected
from actors._family import Family
from actors._latch import Latch
from actors._seat import ActorSeat, RunEnd, require_grace, tell_nobody
from actors._window import RestartWindow
from actors.errors import ActorError, SupervisorGaveUp, shown
from actors.events import BackingOff, GaveUp, Hooks
from actors.ref import Ref
from actors.spec import ChildSpec, SupervisorSpec
from actors.status import Status

if TYPE_CHECKING:
    from actors._on_demand import OnDemand

M = TypeVar("M")


class Supervisor(Family):
    """A running supervisor: starts children, restarts them by its strategy, stops them in reverse order.

    Its users call `start`, `start_supervisor`, `start_on_demand`, `stop`, `request_stop`, `status` and wait for
    `stopped`; `hooks.failures` counts hooks that raised. All else is for the supervisor above it.
    """

    kind = "supervisor"
    ordered = True  # children start one after the other, left to right

    def __init__(self, spec: SupervisorSpec, path: str, hooks: Hooks) -> None:
        super().__init__(path, hooks)
        self.spec = spec
        self.stopped = Latch()
        self.on_stop: Callable[[Supervisor], None] = tell_nobody
        self._stop_by: float | None = None
        self.begin()

    # -- children ---------------------------------------------------------------------------------------------------

    async def start(self, spec: ChildSpec[M]) -> Ref[M]:
        """Start a child and return its `Ref` once it is ready.

        Checkpoint: always.
        If cancelled: the child is stopped and forgotten.

        Raises:
            ValueError: The name is taken.
            Stopped, Restarting: The supervisor, or the child, was ended meanwhile.
            Exception: Whatever the child's own start raised.
        """
        seat = ActorSeat(spec, f"{self.path}/{spec.name}", self.hooks)
        await self._start(Child(spec.name, seat, spec))
        return Ref(self.path, spec.name, seat.mailbox.offer, lambda: seat, lambda: seat)

    async def start_supervisor(self, spec: SupervisorSpec) -> Supervisor:
        """Start a nested supervisor, without children yet; all else as for `start`."""
        nested = Supervisor(spec, f"{self.path}/{spec.name}", self.hooks)
        await self._start(Child(spec.name, nested, spec))
        return nested

    async def start_on_demand(
        self, spec: SupervisorSpec, make: Callable[[str], ChildSpec[Any]], *, idle_after: float
    ) -> OnDemand:
        """Start a supervisor whose children start with their first message; see `OnDemand`. All else as for `start`.

        Args:
            spec: The supervisor's spec; its strategy is `one_for_one`, for its children have no order, and its `total`
                is left out: each child has the `intensity` of its own spec only.
            make: Makes the spec of the child of a name.
            idle_after: Seconds, > 0, without mail or work after which a child ends.

        Raises:
            ValueError: The strategy, `total`, `idle_after` or the name cannot be taken.
        """
        from actors._on_demand import OnDemand

        if spec.strategy != "one_for_one":
            raise ValueError(f"`{spec.name}`: children on demand have no order; need one_for_one, got {spec.strategy}")
        if spec.total != SupervisorSpec(name=spec.name).total:
            raise ValueError(f"`{spec.name}`: children on demand are independent; leave out `total`, got {spec.total}")
        if not idle_after > 0:  # `not >` also refuses NaN
            raise ValueError(f"`{spec.name}`: need idle_after > 0, got {idle_after}")
        nested = OnDemand(spec, f"{self.path}/{spec.name}", self.hooks, make, idle_after)
        await self._start(Child(spec.name, nested, spec))
        return nested

    @property
    def _open(self) -> bool:
        return self._nursery is not None and not self._ending and self.state != "stopping"

    # -- one life of the supervisor ---------------------------------------------------------------------------------

    def begin(self) -> None:
        """Prepare the next life: from here on `interrupt` and `request_stop` reach it."""
        self.state, self._interrupted = "starting", False
        self._gave_up: SupervisorGaveUp | None = None
        self._total = RestartWindow(self.spec.total)
        self._ended: deque[Child] = deque()
        self._woken = trio.Event()
        self._nursery: trio.Nursery | None = None

    async def run(self, ready: Callable[[], None]) -> RunEnd:
        """Start the children there are, watch them until told to end, stop them right to left; return why they ended.

        Checkpoint: always.
        If cancelled: all below is cut short at once and in no order; its clean-ups keep their own deadlines.

        Raises:
            SupervisorGaveUp: A budget for restarts is spent; the last crash is its cause.
        """
        self._context = copy_context()
        async with trio.open_nursery() as self._nursery:
            try:
                self._nursery.start_soon(self._revive, ready)
                await self._watch()
            finally:
                await self._stop_children()  # noqa: ASYNC102  # shielded, and bounded by each child's deadlines
                self._nursery.cancel_scope.cancel(reason=f"`{self.path}` has stopped its children")
        if self._gave_up is not None:
            raise self._gave_up
        return "stopped" if self.stopping else "interrupted"

    async def _revive(self, ready: Callable[[], None]) -> None:
        """Start the children of an earlier life; without any, as the first time, this life is ready at once."""
        for child in self.children.values():
            child.renew()
        await self._restart_group(Group(list(self.children.values()), trio.current_time()))
        if not self._ending:
            self.state = "running"
            ready()

    @property
    def _ending(self) -> bool:
        return self.stopping or self._interrupted or self._gave_up is not None

    async def _watch(self) -> None:
        while not self._ending:
            if self._ended:
                self._after(self._ended.popleft())
            else:
                self._woken = trio.Event()
                await self._woken.wait()

    def _after(self, child: Child) -> None:
        """Decide what follows the end of one incarnation."""
        if child.seat.stopping:
            self._forget(child, "stopped")
        elif child.alive or not child.hired or child.group is not None:
            return  # news overtaken by its group's restart, or its starter's to hear
        elif not child.comes_back:
            self._forget(child, "ended and is not restarted")
        elif isinstance(child.outcome, Exception):
            self._restart(child, child.outcome)
        else:
            self._restart(child, ActorError(f"`{child.seat.path}` ended by itself"))

    def _restart(self, child: Child, error: Exception) -> None:
        now = trio.current_time()
        if not self._within_budget(child, now):
            self._give_up(child, error)
            return
        delay = child.restart_delay(now)
        members = affected(self.spec.strategy, child, self.children.values())
        self._dissolve_groups(members, f"a newer restart, of `{child.seat.path}`")
        group = Group(members, now + delay)
        for member in members:
            if not member.alive:
                member.rest(group.due)
        self.hooks.emit(BackingOff(child.seat.path, delay))
        assert self._nursery is not None
        self._nursery.start_soon(self._restart_group, group)

    def _dissolve_groups(self, members: Iterable[Child], reason: str) -> None:
        for member in members:
            if member.group is not None:
                member.group.dissolve(reason)

    def _within_budget(self, child: Child, now: float) -> bool:
        return child.within_budget(now) and self._total.allows(now)

    def _give_up(self, child: Child, error: Exception) -> None:
        self.hooks.emit(GaveUp(self.path, child.name, error))
        self._gave_up = SupervisorGaveUp(f"`{self.path}`: `{child.name}` crashed too often; last: {shown(error)}")
        self._gave_up.__cause__ = error

    async def _restart_group(self, group: Group) -> None:
        """End who lives, right to left; wait out the delay; start left to right, each once the one before is ready."""
        with group.scope:
            for child in group.leaving():
                await child.interrupt("restart of its group")
                child.rest(group.due)
                if child.restart == "temporary" or child.is_over:
                    self._forget(child, "ended with its group and is not restarted")
            await trio.sleep_until(group.due)
            for child in group.taking():
                self._begin(child)
                if not self.ordered:
                    continue
                await child.settled.wait()
                if not (child.ready or child.seat.stopping or child.is_over or self.spec.strategy == "one_for_one"):
                    group.dissolve("a crash of its own restarts it with those to its right")

    def _begin(self, child: Child) -> None:
        child.begin(trio.current_time())
        assert self._nursery is not None  # in the supervisor's own context, not in that of who asked for the child
        self._context.run(partial(self._nursery.start_soon, child.live, self._hear_of, name=child.seat.path))

    def _hear_of(self, child: Child) -> None:
        self._ended.append(child)
        self._woken.set()

    # -- the end of it ----------------------------------------------------------------------------------------------

    def request_stop(self, grace: float | None = None) -> None:
        """Begin the final stop of everything below; a second call can only shorten the grace (seconds, >= 0).

        A grace given here is one deadline for all; without one, each child has its own, one after the other.
        """
        require_grace(grace)
        if self.stopped.is_set():
            return
        self.stopping, self.state = True, "stopping"
        if grace is not None:
            by = trio.current_time() + grace
            self._stop_by = by if self._stop_by is None else min(self._stop_by, by)
            for child in list(self.children.values()):
                if child.seat.stopping:
                    child.seat.request_stop(grace)
        self._woken.set()
        self.on_stop(self)

    async def stop(self, grace: float | None = None) -> None:
        """Stop everything below, right to left; `grace` (seconds, for all together) overrides the children's own.

        A child to the left takes mail until those to its right have ended: they may still need it.

        Checkpoint: always.
        If cancelled: the stop goes on without this caller.
        """
        self.request_stop(grace)
        await self.stopped.wait()

    def interrupt(self, reason: str) -> None:  # noqa: ARG002  # actors put it into their cancellations
        """End this life; children keep their seats and start again with the next one."""
        self._interrupted = True
        self._woken.set()

    async def _stop_children(self) -> None:
        """Stop right to left; for good if this is the final stop, else so that the seats can live again."""
        self.state = "stopping"
        self._dissolve_groups(self.children.values(), f"`{self.path}` is stopping")
        with trio.CancelScope(shield=True):  # bounded: each child has its own grace and clean-up deadlines
            for child in reversed(list(self.children.values())):
                if not self.stopping:
                    await child.interrupt(f"`{self.path}` is stopping")
                    child.seat.rest(f"`{self.path}` is not running", refuse=child.refuses_mail or not self._interrupted)
                else:
                    child.seat.request_stop(self._grace_left())
                    await child.wait_ended()
                if self.stopping or child.seat.stopping or child.restart == "temporary" or child.is_over:
                    self._forget(child, f"`{self.path}` has stopped")

    def _grace_left(self) -> float | None:
        return None if self._stop_by is None else max(0.0, self._stop_by - trio.current_time())

    def rest(self, reason: str, *, refuse: bool) -> None:
        """Sit between two lives; the children rest with it."""
        if not self.stopping:
            self.state = "backing_off"
        for child in self.children.values():
            child.seat.rest(reason, refuse=refuse or child.refuses_mail)

    def finalise(self, reason: str, cause: Exception | None = None) -> None:
        """End for good, all below included."""
        self.stopping = True
        for child in reversed(list(self.children.values())):
            self._forget(child, reason, cause)
        self.state = "stopped"
        self.stopped.set()

    def status(self) -> Status:
        """Return the tree from here down; synchronous and free of side effects."""
        children = tuple(child.status(trio.current_time()) for child in self.children.values())
        return Status(name=self.spec.name, kind=self.kind, state=self.state, children=children)
