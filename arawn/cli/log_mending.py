"""What the commands share that check or change the files of the log."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

from arawn.cli.door import door_to
from arawn.cli.options import log_directory
from arawn.config.paths import runtime_dir
from arawn.errors import LogWriteFailed
from arawn.interactions.counted import counted
from arawn.interactions.directory import LogInUse
from arawn.interactions.findings import Problem
from arawn.running_daemons import running_daemons

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
        door = door_to(config_file)
        if not any(map(door.belongs_to, running_daemons(runtime_dir(os.environ)))):
            raise
        raise LogWriteFailed(
            f"the daemon writes to the interaction log in `{log_directory(config_file)}`, whose files this command "
            "changes; run `arawn stop`, then this command again"
        ) from error


def problem_lines(problems: Iterable[Problem]) -> Iterator[str]:
    """Yield a line for each of the first ten problems of every file, and one that counts the rest of them."""
    for file, found in groupby(problems, key=lambda problem: problem.file):
        lines = list(map(str, found))
        yield from lines[:_NAMED]
        if lines[_NAMED:]:
            yield f"{file}: {counted(len(lines) - _NAMED, 'more problem')}, which `verify --json` names"
