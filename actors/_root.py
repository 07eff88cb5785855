"""The root of an actor tree, as a block of code."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import trio

from actors._supervisor import Supervisor
from actors.events import Hook, Hooks
from actors.spec import SupervisorSpec

__all__ = ["open_supervisor"]


class _Root:
    """Runs the tree in a task of its own, so that the block's errors stay bare and its cancellation comes in order."""

    def __init__(self, supervisor: Supervisor, block: trio.CancelScope) -> None:
        self.ready = trio.Event()
        self.ended = trio.Event()
        self.error: BaseException | None = None
        self._supervisor = supervisor
        self._block = block

    async def run(self) -> None:
        """Run to the end of the tree; what went wrong is raised again by the block."""
        try:
            await self._supervisor.run(self.ready.set)
        except trio.Cancelled:
            raise
        except BaseException as error:  # noqa: BLE001  # `open_supervisor` raises it in the task that opened the tree
            self.error = error
            self._block.cancel(reason=f"`{self._supervisor.path}` has failed")
        finally:
            self._supervisor.finalise(f"`{self._supervisor.path}` has stopped")
            self.ended.set()


@asynccontextmanager
async def open_supervisor(spec: SupervisorSpec, *, hooks: Iterable[Hook] = ()) -> AsyncIterator[Supervisor]:
    """Run a root supervisor for the length of the block; leaving the block stops everything, right to left.

    Checkpoint: on entry and on exit.
    If cancelled: the stop is still in order, with no grace for queued mail; clean-ups keep their own deadlines.

    Raises:
        SupervisorGaveUp: A child crashed more often than the budget allows; the block is cancelled then.
    """
    supervisor = Supervisor(spec, spec.name, Hooks(hooks))
    with trio.CancelScope() as block:
        root = _Root(supervisor, block)
        trio.lowlevel.spawn_system_task(root.run, name=spec.name)
        try:
            await root.ready.wait()
            yield supervisor
        except BaseException:
            supervisor.request_stop(0)
            raise
        finally:
            supervisor.request_stop()
            with trio.CancelScope(shield=True):  # bounded: by each child's grace and clean-up deadlines
                await root.ended.wait()
    if root.error is not None:
        raise root.error
