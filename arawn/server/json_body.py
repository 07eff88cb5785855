"""How the bytes of a request's body become a JSON value, and what is said of those that are none. Pure."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from arawn.server.reply import Refused, refusal

__all__ = ["decoded"]

# An escape that is half of a pair: the decoder takes it for a body that ends too early.
_HALF = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])")


def decoded(body: bytes) -> Any:
    """Return the value that `body` holds.

    Raises:
        Refused: It is no JSON, or nested too deeply to be read (400).
    """
    try:
        return msgspec.json.decode(body)
    except RecursionError as error:
        message = "the request body is nested too deeply: send fewer arrays and objects inside each other"
        raise Refused(refusal(400, "invalid_request", message)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(refusal(400, "invalid_request", _fault(body, error))) from error


def _fault(body: bytes, error: Exception) -> str:
    if not body.strip():
        return "the request body is not JSON: it is empty; send an object"
    half = _HALF.search(body) if "truncated" in str(error) else None
    if half is not None:
        said = half.group().decode("ascii")
        return f"the request body is not JSON: `{said}` is half of a character; write both halves"
    return f"the request body is not JSON: {error}"
