"""Which daemon a command means: by the socket or the address of its configuration; and what it has left word of."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from arawn.cli.output import warn_of
from arawn.config import load
from arawn.config.load import Loaded
from arawn.config.paths import interactions_dir, runtime_dir, socket_path
from arawn.errors import ArawnError, BadInput, ConfigError
from arawn.interactions.counted import counted
from arawn.running_daemons import RunningDaemon, path_text, running_daemons

__all__ = [
    "DaemonFault",
    "Door",
    "cannot_apply",
    "daemon_of",
    "door_at",
    "door_of",
    "door_of_daemon",
    "door_to",
    "files_of_daemon",
    "refuse_other_file",
    "running_daemon",
]


class Door(msgspec.Struct, frozen=True):
    """The door of the daemon that a command means, whether or not one runs.

    Attributes:
        socket: Its Unix socket; None if `server.socket` is `""`.
        listen: What `server.listen` says.
        files: The absolute paths of the files of the configuration.
        log: The directory of its log; None if that is off, or not known.
    """

    socket: Path | None
    listen: str
    files: tuple[str, ...]
    log: Path | None = None

    def __str__(self) -> str:
        return str(self.listen if self.socket is None else self.socket)

    def belongs_to(self, daemon: RunningDaemon) -> bool:
        """Say whether `daemon` is the one that is meant: by its socket; without one by its address, or by its files.

        Two daemons share no address, but that with port 0, which is none; and no files, with the log that these name,
        but where both have none.
        """
        if self.socket is not None:
            return daemon.socket == path_text(self.socket.absolute())
        if daemon.socket is not None:
            return False
        at_one_address = daemon.listen == self.listen
        by_equal_files = daemon.files == self.files
        if at_one_address and by_equal_files:
            return True
        return (at_one_address and not self.listen.endswith(":0")) or (by_equal_files and bool(self.files))


def door_of(loaded: Loaded) -> Door:
    """Return the door of the daemon of a configuration."""
    files = tuple(path_text(path.resolve()) for path in loaded.files)
    config = loaded.config
    log = interactions_dir(config, os.environ) if config.logging.interactions.enabled else None
    return Door(socket_path(config, os.environ), config.server.listen, files, log)


def door_to(config_file: Path | None) -> Door:
    """Return the daemon's door by the configuration, without looking for profiles if it has none.

    Raises:
        ConfigError: The configuration is wrong; every problem is listed.
    """
    return door_of(load(config_file=config_file, environ=os.environ, cwd=Path.cwd()))


def door_of_daemon(config_file: Path | None) -> Door:
    """Return the daemon's door: the configured one; if the configuration cannot be used, that of the one that runs.

    Raises:
        ConfigError: The configuration is wrong, and no daemon runs by it, or several may.
    """
    try:
        return door_to(config_file)
    except ConfigError as error:
        one = running_daemon(config_file)
        if one is None:
            raise
        others = len(error.problems) - 1
        more = f" (and {counted(others, 'more problem')})" if others else ""
        warn_of(f"arawn: {error.problems[0]}{more}; this is the daemon that runs, process {one.pid}")
        return door_at(one)


def running_daemon(config_file: Path | None) -> RunningDaemon | None:
    """Return the one daemon that runs, with `--config FILE` the one that was started with it; None for none or several.

    For when the configuration does not tell which one is meant.
    """
    every = running_daemons(runtime_dir(os.environ))
    if config_file is not None:
        every = [daemon for daemon in every if path_text(config_file.resolve()) in daemon.files]
    return every[0] if len(every) == 1 else None


def door_at(daemon: RunningDaemon) -> Door:
    """Return the door of a daemon that runs, as it has left word of it."""
    return Door(None if daemon.socket is None else Path(daemon.socket), daemon.listen or "", daemon.files)


class DaemonFault(ArawnError):
    """The daemon cannot be reached, or said that what was asked of it failed."""


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
    """Return what to say of a flag that the daemon of `door` cannot follow, and where it answers.

    Raises:
        DaemonFault: As for `daemon_of`.
    """
    found = daemon_of(door) if door.socket is None else None
    where = door if found is None else found.address or door  # with port 0 only its own word tells
    return BadInput(
        f"`{flag}` cannot apply: the daemon on `{where}` answers, with its own configuration; "
        f"leave `{flag}` out, or stop the daemon with `arawn stop`"
    )
