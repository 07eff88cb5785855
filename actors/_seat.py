"""One actor's seat: its mailbox for life, and the incarnations that sit in it one after another."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from inspect import isasyncgen
from typing import Any, Generic, Literal, TypeVar

import trio

from actors._cycles import Worker, find_cycle
from actors._envelope import NO_MAIL, Asked, about, content
from actors._idle import IdleTimes
from actors._latch import Latch
from actors._mailbox import Mailbox
from actors._work import asking_worker, begin_work, work
from actors.errors import ActorError, AskCycle, Restarting, Stopped
from actors.events import DeadLetter, Hooks
from actors.spec import BatchHandler, ChildSpec, Handler
from actors.status import State, Status

M = TypeVar("M")

RunEnd = Literal["stopped", "interrupted", "idle", "finished"]


class ActorSeat(Generic[M]):
    """Runs one incarnation at a time; the supervisor decides when and how often."""

    kind = "actor"

    def __init__(self, spec: ChildSpec[M], path: str, hooks: Hooks, idle: IdleTimes | None = None) -> None:
        self.spec = spec
        self.path = path
        self.state: State = "starting"
        self.mailbox: Mailbox[M] = Mailbox(path, spec.mailbox)
        self.stopping = False
        self.stopped = Latch()
        self.on_stop: Callable[[ActorSeat[M]], None] = tell_nobody
        self.workers: Sequence[Worker] = ()
        self.hooks = hooks
        self.cut_at = math.inf  # from then on no more mail is begun
        self.was_idle = False
        self.idle = idle
        self._stop_by = math.inf
        self._interrupted = False
        self._ready = False
        self._life = trio.CancelScope()
        self._work = trio.CancelScope()

    # -- asking ----------------------------------------------------------------------------------------------------

    async def ask(self, envelope: Asked[M]) -> Any:
        """Put the envelope into the box and wait for its reply; all else as for `Ref.ask`.

        Raises:
            AskCycle: The reply would wait for itself.
        """
        asker = asking_worker()
        if asker is None:
            await self.mailbox.put(envelope)
            return await envelope.wait()
        cycle = find_cycle(asker, self)
        if cycle is not None:
            await trio.lowlevel.checkpoint()
            raise AskCycle(cycle)
        asker.awaiting[envelope] = self
        try:
            await self.mailbox.put(envelope)
            return await envelope.wait()
        finally:
            del asker.awaiting[envelope]
            if not asker.awaiting:
                asker.awaiting.clear()  # gives the room back as well

    # -- one incarnation --------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Prepare the next incarnation: from here on `interrupt` and `request_stop` reach it."""
        self.state, self._interrupted, self._ready, self.was_idle = "starting", False, False, False
        self._life, self._work = trio.CancelScope(), trio.CancelScope()
        self._life.deadline = trio.current_time() + self.spec.start_grace
        self.cut_at = self._stop_by
        self.workers = [Worker(self)]  # while it starts, whoever waits for this actor waits for its start

    async def run(self, ready: Callable[[], None]) -> RunEnd:
        """Live one incarnation: start, call `ready`, handle mail, clean up; return how it ended.

        Checkpoint: where the spec's `start` and handler have one, and while there is no mail.
        If cancelled: a start is cut short; so is a handler, and the clean-up still has its `cleanup_grace`.

        Raises:
            ActorError: The start took longer than `start_grace`, or the clean-up longer than `cleanup_grace`.
            TypeError: `start` gave no async context manager, or no handler.
            Exception: What else crashed it.
        """
        begin_work(self.workers[0])
        end: RunEnd = "finished"
        crash: Exception | None = None
        with self._life, trio.CancelScope() as leaving:
            async with self._started() as handler:
                try:
                    await trio.lowlevel.checkpoint_if_cancelled()  # ended while it started: it never was ready
                    self._open(handler)
                    ready()
                    with self._work:
                        await self._serve(handler)
                    end = "idle"
                except Exception as error:
                    crash = error
                    raise
                finally:  # from here on only the clean-up's own deadline may cut it short
                    self.state = "stopping"
                    leaving.shield = True
                    leaving.deadline = trio.current_time() + self.spec.cleanup_grace
        if self._life.cancelled_caught and not (self.stopping or self._interrupted):
            raise ActorError(f"start of `{self.path}` was not done after {self.spec.start_grace:g} s")
        if leaving.cancelled_caught:
            raise ActorError(f"clean-up of `{self.path}` was cut short after {self.spec.cleanup_grace:g} s") from crash
        if self.stopping:
            return "stopped"
        return "interrupted" if self._interrupted else end

    def _started(self) -> AbstractAsyncContextManager[Handler[M] | BatchHandler[M]]:
        manager = self.spec.start()
        if not isinstance(manager, AbstractAsyncContextManager):
            what = "an async generator; is `@asynccontextmanager` missing?" if isasyncgen(manager) else repr(manager)
            raise TypeError(f"`start` of `{self.path}` must return an async context manager, got {what}")
        return manager

    def _open(self, handler: Handler[M] | BatchHandler[M]) -> None:
        if not callable(handler):
            raise TypeError(f"`start` of `{self.path}` must yield its handler, an async function; got {handler!r}")
        self._ready = True
        self._life.deadline = math.inf
        self.state = "stopping" if self.stopping else "running"
        self.mailbox.reopen()

    def _serve(self, handler: Handler[M] | BatchHandler[M]) -> Awaitable[None]:
        """Return what is to be awaited: for one worker nothing but its work, of which there may be very many."""
        self.workers = [Worker(self) for _ in range(self.spec.workers)]
        if self.spec.workers == 1:
            return work(self, self.workers[0], handler)
        return self._serve_together(handler)

    async def _serve_together(self, handler: Handler[M] | BatchHandler[M]) -> None:
        async with trio.open_nursery() as nursery:
            for worker in self.workers:
                nursery.start_soon(work, self, worker, handler, name=self.path)

    async def wait_mail(self) -> bool:
        """Wait until there is mail (True), or this incarnation has none to wait for (False).

        Checkpoint: only when there is no mail.
        If cancelled: mail that has come meanwhile stays in the box.
        """
        if self.idle is None or self.mailbox.queued:
            return await self.mailbox.wait_mail()
        self.idle.enter(self)
        try:
            return await self.mailbox.wait_mail()
        finally:
            self.idle.leave(self)

    def end_idle(self) -> None:
        """End this incarnation, unless a worker is busy or has just ended: a busy one enters the idle times again."""
        if self.mailbox.readers == len(self.workers):
            self._work.cancel(reason=f"`{self.path}` is idle")
            self.was_idle = True

    # -- the end of it ----------------------------------------------------------------------------------------------

    def request_stop(self, grace: float | None = None) -> None:
        """Begin the final stop: refuse mail now, cancel after `grace` seconds; a second call can only shorten it.

        A start under way goes on only if there is mail to finish.
        """
        require_grace(grace)
        if self.stopped.is_set():
            return
        grace = self.spec.stop_grace if grace is None else grace
        if not self.stopping:
            self.stopping = True
            self.mailbox.finish(lambda message: Stopped(about(self.path, message, "it is stopping")))
        self.state = "stopping"
        self._stop_by = min(self._stop_by, trio.current_time() + grace)
        self._work.deadline = self.cut_at = self._stop_by
        if not self._ready:
            self._life.deadline = min(self._life.deadline, self._stop_by)
            if not self.mailbox.queued:
                self._life.cancel(reason=f"stop of `{self.path}`, which was starting and has no mail")
        self.on_stop(self)

    async def stop(self, grace: float | None) -> None:
        """Stop for good and wait for the end; all else as for `Ref.stop`."""
        self.request_stop(grace)
        await self.stopped.wait()

    def interrupt(self, reason: str) -> None:
        """End this incarnation now; mail stays queued for the next one."""
        self._interrupted, self.cut_at = True, -math.inf
        self._work.cancel(reason=reason)
        if not self._ready:
            self._life.cancel(reason=reason)

    def rest(self, reason: str, *, refuse: bool) -> None:
        """Sit between two incarnations; with `refuse`, mail queued or sent meanwhile fails at once."""
        self.workers = ()
        if self.stopping:
            return
        self.state = "backing_off"
        if refuse:
            self.mailbox.refuse(lambda message: Restarting(about(self.path, message, reason)))
            self._fail_queued()

    def finalise(self, reason: str, cause: Exception | None = None) -> None:
        """End for good: every message still queued fails as `Stopped`, because of `cause` if there is one."""

        def refusal(message: object) -> Stopped:
            error = Stopped(about(self.path, message, reason))
            error.__cause__ = cause
            return error

        self.stopping = True
        self.workers = ()
        self.state = "stopped"
        self.mailbox.finish(refusal)
        self._fail_queued()
        self.stopped.set()

    def status(self) -> Status:
        """Return a snapshot of the actor itself; the supervisor adds restarts and crashes."""
        busy = [worker for worker in self.workers if worker.in_hand]
        return Status(
            name=self.spec.name,
            kind=self.kind,
            state=self.state,
            queued=self.mailbox.queued,
            waiting=self.mailbox.waiting - self.mailbox.queued,
            bound=self.mailbox.bound,
            peak=self.mailbox.peak,
            in_hand=sum(len(worker.in_hand) for worker in busy),
            oldest_s=trio.current_time() - min(worker.since for worker in busy) if busy else None,
        )

    def _fail_queued(self) -> None:
        while (mail := self.mailbox.take_nowait()) is not NO_MAIL:
            error = self.mailbox.refusal(content(mail))
            if type(mail) is Asked and mail.state != "abandoned":
                mail.fail(error)
            else:
                self.hooks.emit(DeadLetter(self.path, content(mail), str(error), error=error))


def tell_nobody(_seat: object) -> None:
    """Do nothing: what a stop calls as long as nobody wants to know of it."""


def require_grace(grace: float | None) -> None:
    """Refuse what is no number of seconds, before anything has happened.

    Raises:
        ValueError: It is neither None nor a number >= 0.
    """
    if grace is not None and not (isinstance(grace, (int, float)) and grace >= 0):
        raise ValueError(f"a grace is seconds >= 0, or None for that of the spec; got {grace!r}")
