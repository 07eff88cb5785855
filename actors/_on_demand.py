"""Children that exist only while they have something to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from actors._child import Child
from actors._seat import ActorSeat, RunEnd
from actors._supervisor import Supervisor
from actors.errors import Stopped
from actors.events import GaveUp, Hooks, Passivated
from actors.ref import Ref
from actors.spec import ChildSpec, SupervisorSpec

__all__ = ["OnDemand"]


class OnDemand(Supervisor):
    """Children by key: started by their first message, ended when idle, started again by the next message.

    A child that spends its restart budget is stopped alone: the mail it has fails, the next message begins afresh.
    """

    kind = "on demand"

    def __init__(
        self, spec: SupervisorSpec, path: str, hooks: Hooks, make: Callable[[str], ChildSpec[Any]], idle_after: float
    ) -> None:
        super().__init__(spec, path, hooks)
        self._make = make
        self._idle_after = idle_after

    def ref(self, key: str) -> Ref[Any]:
        """Return the handle of the child called `key`, which need not exist yet."""
        return Ref(f"{self.path}/{key}", lambda: self._seat(key))

    def _seat(self, key: str) -> ActorSeat[Any]:
        child = self.children.get(key)
        if child is None:
            child = self._activate(key)
        assert isinstance(child.seat, ActorSeat)
        return child.seat

    def _activate(self, key: str) -> Child:
        if self._nursery is None or self.stopping:
            raise Stopped(f"`{self.path}` is not running; nothing was sent to `{key}`")
        spec = self._make(key)
        child = Child(ActorSeat(spec, f"{self.path}/{key}", self.hooks, self._idle_after), spec)
        self._adopt(child)
        self._begin(child)
        return child

    async def _after(self, child: Child, result: RunEnd | Exception) -> None:
        if result != "idle" or child.seat.stopping:
            await super()._after(child, result)
        elif isinstance(child.seat, ActorSeat) and child.seat.mailbox.waiting:
            self._begin(child)
        else:
            self.hooks.emit(Passivated(child.seat.path))
            self._forget(child, "idle")

    def _give_up(self, child: Child, error: Exception) -> None:
        self.hooks.emit(GaveUp(self.path, child.name, error))
        self._forget(child, f"it crashed too often; last: {error!r}")
