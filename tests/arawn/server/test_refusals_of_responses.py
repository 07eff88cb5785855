"""Refusals at `/v1/responses`, which no provider is asked in: what its clients would not understand is said anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openai
import pytest
import trio

from arawn.config.schema import Profile, RetryConfig
from tests.arawn.server.sdk.doors import TOKEN, open_api
from tests.fake_provider import FakeProvider, Reply

ODD = [
    (404, b'{"error":"model \'x\' not found, try pulling it first"}', "model 'x' not found, try pulling it first"),
    (422, b'{"detail":[{"msg":"field required"}]}', "field required"),
    (400, b'[{"error":{"code":400,"message":"not a valid name","status":"INVALID_ARGUMENT"}}]', "not a valid name"),
    (529, b"oops", "oops"),
    (403, b"<html>no", "<html>no"),
]


async def refused(directory: Path, reply: Reply, **more: Any) -> openai.APIStatusError:
    with FakeProvider(reply) as provider:
        backend = Profile(
            backend="custom", dialect="openai", base_url=provider.address, model="m", retry=RetryConfig(attempts=1)
        )
        async with open_api(directory, {"p": backend}) as url:

            def act() -> openai.APIStatusError:
                with openai.OpenAI(base_url=f"{url}/v1", api_key=TOKEN, max_retries=0) as client:
                    with pytest.raises(openai.APIStatusError) as error:
                        client.responses.create(model="p", input="hi", **more)
                return error.value

            return await trio.to_thread.run_sync(act)


@pytest.mark.slow
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("status", "body", "words"), ODD)
async def test_odd_refusals_are_whole_sentences(
    status: int, body: bytes, words: str, stream: bool, tmp_path: Path
) -> None:
    """The SDK shows which profile, what the provider said, and what would be right."""
    error = await refused(tmp_path, Reply(status, body), stream=stream)

    assert "profile `p` (custom at " in error.message
    assert words in error.message
    assert isinstance(error.body, dict)
    assert isinstance(error.body["type"], str)


@pytest.mark.slow
async def test_a_refusal_in_the_envelope_passes_as_it_is(tmp_path: Path) -> None:
    """Agents look for its code and its wording."""
    body = b'{"error": {"message": "too long", "type": "odd", "code": "context_length_exceeded", "param": "input"}}'
    error = await refused(tmp_path, Reply(400, body, headers={"retry-after": "7"}))

    assert (error.status_code, error.code, error.param, error.type) == (400, "context_length_exceeded", "input", "odd")
    assert error.response.content == body
    assert error.response.headers["retry-after"] == "7"
