"""How the dialects word an error: its type, and whether clients are to ask again."""

from __future__ import annotations

import json

import pytest

from arawn.server.reply import refusal
from arawn.server.v1.envelope import in_envelope
from arawn.server.v1.target import DialectName

TYPES = [
    (400, "invalid_request_error", "invalid_request_error"),
    (401, "authentication_error", "authentication_error"),
    (402, "invalid_request_error", "billing_error"),
    (403, "permission_error", "permission_error"),
    (404, "invalid_request_error", "not_found_error"),
    (405, "invalid_request_error", "not_found_error"),
    (413, "invalid_request_error", "request_too_large"),
    (429, "rate_limit_error", "rate_limit_error"),
    (500, "server_error", "api_error"),
    (502, "server_error", "api_error"),
    (503, "server_error", "api_error"),
    (504, "server_error", "timeout_error"),
]


@pytest.mark.parametrize(("status", "openai", "anthropic"), TYPES)
def test_each_status_has_its_type_in_each_dialect(status: int, openai: str, anthropic: str) -> None:
    """Clients choose what to do by it."""
    kinds: dict[DialectName, str] = {"openai": openai, "anthropic": anthropic}
    for dialect, kind in kinds.items():
        body = json.loads(in_envelope(refusal(status, "kind", "words"), dialect, "r-1").body)

        assert (body["error"]["type"], body["error"]["message"]) == (kind, "words")


@pytest.mark.parametrize("dialect", [None, "openai", "anthropic"])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 409, 413, 422, 429, 431, 500, 503])
def test_what_would_be_refused_again_says_so(status: int, dialect: DialectName | None) -> None:
    """Clients ask 408, 409, 429 and 5xx again unasked, and are to; any other refusal of the door stays one."""
    headers = in_envelope(refusal(status, "kind", "words"), dialect, "r-1").headers

    assert ((b"x-should-retry", b"false") in headers) is (status in {400, 401, 403, 404, 413, 422, 431})
