"""When a provider that refuses a call invites the next one. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

__all__ = ["retry_after"]

# `google.rpc.RetryInfo` in the details of an error; JSON says durations so (protobuf's `Duration`).
_RETRY_DELAY = re.compile(rb'"retryDelay"\s*:\s*"([0-9]{1,9}(?:\.[0-9]{1,9})?)s"')


def retry_after(headers: Mapping[str, str], body: bytes = b"", *, now: datetime) -> float | None:
    """Return the seconds after which the provider invites another try, more than 0; the body counts without a header.

    None if it said nothing that can be read, or that the time has come: then the usual back-off says when.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after")
    if text is None:
        delay = _RETRY_DELAY.search(body)
        return None if delay is None else _number(delay[1].decode())
    seconds = _number(text)
    if seconds is not None:
        return seconds
    try:
        until = (parsedate_to_datetime(text) - now).total_seconds()
    except (TypeError, ValueError, OverflowError):
        return None
    return until if until > 0 else None


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text is not None else 0.0
    except ValueError:
        return None
    return number if number > 0 and math.isfinite(number) else None
