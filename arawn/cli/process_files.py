"""How many files a daemon has open, and how many it may have. Of other processes it is known on Linux alone."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from arawn.cli.checkup import Finding
from arawn.cli.door import Door, daemon_of
from arawn.config.schema import Config
from arawn.interactions.counted import counted

__all__ = ["open_files", "out_of_files"]

_SOFT_LIMIT = re.compile(r"^Max open files +(\d+)", re.MULTILINE)
_FILES_BESIDE_CALLS = 64
_FILES_PER_CALL = 2  # the caller's connection and the provider's
_SPARE = 2  # a descriptor may be on its way when they are counted


def out_of_files(door: Door) -> str | None:
    """Return why the daemon of `door` does not answer, if it is that it may open no more files; else None."""
    daemon = daemon_of(door)
    if daemon is None:
        return None
    pid = daemon.pid
    limit = _limit_of(pid)
    try:
        count = len(list((Path("/proc") / str(pid) / "fd").iterdir()))
    except OSError:
        return None
    if limit is None or count + _SPARE < limit:
        return None
    return (
        f"the daemon, process {pid}, has {counted(count, 'file')} open and may have {limit}, so it takes no new "
        "connection; it goes on when calls have ended; raise `LimitNOFILE=` or `ulimit -n` before the next start"
    )


def open_files(config: Config, daemon: int | None) -> Iterator[Finding]:
    """Yield whether the calls that the profiles take at once fit into the limit of open files.

    Args:
        config: The configuration.
        daemon: The process whose limit counts; without one that of this process, as a daemon started here has it.
    """
    if os.name != "posix":
        return
    limit = _own_limit() if daemon is None else _limit_of(daemon)
    calls = sum(profile.max_concurrency for profile in config.profiles.values())
    needed = _FILES_BESIDE_CALLS + _FILES_PER_CALL * calls
    whose = "this process" if daemon is None else f"the daemon, process {daemon},"
    if limit is None:
        yield Finding("open files", True, f"the limit of {whose} is unlimited, or cannot be seen on this system")
    elif limit >= needed:
        fit = "call at once fits" if calls == 1 else "calls at once fit"
        yield Finding("open files", True, f"{calls} {fit} into the limit of {limit} that {whose} has")
    else:
        again = "" if daemon is None else ", and start it again"
        need = "call at once needs" if calls == 1 else "calls at once need"
        words = f"{calls} {need} {needed}, {whose} allows {limit}; raise `ulimit -n` or `LimitNOFILE=`{again}"
        yield Finding("open files", False, words)


def _own_limit() -> int | None:
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if limit == resource.RLIM_INFINITY else limit


def _limit_of(pid: int) -> int | None:
    """Return how many files a process may open; None if there is no limit, or none to be seen."""
    try:
        found = _SOFT_LIMIT.search((Path("/proc") / str(pid) / "limits").read_text(encoding="ascii"))
    except OSError:  # it has ended, it is another user's, or this is no Linux
        return None
    return None if found is None else int(found[1])
