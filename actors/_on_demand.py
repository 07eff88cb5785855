"""Children that exist only while they have something to do."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, cast

from actors._child import Child
from actors._envelope import about
from actors._idle import IdleTimes
from actors._seat import ActorSeat
from actors._supervisor import Supervisor
from actors.errors import shown
from actors.events import GaveUp, Hooks, Passivated
from actors.ref import Ref
from actors.spec import ChildSpec, SupervisorSpec

__all__ = ["OnDemand"]

_NOBODY: ChildSpec[Any] = ChildSpec(name="nobody", start=cast("Any", nullcontext), mailbox=1)


class OnDemand(Supervisor):
    """Children by key: started by their first message, ended when idle, started again by the next message.

    They are independent: a stop ends all of them at the same time, and each has the grace that the stop gives.
    A child that spends its restart budget is stopped alone: the mail it has fails, the next message begins afresh.
    """

    kind = "on demand"
    ordered = False

    def __init__(
        self, spec: SupervisorSpec, path: str, hooks: Hooks, make: Callable[[str], ChildSpec[Any]], idle_after: float
    ) -> None:
        super().__init__(spec, path, hooks)
        self._make = make
        self._idle = IdleTimes(idle_after)

    def ref(self, key: str) -> Ref[Any]:
        """Return the handle of the child called `key`, which need not exist yet.

        What the maker of its spec raises reaches whoever sends the message that would have started it. Stopping it
        ends only what is active: a later message starts it again.
        """
        return Ref(
            self.path,
            key,
            lambda mail: self._active(key).mailbox.offer(mail),  # noqa: PLW0108  # now, it may be another one
            lambda: self._active(key),
            lambda: self._present(key),
        )

    def _active(self, key: str) -> ActorSeat[Any]:
        return self._present(key) or self._activate(key)

    def _present(self, key: str) -> ActorSeat[Any] | None:
        child = self.children.get(key)
        return None if child is None else cast("ActorSeat[Any]", child.seat)  # `_activate` makes no other kind

    def _activate(self, key: str) -> ActorSeat[Any]:
        if not self._open:
            return self._closed_seat(key)
        spec = self._make(key)
        if spec.name != key:
            raise ValueError(f"the spec made for `{key}` of `{self.path}` is called `{spec.name}`")
        seat = ActorSeat(spec, f"{self.path}/{key}", self.hooks, self._idle)
        child = Child(key, seat, spec)
        child.hired = True  # nobody waits for its start: a failed one is a crash like any other
        self._adopt(child)
        self._begin(child)
        return seat

    def _closed_seat(self, key: str) -> ActorSeat[Any]:
        """Return a seat that refuses all mail as any seat does that nobody sits in."""
        seat: ActorSeat[Any] = ActorSeat(_NOBODY, f"{self.path}/{key}", self.hooks)
        why = f"`{self.path}` is {self.state}"
        seat.mailbox.finish(lambda message: self._refusal(about(seat.path, message, why)))
        return seat

    def _after(self, child: Child) -> None:
        seat = cast("ActorSeat[Any]", child.seat)
        failed = child.outcome != "idle"
        if seat.stopping or child.alive or not seat.was_idle or (failed and seat.mailbox.waiting):
            super()._after(child)
            return
        if failed:
            self._forget(child, "its clean-up failed when it was idle")
            return
        self.hooks.emit(Passivated(child.seat.path))
        if seat.mailbox.waiting:
            self._begin(child)
        else:
            self._drop(child, "it was idle")

    async def _watch(self) -> None:
        assert self._nursery is not None
        self._nursery.start_soon(self._idle.watch)
        await super()._watch()

    async def _stop_children(self) -> None:
        for child in list(self.children.values()):  # all at once: they have no order
            if self.stopping:
                child.seat.request_stop(self._grace_left())
            else:
                child.seat.interrupt(f"`{self.path}` is stopping")
        await super()._stop_children()

    def _within_budget(self, child: Child, now: float) -> bool:
        return child.within_budget(now)  # the children are independent: no one's crashes are charged to another

    def _give_up(self, child: Child, error: Exception) -> None:
        self.hooks.emit(GaveUp(self.path, child.name, error))
        self._forget(child, f"it crashed too often; last: {shown(error)}", error)
