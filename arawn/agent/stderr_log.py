"""What a tool server says on stderr: lines of the program's log, and its last words."""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TextIO

import trio

__all__ = ["open_stderr_log"]

_LOG = logging.getLogger("arawn.tools")
_LONGEST = 4096
_LAST_WORDS_S = 0.5  # a program that the child has started may hold its stderr for ever


@asynccontextmanager
async def open_stderr_log(name: str, last: deque[str], mask: Callable[[str], str]) -> AsyncIterator[TextIO]:
    """Yield a file for the stderr of a child; what it says goes to the logger `arawn.tools`, at INFO.

    Args:
        name: Goes before each line.
        last: Each line is added here too; its length is the caller's.
        mask: Returns a line without the secrets in it.

    Checkpoint: on leaving, until the child's last words are read.
    If cancelled: what was not read yet is lost.
    """
    read_end, write_end = os.pipe()
    with os.fdopen(write_end, "w") as stderr:
        async with trio.lowlevel.FdStream(read_end) as said, trio.open_nursery() as nursery:
            all_read = trio.Event()
            nursery.start_soon(_log_lines, said, partial(_log, name, last, mask), all_read)
            try:
                yield stderr
            finally:
                stderr.close()
                with trio.move_on_after(_LAST_WORDS_S, shield=True):
                    await all_read.wait()
                nursery.cancel_scope.cancel(reason="the tool server has ended")


async def _log_lines(said: trio.lowlevel.FdStream, log: Callable[[bytes], None], all_read: trio.Event) -> None:
    rest = b""
    try:
        async for chunk in said:
            *lines, rest = (rest + chunk).split(b"\n")
            rest = rest[: 2 * _LONGEST]  # its beginning, as of whole lines: cut there, half a secret would be shown
            for line in lines:
                log(line)
    finally:
        if rest:
            log(rest)
        all_read.set()


def _log(name: str, last: deque[str], mask: Callable[[str], str], line: bytes) -> None:
    text = mask(line.decode("utf-8", "replace"))[:_LONGEST]  # cut first, half a secret would not be known
    last.append(text)
    _LOG.info("%s: %s", name, text)
