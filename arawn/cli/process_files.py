"""How many files a daemon has open, and how many it may have. Known on Linux alone."""

from __future__ import annotations

import re
from pathlib import Path

from arawn.cli.daemon_client import silent_process

__all__ = ["out_of_files"]

_SOFT_LIMIT = re.compile(r"^Max open files +(\d+)", re.MULTILINE)
_SPARE = 2  # a descriptor may be on its way when they are counted


def out_of_files(socket: Path | None) -> str | None:
    """Return why the daemon of `socket` does not answer, if it is that it may open no more files; else None."""
    pid = None if socket is None else silent_process(socket)
    if pid is None:
        return None
    process = Path("/proc") / str(pid)
    try:
        limit = _SOFT_LIMIT.search((process / "limits").read_text(encoding="ascii"))
        count = len(list((process / "fd").iterdir()))
    except OSError:  # it has ended, it is another user's, or this is no Linux
        return None
    if limit is None or count + _SPARE < int(limit[1]):
        return None
    return (
        f"the daemon, process {pid}, has {count} files open and may have {limit[1]}, so it takes no new connection; "
        "it goes on when calls have ended; raise `LimitNOFILE=` or `ulimit -n` before the next start"
    )
