"""What a workstream can be called. Pure."""

from __future__ import annotations

import re

from arawn.errors import BadInput
from arawn.unseen import UNSEEN

__all__ = ["require_name", "require_new_name"]

_NAME = re.compile(r"[^\x00-\x1f\x7f/\ud800-\udfff]{1,200}")
_DOTS = frozenset({".", ".."})


def require_name(name: str) -> str:
    """Return `name` if a workstream can have it, be it an old one.

    Raises:
        BadInput: It is no text, empty, longer than 200 characters, or holds a slash or a control character.
    """
    if not isinstance(name, str):
        raise BadInput(f"the name of a workstream is a str, found {type(name).__name__}")
    if not _NAME.fullmatch(name) or name != name.strip():
        raise BadInput(
            f"{name[:40]!r} cannot name a workstream; a name has 1 to 200 characters, no slash, no control character "
            "and no space at either end"
        )
    return name


def require_new_name(name: str) -> str:
    """Return `name` if a new workstream may have it; workstreams of before may be called otherwise.

    Raises:
        BadInput: As for `require_name`; or HTTP clients cannot address it, or it turns the order of a line about.
    """
    require_name(name)
    if name in _DOTS:
        raise BadInput(f"{name!r} cannot name a workstream: HTTP clients take it out of a path; choose another name")
    unseen = UNSEEN.search(name)
    if unseen:
        raise BadInput(
            f"{name[:40]!a} cannot name a workstream: U+{ord(unseen[0]):04X} is a control character, or turns or "
            "ends a line where it is shown; leave it out"
        )
    return name
