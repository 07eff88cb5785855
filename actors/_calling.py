"""The ways to call a handler: with one message, with one that can be called off, with a batch."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

import trio

from actors._cycles import Worker
from actors.errors import ActorError
from actors.spec import BatchHandler, ChildSpec, Handler

M = TypeVar("M")


def calling(spec: ChildSpec[M], worker: Worker, handler: Handler[M] | BatchHandler[M]) -> Handler[M]:
    """Return how to have what `worker` has in hand handled, given its first message; the result is that one's reply."""
    if spec.batch > 1:
        return _batched(worker, cast("BatchHandler[M]", handler), spec)  # `batch` says which of the two it is
    if spec.abandoned == "cancel":
        return _revocable(worker, cast("Handler[M]", handler))
    return cast("Handler[M]", handler)


def _revocable(worker: Worker, handler: Handler[M]) -> Callable[[M], Awaitable[Any]]:
    async def handle(message: M) -> Any:
        with trio.CancelScope() as scope:
            worker.in_hand[0].on_abandoned = lambda: scope.cancel(reason="its asker is gone")
            return await handler(message)
        return None  # to nobody

    return handle


def _batched(worker: Worker, handler: BatchHandler[M], spec: ChildSpec[M]) -> Callable[[M], Awaitable[Any]]:
    async def handle(_first: M) -> Any:
        replies = await handler([envelope.message for envelope in worker.in_hand])
        if len(replies) != len(worker.in_hand):
            raise ActorError(f"`{spec.name}` gave {len(replies)} replies to a batch of {len(worker.in_hand)} messages")
        for envelope, reply in zip(worker.in_hand, replies, strict=True):
            if isinstance(reply, spec.reply_errors):
                envelope.fail(reply)
            else:
                envelope.reply(reply)
        return None  # all have their replies

    return handle
