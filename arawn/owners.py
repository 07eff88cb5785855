"""Whose a file is: of the user who runs this process, of root, or of a stranger who may mean ill; what lets it in."""

from __future__ import annotations

import os
from pathlib import Path
from shlex import quote

__all__ = ["stranger", "way_in"]


def stranger(*found: os.stat_result, user: int | None = None) -> str | None:
    """Return in words the first owner who is neither `user` nor root; None if there is no such one.

    Args:
        found: Files, and the links that lead to them.
        user: A user's number; by default the one whose rights this process has.
    """
    if os.name != "posix":  # there files have no such owner
        return None
    own = os.geteuid() if user is None else user
    return next((_called(file.st_uid) for file in found if file.st_uid not in (own, 0)), None)


def way_in(path: Path) -> str | None:
    """Return what gives this process the rights to `path` and its directory that it lacks; None if it lacks none."""
    if os.name != "posix":
        return None
    place = next(place for place in (path.absolute(), *path.absolute().parents) if os.path.lexists(place))
    barred = next((each for each in (place, place.parent) if not _is_open(each)), None)
    if barred is None:
        return None
    owner = barred.lstat().st_uid
    if owner == os.geteuid():
        return f"run `chmod u+rwX {quote(str(barred))}`"
    return f"`{barred}` belongs to {_called(owner)}, so do it as that user"


def _is_open(path: Path) -> bool:
    return os.access(path, os.R_OK | os.W_OK | (os.X_OK if path.is_dir() else 0))


def _called(user: int) -> str:
    import pwd

    try:
        return f"user `{pwd.getpwuid(user).pw_name}`"
    except KeyError:
        return f"the user with the number {user}"
