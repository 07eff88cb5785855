"""The trio run that a runtime lives in: whoever calls from elsewhere is told so before anything is touched."""

from __future__ import annotations

import trio

from arawn.errors import ArawnError

__all__ = ["WrongLoop", "current_run", "require_run"]

_RIGHT = (
    "Arawn runs on trio: run the program with `trio.run(main)`, or call through a portal, as docs/library.md shows for "
    "asyncio, threads and notebooks; nothing was done"
)


class WrongLoop(ArawnError):
    """Arawn was called from outside trio, or from another trio run than the one that opened the runtime.

    Nothing was done; docs/library.md shows how to call from asyncio, from threads and from a notebook.
    """


def current_run(doing: str) -> trio.lowlevel.TrioToken:
    """Return what stands for the trio run that the caller is in.

    Args:
        doing: What is asked for, to begin the message with.

    Raises:
        WrongLoop: The caller is no trio task.
    """
    try:
        trio.lowlevel.current_task()  # asyncio code that has trio as its guest is in a run, but is no task of it
        return trio.lowlevel.current_trio_token()
    except RuntimeError:
        raise _outside(doing) from None


def require_run(home: trio.lowlevel.TrioToken) -> None:
    """Return if the caller is a task of the trio run `home`.

    Raises:
        WrongLoop: It is one of another run, or none at all.
    """
    try:
        trio.lowlevel.current_task()
        elsewhere = trio.lowlevel.current_trio_token() is not home
    except RuntimeError:
        raise _outside("a runtime was called") from None
    if elsewhere:
        raise WrongLoop(
            f"a runtime was called in another trio run than the one that opened it: found a second `trio.run`; {_RIGHT}"
        )


def _outside(doing: str) -> WrongLoop:
    return WrongLoop(f"{doing} outside trio: found {_found()}; {_RIGHT}")


def _found() -> str:
    import asyncio  # only here: it is not needed otherwise

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return "a thread without a loop"
    return "an asyncio loop"
