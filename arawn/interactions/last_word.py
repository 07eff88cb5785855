"""The end of a runtime's log: what is lost and nowhere declared is left as a note for the next start, and told."""

from __future__ import annotations

import errno
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import trio

from arawn.errors import LogWriteFailed
from arawn.interactions.counted import are
from arawn.interactions.directory import claim, let_go
from arawn.interactions.filesystem import Filesystem
from arawn.interactions.journal import Journal
from arawn.interactions.lock_file import note_unwritten, read_owner
from arawn.interactions.opening import now_utc
from arawn.threads import RunInThread, abandonable

__all__ = ["telling_losses"]

_LOG = logging.getLogger("arawn.log")
_NOTE_SECONDS = 2.0  # for a few words; a disk that hangs has had its time by now


@asynccontextmanager
async def telling_losses(
    directory: Path | None, journal: Callable[[], Journal | None], run_in_thread: RunInThread
) -> AsyncIterator[None]:
    """Tell what is lost once the block, which holds the writer's whole life, has ended.

    Its writer notes what it could not write itself. Here follow the records that it never came to, or lost in a crash.

    Args:
        directory: The log directory; None where the log is switched off.
        journal: Returns the door to the log; None as long as there is none.
        run_in_thread: Runs what may block on the disk.

    Raises:
        LogWriteFailed: On leaving in order: records are lost, so many, for this reason.

    Checkpoint: only where there is something to note.
    If cancelled: the note is written all the same, if the disk answers within seconds.
    """
    filesystem = Filesystem()
    try:
        yield
    finally:
        if (door := journal()) is not None and directory is not None and door.undeclared:
            note = partial(_leave_note, filesystem, directory, door.undeclared, door.health().reason or "")
            await _in_time(note, run_in_thread)  # noqa: ASYNC102  # shields itself, with a deadline
    if door is not None and (health := door.health()).state == "lost":
        raise LogWriteFailed(f"{are(health.count, 'record')} not in the interaction log: {health.reason}")


async def _in_time(note: Callable[[], None], run_in_thread: RunInThread) -> None:
    """Have `note` run, and say so if that fails."""
    try:
        with trio.fail_after(_NOTE_SECONDS, shield=True):
            await abandonable(run_in_thread)(note)
    except (OSError, LogWriteFailed, RuntimeError, trio.TooSlowError) as error:
        why = str(error) or f"the disk has not answered for {_NOTE_SECONDS:g} s"
        _LOG.error("interaction log: the next start will not declare all that is lost: %s", why)


def _leave_note(filesystem: Filesystem, directory: Path, count: int, reason: str) -> None:
    """Add `count` to the note in the lock file, under the lock.

    Raises:
        LogWriteFailed: Another process writes there by now.
        OSError: The directory is gone, or the system refused.
    """
    if read_owner(filesystem, directory) is None:  # not to be made anew, perhaps beneath a disk that was taken away
        raise FileNotFoundError(errno.ENOENT, f"`{directory}` has no lock file any more")
    claimed = claim(filesystem, directory, now=now_utc(), token=secrets.token_hex)
    try:
        note_unwritten(filesystem, directory, count, reason)
    finally:
        let_go(filesystem, claimed)
