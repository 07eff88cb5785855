"""Whose a file is: of the user who runs this process, of root, or of a stranger who may mean ill."""

from __future__ import annotations

import os

__all__ = ["stranger"]


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


def _called(user: int) -> str:
    import pwd

    try:
        return f"user `{pwd.getpwuid(user).pw_name}`"
    except KeyError:
        return f"the user with the number {user}"
