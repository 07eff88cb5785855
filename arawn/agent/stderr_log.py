"""What a tool server says on stderr, as lines of the program's log."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TextIO

import trio

__all__ = ["open_stderr_log"]

_LOG = logging.getLogger("arawn.tools")
_LONGEST = 4096


@asynccontextmanager
async def open_stderr_log(name: str) -> AsyncIterator[TextIO]:
    """Yield a file for the stderr of a child; what it says goes to the logger `arawn.tools`, at INFO.

    Args:
        name: Goes before each line.

    Checkpoint: on leaving.
    If cancelled: what was not read yet is lost.
    """
    read_end, write_end = os.pipe()
    with os.fdopen(write_end, "w") as stderr:
        async with trio.lowlevel.FdStream(read_end) as said, trio.open_nursery() as nursery:
            nursery.start_soon(_log_lines, name, said)
            yield stderr
            nursery.cancel_scope.cancel(reason="the tool server has ended")


async def _log_lines(name: str, said: trio.lowlevel.FdStream) -> None:
    rest = b""
    async for chunk in said:
        *lines, rest = (rest + chunk).split(b"\n")
        rest = rest[-_LONGEST:]
        for line in lines:
            _LOG.info("%s: %s", name, line[:_LONGEST].decode("utf-8", "replace"))
