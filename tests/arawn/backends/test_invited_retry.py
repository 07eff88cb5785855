"""When a provider that refuses a call invites the next one."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arawn.backends.failures import from_status
from arawn.backends.invited_retry import retry_after

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "9"}, 9.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after": "Thu, 01 Jan 2026 00:01:00 GMT"}, 60.0),
        ({"retry-after": "Wed, 31 Dec 2025 00:00:00 GMT"}, None),
        ({"retry-after": "Thu, 01 Jan 2026 00:00:00 GMT"}, None),
        ({"retry-after": "0"}, None),
        ({"retry-after-ms": "0", "retry-after": "2"}, 2.0),
        ({"retry-after": "Thu, 01 Jan 2026 00:01:00"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after-ms": "inf", "retry-after": "2"}, 2.0),
        ({}, None),
    ],
)
def test_the_invitation_to_retry_is_read_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    """Milliseconds, seconds or a date; nonsense is no invitation."""
    assert retry_after(headers, now=NOW) == seconds


@pytest.mark.parametrize(
    ("delay", "headers", "seconds"),
    [("31s", {}, 31.0), ("0.5s", {}, 0.5), ("0s", {}, None), ("soon", {}, None), ("31s", {"retry-after": "2"}, 2.0)],
)
def test_the_invitation_in_a_body_is_read_too(delay: str, headers: dict[str, str], seconds: float | None) -> None:
    """As Google says it, in the list that Gemini wraps its errors in; a header comes first."""
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}
    body = [{"error": {"code": 429, "message": "Quota", "status": "RESOURCE_EXHAUSTED", "details": [info]}}]

    error = from_status("profile `p`", 429, headers, json.dumps(body).encode(), now=NOW)

    assert error.retry_after_s == seconds


@given(text=st.text(st.characters(max_codepoint=127)))
def test_no_invitation_is_for_this_very_moment_or_before(text: str) -> None:
    """Whatever the header holds, waiting is possible or nothing was said: then the back-off says when."""
    seconds = retry_after({"retry-after": text, "retry-after-ms": text}, now=NOW)

    assert seconds is None or seconds > 0
