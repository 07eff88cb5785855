"""What a response's head may say."""

from __future__ import annotations

import pytest

from arawn.wire.response import ResponseEncoder


def head_of(status: int) -> bytes:
    """Return the first line of a response with `status`."""
    response = ResponseEncoder("GET", "1.1", keep_alive=True)
    response.encode({"type": "http.response.start", "status": status, "headers": []})
    return response.encode({"type": "http.response.body", "body": b"x"}).partition(b"\r\n")[0]


@pytest.mark.parametrize("status", [200, 299, 429, 529, 599])
def test_every_final_status_can_be_sent(status: int) -> None:
    """Also one that has no phrase, such as the 529 of a provider that is overloaded."""
    assert head_of(status).startswith(b"HTTP/1.1 %d " % status)


@pytest.mark.parametrize("status", [0, 100, 199, 600, 1000])
def test_what_is_no_final_status_is_refused(status: int) -> None:
    """It is a fault of the application, and no byte is written."""
    with pytest.raises(ValueError, match=f"status {status} cannot be sent"):
        head_of(status)
