"""Who has the interaction log, as commands tell it that want it, or look for a daemon and find none."""

from __future__ import annotations

import os
from pathlib import Path

from arawn.cli.door import DaemonFault, Door
from arawn.config.paths import runtime_dir
from arawn.interactions.filesystem import Filesystem
from arawn.interactions.lock_file import Owner, is_held_by, read_owner, writer_is_active
from arawn.running_daemons import RunningDaemon, running_daemons

__all__ = ["absence_of", "why_no_second"]


def why_no_second(door: Door, log: Path) -> str:
    """Return why no daemon can be started on a log that another process has, and what to do."""
    owner = _owner(log)
    every = running_daemons(runtime_dir(os.environ))
    daemon = next((one for one in every if owner is not None and one.pid == owner.pid), None)
    if daemon is not None:
        return _taken_by(daemon, door, log)
    return f"cannot open the interaction log in `{log}`: {_held_by(log)}"


def absence_of(door: Door) -> DaemonFault:
    """Return what to say of a daemon that does not answer and left no word: who writes the log may be it."""
    try:
        hidden = door.log is not None and writer_is_active(door.log)
    except OSError:
        hidden = False
    none = f"no daemon answers on `{door}`"
    if door.socket is None and door.listen.endswith(":0"):  # which is no address
        none = "no daemon of this configuration is known"
    if door.log is None or not hidden:
        return DaemonFault(f"{none}; `arawn start` runs one")
    return DaemonFault(f"{none}, but its log `{door.log}` is in use: {_held_by(door.log)}")


def _owner(log: Path) -> Owner | None:
    try:
        return read_owner(Filesystem(), log)
    except OSError:
        return None


def _taken_by(daemon: RunningDaemon, door: Door, log: Path) -> str:
    if daemon.stopping:
        return (
            f"the daemon, process {daemon.pid}, is stopping, and has the interaction log in `{log}` until it has "
            "ended; start again then (`arawn stop` waits for it)"
        )
    own = "" if door.belongs_to(daemon) else ", with the configuration that it was started with (`--config FILE`)"
    return (
        f"a daemon runs already, process {daemon.pid}, and has the interaction log in `{log}`: `arawn status` shows "
        f"it, `arawn stop` ends it{own}; a second one needs another `logging.interactions.path`"
    )


def _held_by(log: Path) -> str:
    owner = _owner(log)
    who, kill = "another process", ""
    if owner is not None:
        who = f"process {owner.pid} (started {owner.started})"
        kill = f", or with `kill {owner.pid}`" if is_held_by(log, owner.pid) else ""  # never somebody else's number
    return (
        f"{who} is writing to it; if it is a daemon, its file in the runtime directory is gone or elsewhere: end it "
        f"with `arawn stop` where `ARAWN_RUNTIME_DIR` is as it was at its start{kill}; if not, wait until it has ended"
    )
