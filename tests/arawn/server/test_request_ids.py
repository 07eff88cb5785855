"""A stream is known by the id of the record that will hold its answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from arawn.config.schema import RetryConfig
from tests.arawn.server.sdk.doors import TOKEN, open_api
from tests.arawn.server.sdk.upstreams import KINDS, Answer, Refusal, upstream
from tests.runtimes import records

PATHS = ("/v1/chat/completions", "/v1/messages", "/v1/responses", "/chat")
TWICE = RetryConfig(attempts=2, initial_s=0.01, max_s=0.01)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", PATHS)
async def test_a_stream_is_known_by_its_record(path: str, kind: str, tmp_path: Path) -> None:
    """The head has the id of the attempt that answers, not that of one which was tried before."""
    said = [{"role": "user", "content": "hi"}]
    body: dict[str, Any] = {"model": "auto", "max_tokens": 9, "messages": said, "input": "hi", "stream": True}
    if path == "/chat":
        body = {"message": "hi", "stream": True}
    with upstream(kind, tmp_path, Refusal(503), Answer("Paris it is"), stream=True, retry=TWICE) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url, httpx.AsyncClient() as client:
            response = await client.post(url + path, content=json.dumps(body), headers={"x-api-key": TOKEN})

    assert [record["status"] for record in records(tmp_path)] == ["error", "ok"]
    assert response.headers["x-request-id"] == records(tmp_path)[1]["id"]
    assert ": interaction" not in response.text


async def test_a_stream_that_breaks_is_known_by_its_record(tmp_path: Path) -> None:
    """That of what had arrived."""
    with upstream("openai", tmp_path, Answer("one two three"), stream=True, cut=True) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url, httpx.AsyncClient() as client:
            body = {"model": "auto", "messages": [{"role": "user", "content": "hi"}], "stream": True}
            response = await client.post(f"{url}/v1/chat/completions", json=body, headers={"x-api-key": TOKEN})

    assert records(tmp_path)[0]["status"] == "partial"
    assert response.headers["x-request-id"] == records(tmp_path)[0]["id"]


async def test_the_error_of_a_message_is_known_by_its_record_too(tmp_path: Path) -> None:
    """The event that ends the stream has the id that stands in the head."""
    with upstream("openai", tmp_path, Answer("one two three"), stream=True, cut=True) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url, httpx.AsyncClient() as client:
            said = [{"role": "user", "content": "hi"}]
            body = {"model": "auto", "max_tokens": 9, "messages": said, "stream": True}
            response = await client.post(f"{url}/v1/messages", json=body, headers={"x-api-key": TOKEN})

    last = json.loads(response.text.rstrip().rpartition("data: ")[2])
    assert (last["type"], last["request_id"]) == ("error", records(tmp_path)[0]["id"])


async def test_what_a_broken_response_had_said_is_incomplete(tmp_path: Path) -> None:
    """The item that was cut does not say that it was completed."""
    with upstream("openai", tmp_path, Answer("one two three"), stream=True, cut=True) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url, httpx.AsyncClient() as client:
            body = {"model": "auto", "input": "hi", "stream": True}
            response = await client.post(f"{url}/v1/responses", json=body, headers={"x-api-key": TOKEN})

    last = json.loads(response.text.rstrip().rpartition("data: ")[2])
    assert last["type"] == "response.failed"
    assert [item["status"] for item in last["response"]["output"]] == ["incomplete"]
