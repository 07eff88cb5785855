"""A refusal that comes when a stream has begun with signs of life: its status is lost, its words are not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from arawn.config.schema import Profile, RetryConfig
from arawn.server import streaming
from tests.arawn.server.sdk.doors import TOKEN, open_api
from tests.fake_provider import FakeProvider, Reply
from tests.runtimes import records

PATHS = {"/v1/chat/completions": "openai", "/v1/responses": "openai", "/v1/messages": "anthropic"}
BODY = {"model": "p", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], "input": "hi", "stream": True}
REFUSAL = b'{"type":"error",\r\n "error":{"type":"odd_error","message":"caf\\u00e9 k-secret-1","code":400}\n}'
SEEN = b'{"type":"error",  "error":{"type":"odd_error","message":"caf\\u00e9 [key]","code":400} }'


async def late_answer(path: str, dialect: str, said: bytes, directory: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Ask for a stream that is kept alive between two attempts, which `said` ends."""
    monkeypatch.setattr(streaming, "KEEP_ALIVE_SECONDS", 0.03)
    twice = RetryConfig(attempts=2, initial_s=0.1, max_s=0.2)
    with FakeProvider(Reply(503), Reply(400, said)) as provider:
        settings: Any = {"dialect": dialect, "base_url": provider.address, "api_key": "k-secret-1", "retry": twice}
        profile = Profile(backend="custom", model="m", **settings)
        async with open_api(directory, {"p": profile}) as url, httpx.AsyncClient() as client:
            response = await client.post(url + path, json=BODY, headers={"x-api-key": TOKEN})
    assert response.status_code == 200
    assert response.text.startswith(": keep-alive\n\n")
    named, _, end = response.text.rpartition(": keep-alive\n\n")[2].partition("\n\n")
    last = records(directory)[-1]["id"]
    assert named == f": interaction {last}"
    assert response.headers["x-request-id"] != last  # nobody knew it yet
    if path == "/v1/messages" and said != REFUSAL:
        assert f'"request_id":"{last}"' in end
    return end


@pytest.mark.parametrize(("path", "dialect"), PATHS.items())
async def test_the_words_of_the_provider_end_the_stream(
    path: str, dialect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the dialect of the client they pass as they are, but for line breaks and the key, in the event for errors."""
    end = await late_answer(path, dialect, REFUSAL, tmp_path, monkeypatch)

    if path == "/v1/responses":
        failed = json.loads(end.rstrip().rpartition("data: ")[2])
        wanted = {"type": "odd_error", "code": "odd_error", "message": "café [key]"}
        assert (failed["type"], failed["response"]["error"]) == ("response.failed", wanted)
    elif dialect == "openai":
        assert end.encode() == b"data: " + SEEN + b"\n\ndata: [DONE]\n\n"
    else:
        assert end.encode() == b"event: error\ndata: " + SEEN + b"\n\n"
    assert [record["status"] for record in records(tmp_path)] == ["error", "error"]


@pytest.mark.parametrize(
    "said", [b"<html>no", b'{"error":"no"}', b'{"error":{}}', b'[{"error":{"message":"no"}}]', b'{"error":{"a":"\xff']
)
@pytest.mark.parametrize(("path", "dialect"), PATHS.items())
async def test_what_no_client_would_understand_is_said_in_words_of_arawn(
    path: str, dialect: str, said: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A body without an error object, or none of JSON: one sentence that names the profile and quotes it."""
    end = await late_answer(path, dialect, said, tmp_path, monkeypatch)

    data = next(line for line in reversed(end.splitlines()) if line.startswith("data: {"))
    value = json.loads(data.removeprefix("data: "))
    error = value["response"]["error"] if path == "/v1/responses" else value["error"]
    assert error["message"].startswith("profile `p` (custom at ")


async def test_a_refusal_of_another_dialect_is_translated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client of Anthropic hears nothing in the words of OpenAI."""
    end = await late_answer("/v1/messages", "openai", b'{"error":{"message":"no"}}', tmp_path, monkeypatch)

    value = json.loads(end.rstrip().rpartition("data: ")[2])
    assert (value["type"], value["error"]["type"]) == ("error", "invalid_request_error")
    assert value["error"]["message"].startswith("profile `p` (custom at ")
