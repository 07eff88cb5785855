"""What SIGINT and SIGTERM do to a command: the first cancels it in order, the second ends it at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import click
import trio

from arawn.beside import open_beside

__all__ = ["Interrupts", "run_async"]

T = TypeVar("T")


class Interrupts:
    """Knows what an interrupt cancels: the innermost block marked with `catching`, else the whole command."""

    def __init__(self) -> None:
        self.ended_by: int | None = None
        self._whole = trio.CancelScope()
        self._scopes = [self._whole]

    @contextmanager
    def catching(self) -> Iterator[trio.CancelScope]:
        """Let an interrupt cancel this block alone; `cancelled_caught` of the scope tells whether one did."""
        with trio.CancelScope() as scope:
            self._scopes.append(scope)
            try:
                yield scope
            finally:
                self._scopes.pop()

    async def watch(self, task_status: trio.TaskStatus[None]) -> None:
        """Act on signals, for ever.

        Checkpoint: always. If cancelled: signals do again what they did before.
        """
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            task_status.started()
            async for number in signals:
                self._act(number)

    def _act(self, number: int) -> None:
        scope = self._scopes[-1] if number == signal.SIGINT else self._whole
        if scope.cancel_called or self._whole.cancel_called:
            os._exit(128 + number)  # asked twice: nothing more is tidied up
        if scope is self._whole:
            self.ended_by = number
        scope.cancel(reason=f"signal {number}")

    async def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run `work` to its end.

        Raises:
            click.exceptions.Exit: A signal ended it; 128 and the signal's number is the exit code.
            Exception: What `work` raised, as it is.

        Checkpoint: always.
        If cancelled: `work` is cancelled.
        """
        result: list[T] = []
        async with open_beside() as nursery:
            await nursery.start(self.watch)
            with self._whole:
                try:
                    result.append(await work())
                except Exception:
                    if self.ended_by is None:  # else that is what there is to say
                        raise
        if self.ended_by is not None:
            raise click.exceptions.Exit(128 + self.ended_by)
        return result[0]


def run_async(work: Callable[[], Awaitable[T]], interrupts: Interrupts | None = None) -> T:
    """Run the asynchronous part of a command, which may catch `interrupts` itself; see `Interrupts.run`."""
    return trio.run((interrupts or Interrupts()).run, work)
