"""One actor's seat: its mailbox for life, and the incarnations that sit in it one after another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any, Generic, Literal, TypeVar, cast

import trio

from actors._cycles import find_cycle
from actors._envelope import Envelope, about
from actors._mailbox import Mailbox
from actors.errors import ActorError, AskCycle, HandlerFailed, NotStarted, OutcomeUnknown, Restarting, Stopped
from actors.events import DeadLetter, Hooks
from actors.events import Stopped as StoppedEvent
from actors.spec import BatchHandler, ChildSpec, Handler
from actors.status import State, Status

M = TypeVar("M")

RunEnd = Literal["stopped", "interrupted", "idle", "finished"]

_YIELD_EVERY = 32  # messages handled without a checkpoint before the other tasks get a turn

_current: ContextVar[ActorSeat[Any] | None] = ContextVar("current actor", default=None)


class ActorSeat(Generic[M]):
    """Runs one incarnation at a time; the supervisor decides when and how often."""

    kind = "actor"

    def __init__(self, spec: ChildSpec[M], path: str, hooks: Hooks, idle_after: float | None = None) -> None:
        self.spec = spec
        self.path = path
        self.state: State = "starting"
        self.mailbox: Mailbox[M] = Mailbox(path, spec.mailbox)
        self.stopping = False
        self.stopped = trio.Event()
        self.on_stop: Callable[[], None] = lambda: None
        self.awaiting: dict[ActorSeat[Any], int] = {}
        self._hooks = hooks
        self._idle_after = idle_after
        self._in_hand: dict[Envelope[M], float] = {}
        self._life: trio.CancelScope | None = None
        self._work: trio.CancelScope | None = None
        self._interrupted = False

    # -- mail in -------------------------------------------------------------------------------------------------

    def put_nowait(self, envelope: Envelope[M]) -> None:
        """See `Ref.tell_nowait`; what cannot be sent becomes a dead letter too."""
        try:
            self.mailbox.put_nowait(envelope)
        except NotStarted as error:
            self._dead_letter(envelope, str(error))
            raise

    async def put(self, envelope: Envelope[M]) -> None:
        """See `Ref.tell`."""
        try:
            await self.mailbox.put(envelope)
        except NotStarted as error:
            self._dead_letter(envelope, str(error))
            raise

    async def ask(self, envelope: Envelope[M]) -> Any:
        """See `Ref.ask`."""
        asker = _current.get()
        if asker is None:
            await self.put(envelope)
            return await envelope.wait()
        cycle = find_cycle(asker, self)
        if cycle is not None:
            raise AskCycle(seat.path for seat in cycle)
        asker.awaiting[self] = asker.awaiting.get(self, 0) + 1
        try:
            await self.put(envelope)
            return await envelope.wait()
        finally:
            asker.awaiting[self] -= 1
            if not asker.awaiting[self]:
                del asker.awaiting[self]

    # -- one incarnation ------------------------------------------------------------------------------------------

    async def run(self, ready: Callable[[], None]) -> RunEnd:
        """Live one incarnation: start, call `ready`, handle mail, clean up; raises what crashed it."""
        self.state, self._interrupted, self._work = "starting", False, None
        self.mailbox.reopen()
        end: RunEnd = "finished"
        crash: Exception | None = None
        cleaning_up = False
        with trio.CancelScope() as self._life:
            async with self.spec.start() as handler:
                self.state = "running"
                ready()
                try:
                    end = await self._serve(handler)
                except Exception as error:
                    crash = error
                    raise
                finally:  # from here on only the clean-up's own deadline may cut it short
                    cleaning_up = True
                    self._life.shield = True
                    self._life.deadline = trio.current_time() + self.spec.cleanup_grace
        if cleaning_up and self._life.cancelled_caught:
            raise ActorError(f"clean-up of `{self.path}` was cut short after {self.spec.cleanup_grace:g} s") from crash
        if self.stopping:
            return "stopped"
        return "interrupted" if self._interrupted else end

    async def _serve(self, start: Handler[M] | BatchHandler[M]) -> RunEnd:
        handler = cast("BatchHandler[M]", start) if self.spec.batch > 1 else _one_by_one(cast("Handler[M]", start))
        with trio.CancelScope() as self._work:
            if self.spec.workers == 1:
                await self._worker(handler)
            else:
                async with trio.open_nursery() as nursery:
                    for _ in range(self.spec.workers):
                        nursery.start_soon(self._worker, handler, name=self.path)
        return "idle"

    async def _worker(self, handler: BatchHandler[M]) -> None:
        """Handle mail until the box is finished, or the whole actor has been idle for long enough."""
        _current.set(self)
        handled = 0
        while True:
            handled += 1
            if handled % _YIELD_EVERY == 0:
                await trio.lowlevel.checkpoint()
            try:
                first = await self._next()
            except trio.EndOfChannel:
                return
            if first is None:
                return
            await self._handle(self._batch_from(first), handler)

    def _batch_from(self, first: Envelope[M]) -> list[Envelope[M]]:
        batch = [first]
        while len(batch) < self.spec.batch and (envelope := self.mailbox.take_nowait()) is not None:
            batch.append(envelope)
        return batch

    async def _next(self) -> Envelope[M] | None:
        if self._idle_after is None:
            return await self.mailbox.take()
        while True:
            with trio.move_on_after(self._idle_after):
                return await self.mailbox.take()
            if not self._in_hand and not self.mailbox.waiting:
                return None

    async def _handle(self, envelopes: list[Envelope[M]], handler: BatchHandler[M]) -> None:
        """Handle one batch; whatever happens, its askers are told, without a checkpoint in between."""
        wanted = [envelope for envelope in envelopes if self._take(envelope)]
        if not wanted:
            return
        try:
            values = await self._answers(wanted, handler)
        except self.spec.reply_errors as error:
            self._fail(wanted, [error] * len(wanted))
        except Exception as error:
            self._fail(wanted, [self._handler_failed(envelope.message, error) for envelope in wanted])
            raise
        except BaseException:
            self._fail(wanted, [self._outcome_unknown(envelope.message) for envelope in wanted])
            raise
        else:
            for envelope, value in zip(wanted, values, strict=True):
                envelope.reply(value)
        finally:
            for envelope in wanted:
                del self._in_hand[envelope]

    def _take(self, envelope: Envelope[M]) -> bool:
        """Mark the envelope as in hand, and say whether it is to be handled at all."""
        if envelope.state == "queued":
            envelope.state = "taken"
        elif self.spec.abandoned != "run":
            self._dead_letter(envelope, "its asker is gone")
            return False
        self._in_hand[envelope] = trio.current_time()
        return True

    async def _answers(self, wanted: list[Envelope[M]], handler: BatchHandler[M]) -> list[Any]:
        messages = [envelope.message for envelope in wanted]
        if self.spec.abandoned == "cancel" and wanted[0].asked:
            with trio.CancelScope() as scope:
                wanted[0].on_abandoned = lambda: scope.cancel(reason="its asker is gone")
                return await handler(messages)
            return [None]
        values = await handler(messages)
        if len(values) != len(wanted):
            raise ActorError(f"`{self.path}` gave {len(values)} replies to a batch of {len(wanted)} messages")
        return values

    # -- the end of it --------------------------------------------------------------------------------------------

    def request_stop(self, grace: float | None = None) -> None:
        """Begin the final stop: refuse mail now, cancel after `grace` seconds; a second call can only shorten it."""
        if self.stopped.is_set():
            return
        grace = self.spec.stop_grace if grace is None else grace
        if not self.stopping:
            self.stopping = True
            self.mailbox.finish(lambda message: self._stopped_error(message, "it is stopping"))
        deadline = trio.current_time() + grace
        if self._work is not None:
            self.state = "stopping"
            self._work.deadline = min(self._work.deadline, deadline)
        elif self._life is not None and self.state == "starting":
            self._life.cancel(reason=f"stop of `{self.path}` while it was starting")
        self.on_stop()

    async def stop(self, grace: float | None) -> None:
        """See `Ref.stop`."""
        self.request_stop(grace)
        await self.stopped.wait()

    def interrupt(self, reason: str) -> None:
        """End this incarnation now; mail stays queued for the next one."""
        self._interrupted = True
        scope = self._work or self._life
        if scope is not None:
            scope.cancel(reason=reason)

    def rest(self, reason: str, *, refuse: bool) -> None:
        """Sit between two incarnations; with `refuse`, mail queued or sent meanwhile fails at once."""
        self._work = self._life = None
        self.state = "backing_off"
        if not refuse or self.stopping:
            return

        def refusal(message: object) -> NotStarted:
            return Restarting(about(self.path, message, reason))

        self.mailbox.refuse(refusal)
        self._fail_queued(refusal)

    def finalise(self, reason: str) -> None:
        """End for good: every message still queued fails as `Stopped`, every channel end is closed."""
        if self.stopped.is_set():
            return
        if not self.stopping:
            self.stopping = True
            self.mailbox.finish(lambda message: self._stopped_error(message, reason))
        self._work = self._life = None
        self.state = "stopped"
        self._fail_queued(lambda message: self._stopped_error(message, reason))
        self.mailbox.close()
        self._hooks.emit(StoppedEvent(self.path, reason))
        self.stopped.set()

    def status(self) -> Status:
        """Return a snapshot of the actor itself; the supervisor adds restarts and crashes."""
        oldest = min(self._in_hand.values(), default=None)
        return Status(
            name=self.spec.name,
            kind=self.kind,
            state=self.state,
            queued=self.mailbox.queued,
            bound=self.mailbox.bound,
            peak=self.mailbox.peak,
            in_hand=len(self._in_hand),
            oldest_s=None if oldest is None else trio.current_time() - oldest,
        )

    def _fail_queued(self, refusal: Callable[[object], NotStarted]) -> None:
        while (envelope := self.mailbox.take_nowait()) is not None:
            error = refusal(envelope.message)
            self._dead_letter(envelope, str(error))
            envelope.fail(error)

    def _fail(self, envelopes: Sequence[Envelope[M]], errors: Sequence[Exception]) -> None:
        for envelope, error in zip(envelopes, errors, strict=True):
            if not envelope.asked or envelope.state == "abandoned":
                self._dead_letter(envelope, f"error reply to nobody: {error!r}")
            envelope.fail(error)

    def _handler_failed(self, message: M, error: Exception) -> HandlerFailed:
        failed = HandlerFailed(about(self.path, message, f"its handler failed: {error!r}"))
        failed.__cause__ = error
        return failed

    def _outcome_unknown(self, message: M) -> OutcomeUnknown:
        return OutcomeUnknown(about(self.path, message, "cancelled while it was being handled"))

    def _stopped_error(self, message: object, reason: str) -> NotStarted:
        return Stopped(about(self.path, message, reason))

    def _dead_letter(self, envelope: Envelope[M], reason: str) -> None:
        self._hooks.emit(DeadLetter(self.path, envelope.message, reason))


def _one_by_one(handler: Handler[M]) -> BatchHandler[M]:
    async def handle(messages: list[M]) -> list[Any]:
        return [await handler(messages[0])]

    return handle
