"""The root of an actor tree, as a block of code."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from contextvars import copy_context

import trio

from actors._supervisor import Supervisor
from actors.errors import ActorError
from actors.events import Ended, Hook, Hooks, Started, log_event
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
        path, hooks = self._supervisor.path, self._supervisor.hooks
        reason = f"`{path}` has stopped"
        try:
            await self._supervisor.run(self._be_ready)
        except BaseException as error:  # noqa: ASYNC103, BLE001  # raised in the task that opened the tree
            self.error = error
            reason = f"`{path}` has failed"
            self._block.cancel(reason=reason)
        finally:
            self._supervisor.finalise(reason)
            hooks.emit(Ended(path, reason))
            self.ended.set()

    @trio.lowlevel.enable_ki_protection  # interrupts come at the await only
    async def wait_ended(self) -> None:
        """Wait for the end of the tree, which each child's clean-up deadline bounds; interrupts wait as well."""
        interrupt: KeyboardInterrupt | None = None
        while not self.ended.is_set():
            try:
                with trio.CancelScope(shield=True):
                    await self.ended.wait()
            except KeyboardInterrupt as error:
                interrupt = error
        if interrupt is not None:
            raise interrupt

    def _be_ready(self) -> None:
        self._supervisor.hooks.emit(Started(self._supervisor.path, 1))
        self.ready.set()


def _told(error: BaseException) -> BaseException:
    """Return an interrupt or an exit that hit an actor as what it is; the group it came in becomes its cause."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    leaves = list(_leaves(error))
    for kind in (KeyboardInterrupt, SystemExit):
        for leaf in leaves:
            if isinstance(leaf, kind):
                bare = kind(*leaf.args)
                bare.__cause__ = error
                return bare
    return error


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


@asynccontextmanager
async def open_supervisor(spec: SupervisorSpec, *, hooks: Iterable[Hook] = (log_event,)) -> AsyncIterator[Supervisor]:
    """Run a root supervisor for the length of the block; leaving the block stops everything, right to left.

    Args:
        spec: The supervisor's spec.
        hooks: Told of every event. Without any of your own, crashes and dead letters go to the logger `actors`.

    Checkpoint: on entry and on exit.
    If cancelled: the stop is still in order, with no grace for queued mail; clean-ups keep their own deadlines.

    Raises:
        KeyboardInterrupt, SystemExit: Raised by an actor; the tree has ended.
        SupervisorGaveUp: A child crashed more often than the budget allows; the block is cancelled then.
    """
    supervisor = Supervisor(spec, spec.name, Hooks(hooks))
    with trio.CancelScope() as block:
        root = _Root(supervisor, block)
        trio.lowlevel.spawn_system_task(root.run, name=spec.name, context=copy_context())
        try:
            await root.ready.wait()
            yield supervisor
            supervisor.request_stop()
            await root.ended.wait()
        except BaseException as error:
            supervisor.request_stop(0)
            await root.wait_ended()  # noqa: ASYNC102  # shields itself; bounded by the clean-ups' deadlines
            if root.error is None:
                raise
            own = isinstance(error, Exception) and not isinstance(error, ActorError)  # not told by the failing tree
            if not (own and isinstance(root.error, Exception)):
                raise _told(root.error)  # noqa: ASYNC104, B904  # the block was cancelled for it, or it goes before all
            error.add_note(f"meanwhile `{spec.name}` failed: {root.error!r}")
            raise
