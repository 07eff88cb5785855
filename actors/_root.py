"""The root of an actor tree, as a block of code."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import trio

from actors._supervisor import Supervisor
from actors.events import Hook, Hooks
from actors.spec import SupervisorSpec

__all__ = ["open_supervisor"]


@asynccontextmanager
async def open_supervisor(spec: SupervisorSpec, *, hooks: Iterable[Hook] = ()) -> AsyncIterator[Supervisor]:
    """Run a root supervisor for the length of the block; leaving the block stops everything, right to left.

    Checkpoint: on entry and on exit.
    If cancelled: the stop is still in order, with no grace for queued mail; clean-ups keep their own deadlines.

    Raises:
        ExceptionGroup: Holding `SupervisorGaveUp` when a child crashed more often than the budget allows; the block
            is cancelled then.
    """
    supervisor = Supervisor(spec, spec.name, Hooks(hooks))
    async with trio.open_nursery() as nursery:
        await nursery.start(_run_root, supervisor)
        try:
            yield supervisor
        except BaseException:
            supervisor.request_stop(0)
            raise
        finally:
            supervisor.request_stop()


async def _run_root(supervisor: Supervisor, task_status: trio.TaskStatus[None]) -> None:
    """Run shielded: the block around it hears of a cancellation, and stops the tree in order."""
    try:
        with trio.CancelScope(shield=True):
            await supervisor.run(task_status.started)
    finally:
        supervisor.finalise(f"`{supervisor.path}` has stopped")
