"""The children of one supervisor: who belongs to it, how one comes in, how one goes."""

from __future__ import annotations

from abc import ABC, abstractmethod

import trio

from actors._child import Child, Seat
from actors.errors import NotStarted, Restarting, Stopped
from actors.events import Ended, Hooks
from actors.status import State


class Family(ABC):
    """Children by name, in the order of their start; a supervisor adds when each incarnation begins and ends."""

    def __init__(self, path: str, hooks: Hooks) -> None:
        self.path = path
        self.hooks = hooks
        self.state: State = "starting"
        self.stopping = False
        self.children: dict[str, Child] = {}

    @property
    @abstractmethod
    def _open(self) -> bool:
        """Whether children may be started."""

    @abstractmethod
    def _begin(self, child: Child) -> None:
        """Begin the child's next incarnation."""

    async def _start(self, child: Child) -> None:
        """Take the child in, and wait until it is ready; one that does not get there is forgotten."""
        if not self._open:
            await trio.lowlevel.checkpoint()
            raise self._refusal(f"`{self.path}` is {self.state}: it cannot start `{child.name}`")
        if child.name in self.children:
            await trio.lowlevel.checkpoint()
            raise ValueError(f"`{self.path}` has a child called `{child.name}` already")
        self._adopt(child)
        self._begin(child)
        try:
            await child.settled.wait()
        except BaseException:
            child.seat.request_stop(0)
            with trio.CancelScope(shield=True):  # bounded: by the child's clean-up deadline
                await child.ended.wait()
            self._forget(child, "its starter was cancelled")
            raise
        if child.hired:
            return
        self._forget(child, "its start failed")
        if isinstance(child.outcome, Exception):
            raise child.outcome
        raise self._refusal(f"`{child.seat.path}` was ended while it was starting")

    def _refusal(self, why: str) -> NotStarted:
        return Stopped(why) if self.stopping else Restarting(why)

    def _adopt(self, child: Child) -> None:
        self.children[child.name] = child
        child.seat.on_stop = self._stop_asked

    def _stop_asked(self, seat: Seat) -> None:
        """A child was told to stop: forget it at once if it has no incarnation that would say so itself."""
        child = self.children.get(seat.spec.name)
        if child is not None and child.seat is seat and not child.alive:
            self._forget(child, "stopped")

    def _forget(self, child: Child, reason: str, cause: Exception | None = None) -> None:
        if self.children.get(child.name) is child:
            self._drop(child, reason, cause)
            self.hooks.emit(Ended(child.seat.path, reason))

    def _drop(self, child: Child, reason: str, cause: Exception | None = None) -> None:
        del self.children[child.name]
        child.group = None
        child.seat.finalise(reason, cause)
