"""What the commands share that check or change the files of the log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from pathlib import Path

from arawn.cli.door import Door, door_to
from arawn.cli.interrupts import run_async
from arawn.cli.settings import log_directory
from arawn.errors import LogWriteFailed
from arawn.interactions.counted import counted
from arawn.interactions.directory import LogInUse
from arawn.interactions.findings import Problem

__all__ = ["beside_no_daemon", "problem_lines"]

_NAMED = 10  # problems of one file that are named one by one, as readers do


@contextmanager
def beside_no_daemon(config_file: Path | None) -> Iterator[None]:
    """Say `arawn stop` where the block finds that the daemon has the log.

    Raises:
        LogWriteFailed: Somebody writes to the log; the message says what to do.
    """
    try:
        yield
    except LogInUse as error:
        if not run_async(partial(_answers, door_to(config_file))):
            raise
        raise LogWriteFailed(
            f"the daemon writes to the interaction log in `{log_directory(config_file)}`, whose files this command "
            "changes; run `arawn stop`, then this command again"
        ) from error


async def _answers(door: Door) -> bool:
    from arawn.cli.daemon_client import DaemonFault, find_daemon

    try:
        async with find_daemon(door) as daemon:
            return daemon is not None
    except DaemonFault:  # who has the log is said in any case
        return False


def problem_lines(problems: Iterable[Problem]) -> Iterator[str]:
    """Yield a line for each of the first ten problems of every file, and one that counts the rest of them."""
    for file, found in groupby(problems, key=lambda problem: problem.file):
        lines = list(map(str, found))
        yield from lines[:_NAMED]
        if lines[_NAMED:]:
            yield f"{file}: {counted(len(lines) - _NAMED, 'more problem')}, which `verify --json` names"
