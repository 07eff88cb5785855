"""How the bytes of a request's body become a JSON value, and what is said of those that are none. Pure."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from arawn.config.describe import ticked
from arawn.server.reply import Refused, refusal

__all__ = ["decoded"]

# What no program sends, and takes seconds to look through: meanwhile nobody else is answered.
_MOST_FIELDS = 10_000
_MOST_ITEMS = 100_000

# An escape that is half of a pair: the decoder takes it for a body that ends too early.
_HALF = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])")


def decoded(body: bytes) -> Any:
    """Return the value that `body` holds.

    Raises:
        Refused: It is no JSON, nested too deeply to be read, or has more fields than anything here knows (400).
    """
    try:
        value = msgspec.json.decode(body)
    except RecursionError as error:
        message = "the request body is nested too deeply: send fewer arrays and objects inside each other"
        raise Refused(refusal(400, "invalid_request", message)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(refusal(400, "invalid_request", _fault(body, error))) from error
    excess = _excess(value)
    if excess is not None:
        raise Refused(refusal(400, "invalid_request", f"the request body is too much to look through: {excess}"))
    return value


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
    half = _HALF.search(body) if "truncated" in str(error) else None
    if half is not None:
        said = half.group().decode("ascii")
        return f"the request body is not JSON: `{said}` is half of a character; write both halves"
    return f"the request body is not JSON: {error}"
