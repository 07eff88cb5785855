"""What a daemon has left word of: its process, and its configuration files, which may be others than a command's."""

from __future__ import annotations

import os
from pathlib import Path

from arawn.config.paths import runtime_dir
from arawn.errors import BadInput
from arawn.running_daemons import RunningDaemon, path_text, running_daemons

__all__ = ["cannot_apply", "daemon_of", "files_of_daemon", "refuse_other_file"]


def daemon_of(socket: Path) -> RunningDaemon | None:
    """Return the daemon of `socket`, whether or not it answers; None if there is none, or it could not leave word."""
    place = path_text(socket.absolute())
    return next((one for one in running_daemons(runtime_dir(os.environ)) if one.socket == place), None)


def files_of_daemon(socket: Path) -> frozenset[str] | None:
    """Return the absolute paths of the files that the daemon of `socket` reads; None if it could not leave word."""
    found = daemon_of(socket)
    return None if found is None else frozenset(found.files)


def refuse_other_file(config_file: Path | None, socket: Path) -> None:
    """Return if the daemon of `socket` may answer a command with `--config FILE`: it was started with that file.

    Raises:
        BadInput: It was not, or it is not known.
    """
    if config_file is not None and files_of_daemon(socket) != frozenset((path_text(config_file.resolve()),)):
        raise cannot_apply("--config", socket)


def cannot_apply(flag: str, socket: Path) -> BadInput:
    """Return what to say of a flag that the daemon of `socket` cannot follow."""
    return BadInput(
        f"`{flag}` cannot apply: the daemon on `{socket}` answers, with its own configuration; "
        f"leave `{flag}` out, or stop the daemon with `arawn stop`"
    )
