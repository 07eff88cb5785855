"""The ways to call a handler: with one message, with one that can be called off, with a batch."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar, cast

import trio

from actors._envelope import Envelope
from actors.errors import ActorError
from actors.spec import BatchHandler, ChildSpec, Handler

M = TypeVar("M")

Call = Callable[[Sequence[Envelope[M]]], Coroutine[Any, Any, None]]


def caller(spec: ChildSpec[M], handler: Handler[M] | BatchHandler[M]) -> Call[M]:
    """Return how to have envelopes handled and answered; it raises what the handler raises."""
    if spec.batch > 1:
        return _call_with_batch(spec.name, cast("BatchHandler[M]", handler))  # `batch` says which of the two it is
    if spec.abandoned == "cancel":
        return _call_revocably(cast("Handler[M]", handler))
    return _call(cast("Handler[M]", handler))


def _call(handler: Handler[M]) -> Call[M]:
    async def call(envelopes: Sequence[Envelope[M]]) -> None:
        envelopes[0].reply(await handler(envelopes[0].message))

    return call


def _call_revocably(handler: Handler[M]) -> Call[M]:
    async def call(envelopes: Sequence[Envelope[M]]) -> None:
        envelope = envelopes[0]
        with trio.CancelScope() as scope:
            envelope.on_abandoned = lambda: scope.cancel(reason="its asker is gone")
            envelope.reply(await handler(envelope.message))

    return call


def _call_with_batch(name: str, handler: BatchHandler[M]) -> Call[M]:
    async def call(envelopes: Sequence[Envelope[M]]) -> None:
        values = await handler([envelope.message for envelope in envelopes])
        if len(values) != len(envelopes):
            raise ActorError(f"`{name}` gave {len(values)} replies to a batch of {len(envelopes)} messages")
        for envelope, value in zip(envelopes, values, strict=True):
            envelope.reply(value)

    return call
