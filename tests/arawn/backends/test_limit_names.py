"""The name of the limit is learnt from servers of the openai dialect that refuse it for the other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from arawn.backends.open import open_provider
from arawn.backends.openai import OpenAIDialect
from arawn.config.schema import Profile
from arawn.messages import CompletionRequest, user
from tests.arawn.backends.test_openai_reasoning import profile
from tests.arawn.server.sdk.doors import TOKEN, open_api
from tests.fake_provider import FakeProvider, Received, Reply, openai_reply, openai_stream, stream_reply
from tests.runtimes import records

WANTS_NEW = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
WANTS_OLD = "property 'max_completion_tokens' is unsupported"
OLD, NEW = b'{"max_tokens":9}', b'{"max_completion_tokens":9}'
HI = {"role": "user", "content": "hi"}


class Newer(FakeProvider):
    """Refuses `max_tokens`, as newer models of OpenAI do."""

    def answer_to(self, request: Received) -> Reply:
        super().answer_to(request)
        asked = request.json()
        if "max_tokens" in asked:
            said = {"message": WANTS_NEW, "param": "max_tokens", "code": "unsupported_parameter"}
            return Reply(400, json.dumps({"error": said}).encode())
        return stream_reply(openai_stream("ok")) if asked.get("stream") else Reply(body=openai_reply("ok"))

    def limits(self) -> list[str]:
        names = ("max_tokens", "max_completion_tokens")
        return [name for request in self.received for name in names if name in request.json()]


async def ask(url: str, path: str, **asked: Any) -> httpx.Response:
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {TOKEN}"}) as client:
        return await client.post(f"{url}/v1/{path}", json={"model": "p", **asked})


@pytest.mark.parametrize("stream", [False, True])
async def test_a_server_that_refuses_max_tokens_is_asked_with_the_newer_name(stream: bool, tmp_path: Path) -> None:
    """One attempt tells; it has its record, and every later call has the name at once."""
    with Newer() as provider:
        async with open_api(tmp_path, {"p": profile(provider)}) as url:
            answers = [
                await ask(url, "messages", max_tokens=9, messages=[HI], stream=stream),
                await ask(url, "responses", max_output_tokens=9, input="hi", stream=stream),
            ]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert provider.limits() == ["max_tokens", "max_completion_tokens", "max_completion_tokens"]
    assert [record["status"] for record in records(tmp_path)] == ["error", "ok", "ok"]


async def test_a_limit_of_the_profile_in_the_words_of_a_client_is_ours(tmp_path: Path) -> None:
    """A client that gave none is not refused for it; what it says itself is for the provider to judge."""
    with Newer() as provider:
        limited = msgspec.structs.replace(profile(provider), max_tokens=9)
        async with open_api(tmp_path, {"p": limited}) as url:
            judged = await ask(url, "chat/completions", max_tokens=3, messages=[HI])
            answered = await ask(url, "chat/completions", messages=[HI])

    assert (judged.status_code, answered.status_code) == (400, 200)
    assert provider.limits() == ["max_tokens", "max_tokens", "max_completion_tokens"]


@pytest.mark.parametrize(
    ("sent", "refusal", "learns"),
    [
        (OLD, WANTS_NEW, True),
        (OLD, "this model is not supported MaxTokens, please use MaxCompletionTokens", True),
        (OLD, "'max_tokens' or 'max_completion_tokens' is too large: 9.", False),
        (OLD, "'max_tokens' is not supported", False),
        (b"{}", WANTS_NEW, False),
        (NEW, WANTS_NEW, False),
        (b'{"max_tokens":9,"max_completion_tokens":9}', WANTS_NEW, False),
        (NEW, WANTS_OLD, True),
        (NEW, "max_completion_tokens is too large: 9", False),
        (OLD, WANTS_OLD, False),
    ],
)
def test_only_a_refusal_of_the_name_that_was_sent_is_learnt_from(sent: bytes, refusal: str, learns: bool) -> None:
    """Also when another call has learnt it meanwhile; a limit that is too large is refused under either name."""
    dialect = OpenAIDialect()

    assert dialect.learns_from(sent, refusal.encode()) is learns
    assert dialect.learns_from(sent, refusal.encode()) is learns


def test_a_model_that_does_not_know_the_newer_name_is_asked_with_the_older() -> None:
    """A proxy has many models under one address: what one of them has said is no law for another."""
    dialect = OpenAIDialect()
    request = CompletionRequest(messages=(user("hi"),), model="m", max_tokens=9)
    names = []
    for sent, refusal in ((OLD, WANTS_NEW), (NEW, WANTS_OLD)):
        dialect.learns_from(sent, refusal.encode())
        names.append([name for name in dialect.encode(request, stream=False).body if "tokens" in name])

    assert names == [["max_completion_tokens"], ["max_tokens"]]


@pytest.mark.parametrize(
    ("address", "name"),
    [
        (None, "max_completion_tokens"),
        ("https://eu.api.openai.com/v1", "max_completion_tokens"),
        ("https://api.openai.com.example/v1", "max_tokens"),
    ],
)
async def test_the_own_server_of_a_backend_is_known_by_its_host(address: str | None, name: str) -> None:
    """Nothing has to be learnt of it, though its address is given."""
    asked: list[dict[str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(json.loads(request.content))
        return httpx.Response(200, content=openai_reply("ok"))

    profile = Profile(backend="openai", model="m", base_url=address, api_key="k", max_tokens=9)
    async with open_provider("p", profile, environ={}, transport=httpx.MockTransport(answer)) as provider:
        await provider.complete(CompletionRequest(messages=(user("hi"),), model="m", max_tokens=9))

    assert asked[0][name] == 9
