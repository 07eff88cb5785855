"""Supervision: one task that hears of every ended incarnation and decides what starts again."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import trio

from actors._child import Child, Pending, affected, wants_restart
from actors._seat import ActorSeat, RunEnd
from actors._window import RestartWindow
from actors.errors import ActorError, Stopped, SupervisorGaveUp
from actors.events import BackingOff, Crashed, GaveUp, Hooks, Started
from actors.ref import Ref
from actors.spec import ChildSpec, SupervisorSpec
from actors.status import State, Status

if TYPE_CHECKING:
    from actors._on_demand import OnDemand

__all__ = ["Supervisor"]

M = TypeVar("M")


class _Ended(msgspec.Struct, frozen=True):
    child: Child
    result: RunEnd | Exception


_Notice = _Ended | None  # None: look again whether to go on


class Supervisor:
    """A running supervisor: starts children, restarts them by its strategy, stops them in reverse order."""

    kind = "supervisor"

    def __init__(self, spec: SupervisorSpec, path: str, hooks: Hooks) -> None:
        self.spec = spec
        self.path = path
        self.hooks = hooks
        self.state: State = "starting"
        self.stopping = False
        self.stopped = trio.Event()
        self.on_stop: Callable[[], None] = lambda: None
        self.children: dict[str, Child] = {}
        self._pending: list[Pending] = []
        self._total = RestartWindow(spec.total)
        self._grace: float | None = None
        self._interrupted = False
        self._gave_up: SupervisorGaveUp | None = None
        self._nursery: trio.Nursery | None = None
        self._starting: trio.CancelScope | None = None
        self._notices: trio.MemorySendChannel[_Notice] | None = None

    # -- children -------------------------------------------------------------------------------------------------

    async def start(self, spec: ChildSpec[M]) -> Ref[M]:
        """Start a child and return its `Ref` once it is ready.

        Checkpoint: always.
        If cancelled: the child is stopped and forgotten.

        Raises:
            ValueError: The name is taken.
            Stopped: The supervisor, or the child, was stopped meanwhile.
            Exception: Whatever the child's own start raised.
        """
        seat = ActorSeat(spec, f"{self.path}/{spec.name}", self.hooks)
        await self._start(Child(seat, spec))
        return Ref(seat.path, lambda: seat)

    async def start_supervisor(self, spec: SupervisorSpec) -> Supervisor:
        """Start a nested supervisor, without children yet; checkpoints and errors as for `start`."""
        nested = Supervisor(spec, f"{self.path}/{spec.name}", self.hooks)
        await self._start(Child(nested, spec))
        return nested

    async def start_on_demand(
        self, spec: SupervisorSpec, make: Callable[[str], ChildSpec[Any]], *, idle_after: float
    ) -> OnDemand:
        """Start a supervisor whose children start with their first message; see `OnDemand`."""
        from actors._on_demand import OnDemand

        nested = OnDemand(spec, f"{self.path}/{spec.name}", self.hooks, make, idle_after)
        await self._start(Child(nested, spec))
        return nested

    async def _start(self, child: Child) -> None:
        if self._nursery is None or self.stopping:
            raise Stopped(f"`{self.path}` is not running; it cannot start `{child.name}`")
        if child.name in self.children:
            raise ValueError(f"`{self.path}` has a child called `{child.name}` already")
        self._adopt(child)
        try:
            await self._nursery.start(self._live, child)
        except BaseException as error:
            stopped = child.seat.stopping and isinstance(error, RuntimeError)  # trio's word for "ended before ready"
            self._forget(child, "its start failed or was cancelled")
            if stopped:
                raise Stopped(f"`{child.seat.path}` was stopped while it was starting") from None
            raise

    def _adopt(self, child: Child) -> None:
        self.children[child.name] = child
        child.seat.on_stop = lambda: self._stop_asked(child)

    def _forget(self, child: Child, reason: str) -> None:
        child.seat.finalise(reason)
        if self.children.get(child.name) is child:
            del self.children[child.name]
        for pending in self._pending:
            pending.remove(child)

    # -- one life of the supervisor -------------------------------------------------------------------------------

    async def run(self, ready: Callable[[], None]) -> RunEnd:
        """Start the children there are, watch them until told to end, stop them right to left."""
        send, receive = trio.open_memory_channel[_Notice](math.inf)
        self._interrupted, self._gave_up, self._total = False, None, RestartWindow(self.spec.total)
        with send, receive:
            self._notices = send
            async with trio.open_nursery() as self._nursery:
                try:
                    with trio.CancelScope() as self._starting:
                        for child in list(self.children.values()):
                            await self._relive(child)
                    if not (self.stopping or self._interrupted):
                        self.state = "running"
                        ready()
                    await self._watch(receive)
                finally:
                    await self._stop_children()
                    self._nursery.cancel_scope.cancel(reason=f"`{self.path}` has stopped its children")
        self._nursery = self._notices = self._starting = None
        if self._gave_up is not None:
            raise self._gave_up
        return "stopped" if self.stopping else "interrupted"

    async def _watch(self, notices: trio.MemoryReceiveChannel[_Notice]) -> None:
        while not (self.stopping or self._interrupted or self._gave_up):
            notice = await notices.receive()
            if notice is not None and not notice.child.seat.stopped.is_set():
                await self._after(notice.child, notice.result)

    async def _after(self, child: Child, result: RunEnd | Exception) -> None:
        """Decide what follows the end of one incarnation."""
        if isinstance(result, Exception):
            child.last_crash = result
            self.hooks.emit(Crashed(child.seat.path, child.incarnation, result, trio.current_time() - child.born))
        if child.seat.stopping:
            self._forget(child, "stopped")
        elif result == "interrupted" or any(child in pending for pending in self._pending):
            return  # it ended for its group's restart, which starts it again
        elif wants_restart(child.restart, crashed=isinstance(result, Exception)):
            ended = ActorError(f"`{child.seat.path}` ended by itself")
            await self._restart(child, result if isinstance(result, Exception) else ended)
        else:
            self._forget(child, "ended and is not restarted")

    async def _restart(self, child: Child, error: Exception) -> None:
        now = trio.current_time()
        if not (child.window.allows(now) and self._total.allows(now)):
            self._give_up(child, error)
            return
        delay = child.delay.after(now - child.born)
        group = affected(self.spec.strategy, child, list(self.children.values()))
        for sibling in reversed(group):
            if sibling.alive:
                sibling.seat.interrupt(f"restart of `{child.seat.path}`")
                await sibling.ended.wait()
        for older in [older for older in self._pending if any(sibling in older for sibling in group)]:
            older.scope.cancel(reason=f"a newer restart, of `{child.seat.path}`")
        pending = Pending([sibling for sibling in group if not sibling.seat.stopping], trio.current_time() + delay)
        for sibling in group:
            sibling.next_start = pending.due
            sibling.seat.rest(f"it restarts in {delay:.3g} s", refuse=sibling.refuses_mail)
        self.hooks.emit(BackingOff(child.seat.path, delay))
        self._pending.append(pending)
        self._running_nursery().start_soon(self._restart_group, pending)

    def _give_up(self, child: Child, error: Exception) -> None:
        self.hooks.emit(GaveUp(self.path, child.name, error))
        self._gave_up = SupervisorGaveUp(f"`{self.path}`: `{child.name}` crashed too often; last: {error!r}")
        self._gave_up.__cause__ = error

    async def _restart_group(self, pending: Pending) -> None:
        """Wait out the delay, then start the group left to right, each after the one before it is ready."""
        try:
            with pending.scope:
                await trio.sleep_until(pending.due)
                for child in pending.taking():
                    if not await self._relive(child):
                        break  # how it ended is a notice of its own
        finally:
            self._pending.remove(pending)

    async def _relive(self, child: Child) -> bool:
        """Start the next incarnation and wait until it is ready (True) or has ended (False)."""
        self._begin(child)
        await child.settled.wait()
        return child.alive

    def _begin(self, child: Child) -> None:
        child.begin(trio.current_time())
        self._running_nursery().start_soon(self._live, child, None, name=child.seat.path)

    def _running_nursery(self) -> trio.Nursery:
        assert self._nursery is not None
        return self._nursery

    async def _live(self, child: Child, task_status: trio.TaskStatus[None] | None = None) -> None:
        """Run one incarnation to its end and tell the watching task; with `task_status`, a failed start raises."""

        def ready() -> None:
            child.settle()
            self.hooks.emit(Started(child.seat.path, child.incarnation))
            if task_status is not None:
                task_status.started()

        if task_status is not None:
            child.begin(trio.current_time())
        result: RunEnd | Exception
        try:
            result = await child.seat.run(ready)
        except Exception as error:
            if task_status is not None and not child.ready:
                raise
            result = error
        finally:
            child.end()
        if self._notices is not None:
            self._notices.send_nowait(_Ended(child, result))

    # -- the end of it --------------------------------------------------------------------------------------------

    def request_stop(self, grace: float | None = None) -> None:
        """Begin the final stop of everything below; a second call can only shorten the grace."""
        if self.stopped.is_set():
            return
        self.stopping = True
        if grace is not None:
            self._grace = grace if self._grace is None else min(self._grace, grace)
        for child in self.children.values():
            if child.seat.stopping and grace is not None:
                child.seat.request_stop(grace)
        self._wake("stop")
        self.on_stop()

    async def stop(self, grace: float | None = None) -> None:
        """Stop everything below, right to left; `grace` (seconds) overrides each child's own.

        Checkpoint: always.
        If cancelled: the stop goes on without this caller.
        """
        self.request_stop(grace)
        await self.stopped.wait()

    def interrupt(self, reason: str) -> None:
        """End this life; children keep their seats and start again with the next one."""
        self._interrupted = True
        self._wake(reason)

    def _wake(self, reason: str) -> None:
        if self._notices is not None and self._starting is not None:
            self.state = "stopping"
            self._starting.cancel(reason=reason)
            self._notices.send_nowait(None)

    async def _stop_children(self) -> None:
        """Stop right to left; for good if this is the final stop, else so that the seats can live again."""
        with trio.CancelScope(shield=True):  # bounded: each child has its own grace and clean-up deadlines
            for pending in self._pending:
                pending.scope.cancel(reason=f"`{self.path}` is stopping")
            for child in reversed(list(self.children.values())):
                if self.stopping:
                    child.seat.request_stop(self._grace)
                else:
                    child.seat.interrupt(f"`{self.path}` is stopping")
                if child.alive:
                    await child.ended.wait()
                if self.stopping:
                    self._forget(child, f"`{self.path}` has stopped")
                else:
                    refuse = child.refuses_mail or not self._interrupted
                    child.seat.rest(f"`{self.path}` is not running", refuse=refuse)

    def rest(self, reason: str, *, refuse: bool) -> None:
        """Sit between two lives; the children rest with it."""
        self.state = "backing_off"
        for child in self.children.values():
            child.seat.rest(reason, refuse=refuse or child.refuses_mail)

    def finalise(self, reason: str) -> None:
        """End for good, all below included."""
        self.stopping = True
        for child in reversed(list(self.children.values())):
            self._forget(child, reason)
        self.state = "stopped"
        self.stopped.set()

    def _stop_asked(self, child: Child) -> None:
        """A child was told to stop: forget it at once if it has no incarnation that would say so itself."""
        if not child.alive:
            self._forget(child, "stopped")

    def status(self) -> Status:
        """Return the tree from here down; synchronous and free of side effects."""
        now = trio.current_time()
        children = tuple(child.status(now) for child in self.children.values())
        return Status(name=self.spec.name, kind=self.kind, state=self.state, children=children)
