"""What of an error out of code that is not ours goes on as it is. Pure."""

from __future__ import annotations

import trio

__all__ = ["passing_on"]

_PASSING = (trio.Cancelled, KeyboardInterrupt)


def passing_on(error: BaseException) -> BaseException | None:
    """Return the part of `error` that is a cancellation or Ctrl-C; None if the code that raised it failed by itself.

    `asyncio.CancelledError`, `GeneratorExit`, `SystemExit` and the like mean nothing here: they are failures.
    """
    if isinstance(error, BaseExceptionGroup):
        return error.split(_PASSING)[0]
    return error if isinstance(error, _PASSING) else None
