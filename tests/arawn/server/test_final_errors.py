"""What Arawn has tried as often as it may is not tried again by its clients; what it has not taken, may be."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from arawn.config.schema import Profile, RetryConfig
from tests.arawn.server.sdk.doors import TOKEN, open_api
from tests.fake_provider import FakeProvider, Reply

PATHS = ("/v1/chat/completions", "/v1/messages", "/v1/responses", "/chat")
HEADERS = {"x-api-key": TOKEN}
BUSY = Reply(503, b'{"error":{"message":"busy"}}', headers={"x-should-retry": "true", "retry-after": "0"})
SLOW = Reply(429, b'{"error":{"message":"slow down"}}', headers={"retry-after": "60"})


def asked(path: str) -> dict[str, object]:
    said = [{"role": "user", "content": "hi"}]
    if path == "/chat":
        return {"message": "hi"}
    return {"model": "auto", "max_tokens": 9, ("input" if path == "/v1/responses" else "messages"): said}


async def refused(directory: Path, path: str, reply: Reply, attempts: int) -> tuple[httpx.Headers, int]:
    """Return the headers of the answer, and how often the provider was asked."""
    with FakeProvider(reply) as provider:
        retry = RetryConfig(attempts=attempts, initial_s=0.01, max_s=0.01)
        profile = Profile(backend="custom", dialect="openai", base_url=f"{provider.address}/v1", model="m", retry=retry)
        async with open_api(directory, {"default": profile}) as url, httpx.AsyncClient() as client:
            response = await client.post(url + path, json=asked(path), headers=HEADERS)
        assert response.status_code == reply.status
        return response.headers, len(provider.received)


@pytest.mark.parametrize("path", PATHS)
async def test_what_was_tried_again_is_final(path: str, tmp_path: Path) -> None:
    """Though the provider invites another try: a client that tries thrice would multiply the tries."""
    headers, tries = await refused(tmp_path, path, BUSY, attempts=2)

    assert (headers["x-should-retry"], tries) == ("false", 2)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("status", [408, 409])
async def test_a_refusal_that_was_tried_again_is_final(path: str, status: int, tmp_path: Path) -> None:
    """Clients try 408 and 409 again unasked."""
    conflict = Reply(status, b'{"error":{"message":"not now"}}')

    headers, tries = await refused(tmp_path, path, conflict, attempts=2)

    assert (headers["x-should-retry"], tries) == ("false", 2)


@pytest.mark.parametrize("path", PATHS)
async def test_what_was_tried_once_may_be_tried_again(path: str, tmp_path: Path) -> None:
    """A profile with one attempt leaves it to its clients."""
    headers, tries = await refused(tmp_path, path, BUSY, attempts=1)

    assert (headers.get("x-should-retry", "true"), tries) == ("true", 1)


@pytest.mark.parametrize("path", PATHS)
async def test_what_has_a_time_to_come_back_may_be_tried_then(path: str, tmp_path: Path) -> None:
    """A wait that is too long for Arawn is the client's own to make."""
    headers, tries = await refused(tmp_path, path, SLOW, attempts=2)

    assert (headers["retry-after"], headers.get("x-should-retry"), tries) == ("60", None, 1)
