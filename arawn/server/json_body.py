"""How the bytes of a request's body become a JSON value, and what is said of those that are none. Pure."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

from arawn.config.describe import suggestion, ticked
from arawn.server.reply import Refused, refusal

__all__ = ["decoded", "fitted"]

B = TypeVar("B", bound=msgspec.Struct)

_NAMED = 10  # unknown fields of a body that are named

# What no program sends, and takes seconds to look through: meanwhile nobody else is answered.
_MOST_FIELDS = 10_000
_MOST_ITEMS = 100_000
_MOST_PARTS = 300_000  # texts, names among them, arrays and objects, at all depths
_MOST_LISTED = 2_000_000  # numbers cost less, and what is to be embedded may be many
_LITTLE = 2 * _MOST_FIELDS  # bytes: too few for too many of anything
_MOST_EXPONENTS = 10_000  # such numbers cost up to 17 µs each

# An escape that is half of a pair: the decoder takes it for a body that ends too early.
_HALF = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])")


def decoded(body: bytes) -> Any:
    """Return the value that `body` holds.

    Raises:
        Refused: It is no JSON, nested too deeply to be read, or has more in it than anything here knows (400).
    """
    little = len(body) <= _LITTLE
    if not little:
        _require_few(_excess_within(body))
    try:
        value = msgspec.json.decode(body)
    except RecursionError as error:
        message = "the request body is nested too deeply: send fewer arrays and objects inside each other"
        raise Refused(refusal(400, "invalid_request", message)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(refusal(400, "invalid_request", _fault(body, error))) from error
    if not little:
        _require_few(_excess(value))
    return value


def fitted(value: Any, kind: type[B]) -> B:
    """Return a decoded body as the struct that a route takes.

    Raises:
        Refused: It is of another shape (422, naming the field).
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        misfit = _unknown_fields(value, kind) or str(error)
        raise Refused(refusal(422, "invalid_request", f"the request body does not fit: {misfit}")) from error


def _unknown_fields(value: object, kind: type[msgspec.Struct]) -> str | None:
    """Return what to say of fields that a body has and `kind` has not; None if there are none."""
    known = kind.__struct_encode_fields__
    unknown = [name for name in value if name not in known] if isinstance(value, dict) else []
    if not unknown:
        return None
    names = ", ".join(ticked(name) + suggestion(name, known) for name in unknown[:_NAMED])
    more = f" and {len(unknown) - _NAMED:,} more" if unknown[_NAMED:] else ""
    return f"unknown: {names}{more}; accepted: {', '.join(map(ticked, known))}"


def _require_few(excess: str | None) -> None:
    if excess is not None:
        raise Refused(refusal(400, "invalid_request", f"the request body is too much to look through: {excess}"))


def _excess_within(body: bytes) -> str | None:
    """Return of what a body has too many at all its depths; None if it has not. Counted, not decoded."""
    if len(body) <= _MOST_PARTS:  # each takes a byte
        return None
    bare = body.replace(b"\\\\", b"").replace(b'\\"', b"")  # so that each quote begins or ends a text
    parts = bare.count(b'"') // 2
    marks = b"".join(bare.split(b'"')[::2]) if parts <= _MOST_PARTS else b""
    parts += marks.count(b"{") + marks.count(b"[")
    if parts > _MOST_PARTS:
        return f"it has {parts:,} texts, arrays and objects; at most {_MOST_PARTS:,} are read"
    exponents = marks.count(b"e") + marks.count(b"E") - marks.count(b"true") - marks.count(b"false")
    if exponents > _MOST_EXPONENTS:
        return f"it has {exponents:,} numbers with an exponent; at most {_MOST_EXPONENTS:,} are read"
    listed = marks.count(b",")
    return f"it lists {listed:,} values; at most {_MOST_LISTED:,} are read" if listed > _MOST_LISTED else None


def _excess(value: Any) -> str | None:
    """Return of what a body has more than is looked through; None if it has not."""
    if not isinstance(value, dict):
        return None
    if len(value) > _MOST_FIELDS:
        return f"it has {len(value):,} fields; at most {_MOST_FIELDS:,} are read"
    for name, field in value.items():
        if isinstance(field, list) and len(field) > _MOST_ITEMS:
            return f"{ticked(name)} has {len(field):,} items; at most {_MOST_ITEMS:,} are read"
    return None


def _fault(body: bytes, error: Exception) -> str:
    if not body.strip():
        return "the request body is not JSON: it is empty; send an object"
    if isinstance(error, UnicodeDecodeError):  # it counts within one text
        return f"the request body is not JSON: invalid UTF-8 (byte {_first_foreign(body)})"
    half = _HALF.search(body) if "truncated" in str(error) else None
    if half is not None:
        said = half.group().decode("ascii")
        return f"the request body is not JSON: `{said}` is half of a character; write both halves"
    return f"the request body is not JSON: {error}"


def _first_foreign(body: bytes) -> int:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        return error.start
    return len(body)
