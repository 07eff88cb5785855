"""What a daemon has left word of: its process, and its configuration files, which may be others than a command's."""

from __future__ import annotations

import os
from pathlib import Path

from arawn.cli.daemon_bodies import DaemonFault
from arawn.cli.door import Door
from arawn.config.paths import runtime_dir
from arawn.errors import BadInput
from arawn.running_daemons import RunningDaemon, path_text, running_daemons

__all__ = ["cannot_apply", "daemon_of", "files_of_daemon", "refuse_other_file"]


def daemon_of(door: Door) -> RunningDaemon | None:
    """Return the daemon of `door`, whether or not it answers; None if there is none, or it could not leave word.

    Raises:
        DaemonFault: Several without a socket may be meant.
    """
    found = [one for one in running_daemons(runtime_dir(os.environ)) if door.belongs_to(one)]
    if len(found) > 1 and door.socket is None:
        pids = " and ".join(str(one.pid) for one in found)
        right = "give each a `server.listen` and a `--config` of its own, or `kill` the process that you mean"
        raise DaemonFault(f"several daemons without a socket may be meant, processes {pids}; {right}")
    return found[0] if found else None


def files_of_daemon(door: Door) -> frozenset[str] | None:
    """Return the absolute paths of the files that the daemon of `door` reads; None if it could not leave word."""
    found = daemon_of(door)
    return None if found is None else frozenset(found.files)


def refuse_other_file(config_file: Path | None, door: Door) -> None:
    """Return if the daemon of `door` may answer a command with `--config FILE`: it was started with that file.

    Raises:
        BadInput: It was not, or it is not known.
    """
    if config_file is not None and files_of_daemon(door) != frozenset((path_text(config_file.resolve()),)):
        raise cannot_apply("--config", door)


def cannot_apply(flag: str, door: Door) -> BadInput:
    """Return what to say of a flag that the daemon of `door` cannot follow."""
    return BadInput(
        f"`{flag}` cannot apply: the daemon on `{door}` answers, with its own configuration; "
        f"leave `{flag}` out, or stop the daemon with `arawn stop`"
    )
