"""What the headers of a request say of where it comes from. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

import msgspec

from arawn.errors import BadInput
from arawn.server.reply import Refused, refusal
from arawn.workstreams.store import require_name

__all__ = ["NOWHERE", "Origin", "origin_of"]

# What agent clients send by themselves; the first that is there counts.
_SESSION_HEADERS = (b"x-claude-code-session-id", b"session_id", b"session-id", b"x-session-id")
_TAG = b"x-arawn-tag-"
_LONGEST = 200  # characters of a name


class Origin(msgspec.Struct, frozen=True):
    """The context of a call: what goes into its record beside what is said."""

    profile: str | None = None
    workstream: str | None = None
    session_id: str | None = None
    tags: dict[str, str] = {}


NOWHERE = Origin()
"""Of a request whose headers say nothing of it."""


def origin_of(headers: Mapping[bytes, bytes]) -> Origin:
    """Return what `x-arawn-profile`, `-workstream`, `-session` and `-tag-<key>` say; values are percent-decoded.

    Raises:
        Refused: A value is empty, too long, no UTF-8, holds a control character, or names what can be no workstream; or
            a tag has no key (400).
    """
    if b"x-arawn-" not in b" ".join(headers) and headers.keys().isdisjoint(_SESSION_HEADERS):  # most requests
        return NOWHERE
    return Origin(
        profile=_given(headers, b"x-arawn-profile"),
        workstream=_workstream(headers),
        session_id=_given(headers, b"x-arawn-session") or _session_of_client(headers),
        tags=_tags(headers),
    )


def _tags(headers: Mapping[bytes, bytes]) -> dict[str, str]:
    if _TAG in headers:
        raise Refused(
            refusal(400, "invalid_request", "the header `x-arawn-tag-` names no tag; write its key behind it")
        )
    return {
        name.removeprefix(_TAG).decode("latin-1"): _text(name, value)
        for name, value in headers.items()
        if name.startswith(_TAG)
    }


def _given(headers: Mapping[bytes, bytes], name: bytes) -> str | None:
    return _text(name, headers[name]) if name in headers else None


def _workstream(headers: Mapping[bytes, bytes]) -> str | None:
    name = _given(headers, b"x-arawn-workstream")
    try:
        return None if name is None else require_name(name)
    except BadInput as error:
        raise Refused(refusal(400, "invalid_request", f"the header `x-arawn-workstream`: {error}")) from error


def _session_of_client(headers: Mapping[bytes, bytes]) -> str | None:
    """Return the session that a client names unasked; what it means by an odd one is its own affair."""
    values = [headers[name].decode("utf-8", "replace").strip() for name in _SESSION_HEADERS if name in headers]
    usable = [value for value in values if value.isprintable() and 0 < len(value) <= _LONGEST]
    return usable[0] if usable else None


def _text(name: bytes, value: bytes) -> str:
    try:
        text = unquote_to_bytes(value).decode().strip()
    except UnicodeDecodeError:
        text = ""
    if not text or len(text) > _LONGEST or not text.isprintable():
        wanted = f"1 to {_LONGEST} printable characters in UTF-8, percent-encoded"
        raise Refused(refusal(400, "invalid_request", f"the header `{name.decode('latin-1')}` must hold {wanted}"))
    return text
