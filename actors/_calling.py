"""The ways to call a handler: with one message or a batch; and who hears of its failure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from traceback import walk_tb
from typing import TYPE_CHECKING, Any, TypeVar, cast

from actors._cycles import Worker
from actors._envelope import Asked, Mail, about, content
from actors.errors import ActorError, HandlerFailed, OutcomeUnknown, shown
from actors.events import DeadLetter
from actors.spec import BatchHandler, Handler

if TYPE_CHECKING:
    from actors._seat import ActorSeat

M = TypeVar("M")


def calling(seat: ActorSeat[M], worker: Worker, handler: Handler[M] | BatchHandler[M]) -> Handler[M]:
    """Return how to have what `worker` has in hand handled, given its first message; the result is that one's reply."""
    spec = seat.spec
    if spec.batch > 1:
        return _batched(seat, worker, cast("BatchHandler[M]", handler))  # `batch` says which of the two it is
    return cast("Handler[M]", handler)


def _batched(seat: ActorSeat[M], worker: Worker, handler: BatchHandler[M]) -> Callable[[M], Awaitable[Any]]:
    async def handle(_first: M) -> Any:
        batch = worker.in_hand
        replies = await handler([content(mail) for mail in batch])
        if not isinstance(replies, list | tuple):
            raise ActorError(
                f"`{seat.spec.name}` gave a {type(replies).__name__} as the list of its replies to a batch"
            )
        if len(replies) != len(batch):
            raise ActorError(f"`{seat.spec.name}` gave {len(replies)} replies to a batch of {len(batch)} messages")
        errors = [isinstance(reply, seat.spec.reply_errors) for reply in replies]
        for mail, reply, is_error in zip(batch, replies, errors, strict=True):
            if type(mail) is Asked and not is_error:
                mail.reply(reply)
        fail(seat, [pair for pair, is_error in zip(zip(batch, replies, strict=True), errors, strict=True) if is_error])
        return None  # all have their replies

    return handle


def fail(seat: ActorSeat[M], failures: Sequence[tuple[Mail[M], BaseException]]) -> None:
    """Tell every asker of its cause; only then the hooks, for one may be slow, of what nobody will hear."""
    unheard: list[tuple[M, BaseException]] = []
    for mail, cause in failures:
        if type(mail) is Asked and mail.state != "abandoned":
            mail.fail(_error_for(seat, mail.message, cause))
        else:
            unheard.append((content(mail), cause))
    for message, cause in unheard:
        error = _error_for(seat, message, cause)
        why = f"error reply to nobody: {shown(error)}"
        seat.hooks.emit(DeadLetter(seat.path, message, why, started=True, error=error))


def _error_for(seat: ActorSeat[M], message: M, cause: BaseException) -> Exception:
    """Return what the asker gets when the handler of its message raised `cause`."""
    if not isinstance(cause, Exception):
        return OutcomeUnknown(about(seat.path, message, "cancelled while it was being handled"))
    if isinstance(cause, seat.spec.reply_errors):
        return cause
    what = str(cause) if isinstance(cause, ActorError) else type(cause).__name__  # other texts may hold content
    if isinstance(cause, TypeError) and _in_the_call(cause):
        what += "; it must be an async function of one message, or with `batch` of a list"
    failed = HandlerFailed(about(seat.path, message, f"its handler failed: {what}"))
    failed.__cause__ = cause
    return failed


def _in_the_call(error: TypeError) -> bool:
    """Say whether it was calling the handler, or awaiting what that gave, that failed, and no code of the handler."""
    *_, (frame, _) = walk_tb(error.__traceback__)
    return frame.f_globals.get("__name__") in {"actors._work", __name__}
