"""Fields of OpenAI's own responses that its chat completions have too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from arawn.config.schema import Config, Profile, RoutingConfig, RoutingRule
from arawn.server.v1.responses_in import read_responses, translate_responses
from arawn.server.v1.target import choose_target
from tests.arawn.server.sdk.doors import TOKEN, open_api
from tests.fake_provider import FakeProvider

SHARED = {
    "prompt_cache_key": "k",
    "prompt_cache_retention": "24h",
    "safety_identifier": "s",
    "service_tier": "flex",
    "user": "u",
}
KEPT = {"metadata": {"a": "b"}, "include": ["reasoning.encrypted_content"], "store": True}
ASKED = {"model": "auto", "input": "hi", "text": {"verbosity": "low"}, **SHARED, **KEPT}


def told(config: Config) -> tuple[dict[str, Any], set[str]]:
    said = translate_responses(read_responses(json.dumps(ASKED).encode()), choose_target("auto", None, config))
    return said.request.extra, set(said.ignored)


def test_openai_is_told_what_it_documents() -> None:
    """With the same words; what would have to be kept there is named as not told."""
    extra, ignored = told(Config(profiles={"default": Profile(backend="openai", model="m")}))

    assert extra == {**SHARED, "verbosity": "low"}
    assert ignored == set(KEPT)


@pytest.mark.parametrize("backend", ["groq", "custom", "anthropic", "scripted"])
def test_no_other_server_is(backend: str) -> None:
    """Many refuse a call for a field that they do not know."""
    extra, ignored = told(Config(profiles={"default": Profile(backend=backend, model="m", dialect="openai")}))

    assert extra == {}
    assert ignored == {*SHARED, *KEPT, "text.verbosity"}


@pytest.mark.parametrize(("other", "is_told"), [("openai", True), ("groq", False)])
def test_where_a_rule_chooses_all_must_be_openai(other: Any, is_told: bool) -> None:
    """The request is written before the choice."""
    profiles = {"default": Profile(backend="openai", model="m"), "other": Profile(backend=other, model="n")}
    rules = (RoutingRule("all", {"message_count_gt": 0}, "other"),)
    config = msgspec.structs.replace(Config(profiles=profiles), routing=RoutingConfig(enabled=True, rules=rules))

    assert ("prompt_cache_key" in told(config)[0]) is is_told


async def test_they_are_on_the_wire(tmp_path: Path) -> None:
    """And null stands for nothing said."""
    with FakeProvider() as provider:
        profile = Profile(backend="openai", base_url=provider.address, model="m", api_key="sk-1234567890")
        async with open_api(tmp_path, {"p": profile}) as url, httpx.AsyncClient() as client:
            asked = {**ASKED, "model": "p", "user": None}
            response = await client.post(f"{url}/v1/responses", json=asked, headers={"x-api-key": TOKEN})
        sent = provider.received[0].json()

    assert response.status_code == 200
    assert (sent["prompt_cache_key"], sent["verbosity"], "user" in sent) == ("k", "low", False)
    assert set(response.headers["x-arawn-ignored"].split(", ")) == set(KEPT)
