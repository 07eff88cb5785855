"""A setting that only the provider can judge is left to it, and its refusal reaches the client in its words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from tests.arawn.server.sdk.doors import TOKEN, open_api
from tests.fake_provider import FakeProvider, Reply
from tests.runtimes import custom, records

WORDS = "temperature: 9 is out of range, at most 2"
REFUSALS: dict[str, dict[str, Any]] = {
    "openai": {"error": {"message": WORDS, "type": "invalid_request_error", "param": "temperature", "code": None}},
    "anthropic": {"type": "error", "error": {"type": "invalid_request_error", "message": WORDS}, "request_id": "r"},
}
PATHS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "hi"}]},
    "/v1/responses": {"input": "hi"},
    "/v1/messages": {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9},
    "/chat": {"message": "hi"},
}


def in_words_of(path: str, refusal: dict[str, Any]) -> bool:
    """Say whether a refusal has the shape that clients of `path` read."""
    error = refusal["error"]
    if path == "/v1/messages":
        return refusal["type"] == "error" and error["type"] == "invalid_request_error" and "request_id" in refusal
    return bool(error["type"]) and (path == "/chat" or {"param", "code"} <= error.keys())


@pytest.mark.parametrize("dialect", REFUSALS)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("path", "where"),
    [(path, where) for path in PATHS for where in ("request", "profile") if (path, where) != ("/chat", "request")],
)
async def test_a_temperature_that_is_too_high_is_the_providers_to_refuse(
    tmp_path: Path, path: str, dialect: Any, stream: bool, where: str
) -> None:
    """400 in the client's dialect with the provider's sentence, streamed or not, and nothing is tried again."""
    with FakeProvider(Reply(400, json.dumps(REFUSALS[dialect]).encode())) as provider:
        profile = msgspec.structs.replace(custom(provider.address), dialect=dialect)
        if where == "profile":
            profile = msgspec.structs.replace(profile, temperature=9)
        sent = {**PATHS[path], "stream": stream} | ({} if path == "/chat" else {"model": "default"})
        more = {"temperature": 9} if where == "request" else {}
        async with open_api(tmp_path, {"default": profile}) as url, httpx.AsyncClient() as client:
            response = await client.post(url + path, json=sent | more, headers={"x-api-key": TOKEN})

    (received,) = provider.received
    assert received.json()["temperature"] == 9
    assert response.status_code == 400
    assert WORDS in response.json()["error"]["message"]
    assert in_words_of(path, response.json())
    assert [record["error"]["status"] for record in records(tmp_path)] == [400]
    assert WORDS in records(tmp_path)[0]["error"]["message"]
