"""What a worker does: take mail, have it handled, tell the askers; and whose worker it is that asks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import trio

from actors._calling import calling, fail
from actors._cycles import Worker
from actors._envelope import NO_MAIL, Asked, Mail
from actors.events import DeadLetter
from actors.spec import BatchHandler, Handler

if TYPE_CHECKING:
    from actors._seat import ActorSeat

M = TypeVar("M")

_YIELD_EVERY = 64  # messages handled without any sleep before the other tasks get a turn

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


async def work(seat: ActorSeat[M], worker: Worker, handler: Handler[M] | BatchHandler[M]) -> None:
    """Handle mail until the box is finished, or the whole actor has been idle for long enough; all else as `_handle`.

    What can be called off runs in one scope, for as many messages as possible: a scope for each would cost more than
    all else that is done for it. Actors on demand, of which there are many, hold none while they wait.
    """
    begin_work(worker)
    if seat.spec.abandoned != "cancel":
        await _handle(seat, worker, handler, seat.wait_mail)
        return
    while await seat.wait_mail():
        await _handle_in_scope(seat, worker, handler)


async def _handle_in_scope(seat: ActorSeat[M], worker: Worker, handler: Handler[M] | BatchHandler[M]) -> None:
    """Handle mail in one scope, until a message has been called off; on demand, only until there is none."""
    wait = seat.wait_mail if seat.idle is None else _give_way
    try:
        with trio.CancelScope() as scope:
            await _handle(seat, worker, handler, wait, partial(scope.cancel, reason="its asker is gone"))
    except seat.spec.reply_errors as error:
        if not worker.in_hand:  # as what was called off is
            raise
        _fail_all(seat, worker, error)
    except BaseException as error:
        _fail_all(seat, worker, error)
        raise
    worker.in_hand = ()


async def _give_way() -> bool:
    """Say that there is nothing to wait for here."""
    return False


async def _handle(
    seat: ActorSeat[M],
    worker: Worker,
    handler: Handler[M] | BatchHandler[M],
    wait_mail: Callable[[], Awaitable[bool]],
    call_off: Callable[[], None] | None = None,
) -> None:
    """Handle mail until there is none to wait for, or a message that was asked has been called off.

    Raises what the handler raises. Whatever happens, the askers are told, without a checkpoint in between. What is
    done for one message stands here in one piece: each call would cost as much as the rest of it.

    Checkpoint: when there is no mail, and after 64 messages without any; else where the handler has one.
    If cancelled: askers of what is in hand get `OutcomeUnknown`; other mail stays in the box.
    """
    take, handle, expected = seat.mailbox.take_nowait, calling(seat, worker, handler), seat.spec.reply_errors
    task, since, alone, turn = worker.task, worker.since, seat.spec.batch == 1, _YIELD_EVERY
    while True:
        if task.custom_sleep_data is not worker:  # trio clears it when a task has slept: the clock has not stood still
            task.custom_sleep_data, turn = worker, _YIELD_EVERY
            worker.since = since = trio.current_time()
        if since >= seat.cut_at:
            await trio.lowlevel.checkpoint_if_cancelled()  # a handler under a shield may have outlived the cut
        mail = take()
        if mail is NO_MAIL:
            if await wait_mail():
                continue
            return
        if type(mail) is Asked and not _begun(seat, mail):  # half the price of `isinstance`
            continue
        worker.in_hand = (mail,) if alone else _batch(seat, mail)
        try:
            if type(mail) is Asked:
                mail.on_abandoned = call_off
                mail.reply(await handle(mail.message))
            else:
                await handle(mail)
        except expected as error:
            _fail_all(seat, worker, error)
        except BaseException as error:
            if call_off is None or type(mail) is not Asked or mail.state != "abandoned":
                _fail_all(seat, worker, error)
            raise  # what was called off stays in hand: only past its scope is it seen what else went wrong
        worker.in_hand = ()
        if call_off is not None and type(mail) is Asked and mail.state == "abandoned":
            return
        if (turn := turn - 1) == 0:
            await trio.lowlevel.checkpoint()


def _batch(seat: ActorSeat[M], first: Mail[M]) -> Sequence[Mail[M]]:
    """Return `first` and what waits behind it, up to a batch, less those whose asker is gone."""
    batch = [first]
    while len(batch) < seat.spec.batch and (mail := seat.mailbox.take_nowait()) is not NO_MAIL:
        if type(mail) is not Asked or _begun(seat, mail):
            batch.append(mail)
    return batch


def _begun(seat: ActorSeat[M], asked: Asked[M]) -> bool:
    """Begin a message, unless its asker is gone and the spec does not say to handle it all the same."""
    if asked.state == "queued":
        asked.state = "taken"
    elif seat.spec.abandoned != "run":
        seat.hooks.emit(DeadLetter(seat.path, asked.message, "its asker is gone"))
        return False
    return True


def _fail_all(seat: ActorSeat[M], worker: Worker, cause: BaseException) -> None:
    """Fail what the worker has in hand, which it drops first."""
    failed, worker.in_hand = worker.in_hand, ()
    fail(seat, [(mail, cause) for mail in failed])
