"""What a worker does: take mail, have it handled, tell the askers; and whose worker it is that asks."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVar

import trio

from actors._calling import calling
from actors._cycles import Worker
from actors._envelope import Envelope, about
from actors.errors import ActorError, HandlerFailed, OutcomeUnknown, shown
from actors.events import DeadLetter
from actors.spec import BatchHandler, Handler

if TYPE_CHECKING:
    from actors._seat import ActorSeat

M = TypeVar("M")

_YIELD_EVERY = 32  # messages handled without a checkpoint before the other tasks get a turn

_current: ContextVar[Worker | None] = ContextVar("worker whose handler this is", default=None)


def begin_work(worker: Worker) -> None:
    """Have what the current task, and the nurseries that it opens from here on, ask count as the worker's."""
    worker.task = trio.lowlevel.current_task()
    worker.depth = len(worker.task.child_nurseries)
    _current.set(worker)


def asking_worker() -> Worker | None:
    """Return the worker that waits when the current task asks; none if its handler has left the task running."""
    worker = _current.get()
    if worker is None:
        return None
    task, nursery = trio.lowlevel.current_task(), None
    while task is not worker.task:
        nursery = task.parent_nursery
        if nursery is None:
            return None
        task = nursery.parent_task
    return worker if nursery is None or nursery in task.child_nurseries[worker.depth :] else None


async def handle_mail(seat: ActorSeat[M], worker: Worker, handler: Handler[M] | BatchHandler[M]) -> None:
    """Handle mail until the box is finished, or the whole actor has been idle for long enough.

    Raises what the handler raises. Whatever happens, the askers are told, without a checkpoint in between. What is
    done for one message stands here in one piece: each call would cost as much as the rest of it.
    """
    begin_work(worker)
    take, handle, expected = seat.mailbox.take_nowait, calling(seat.spec, worker, handler), seat.spec.reply_errors
    alone = seat.spec.batch == 1
    now = trio.lowlevel.current_clock().current_time  # half the price of `trio.current_time`
    turn = _YIELD_EVERY
    while True:
        if not turn:
            turn = _YIELD_EVERY
            await trio.lowlevel.checkpoint()
        worker.since = now()
        if worker.since >= seat.cut_at:
            await trio.lowlevel.checkpoint_if_cancelled()  # a handler under a shield may have outlived the cut
        envelope = take()
        if envelope is None:
            if not await seat.wait_mail():
                return
            continue
        turn -= 1
        if envelope.state == "queued":
            envelope.state = "taken"
        elif _skipped(seat, envelope):
            continue
        worker.in_hand = (envelope,) if alone else _batch(seat, envelope)
        try:
            reply = await handle(envelope.message)
            if envelope.asked:
                envelope.reply(reply)
        except expected as error:
            _fail(seat, worker, error)
        except BaseException as error:
            _fail(seat, worker, error)
            raise
        worker.in_hand, reply = (), None


def _batch(seat: ActorSeat[M], first: Envelope[M]) -> Sequence[Envelope[M]]:
    """Return `first` and what waits behind it, up to a batch, less those whose asker is gone."""
    batch = [first]
    while len(batch) < seat.spec.batch and (envelope := seat.mailbox.take_nowait()) is not None:
        if envelope.state == "queued":
            envelope.state = "taken"
        elif _skipped(seat, envelope):
            continue
        batch.append(envelope)
    return batch


def _skipped(seat: ActorSeat[M], envelope: Envelope[M]) -> bool:
    """Skip a message whose asker is gone, unless the spec says to handle it all the same."""
    if seat.spec.abandoned == "run":
        return False
    seat.hooks.emit(DeadLetter(seat.path, envelope.message, "its asker is gone"))
    return True


def _fail(seat: ActorSeat[M], worker: Worker, cause: BaseException) -> None:
    """Tell every asker of what is in hand; first of all, for a hook may be slow."""
    envelopes, worker.in_hand = worker.in_hand, ()
    heard = [envelope for envelope in envelopes if envelope.asked and envelope.state != "abandoned"]
    for envelope in heard:
        envelope.fail(_error_for(seat, envelope.message, cause))
    for envelope in envelopes:
        if envelope.state != "done":
            error = _error_for(seat, envelope.message, cause)
            why = f"error reply to nobody: {shown(error)}"
            seat.hooks.emit(DeadLetter(seat.path, envelope.message, why, started=True, error=error))


def _error_for(seat: ActorSeat[M], message: M, cause: BaseException) -> Exception:
    """Return what the asker gets when the handler of its message raised `cause`."""
    if not isinstance(cause, Exception):
        return OutcomeUnknown(about(seat.path, message, "cancelled while it was being handled"))
    if isinstance(cause, seat.spec.reply_errors):
        return cause
    what = str(cause) if isinstance(cause, ActorError) else type(cause).__name__  # other texts may hold content
    failed = HandlerFailed(about(seat.path, message, f"its handler failed: {what}"))
    failed.__cause__ = cause
    return failed
