"""Which profile a model's name means, and the list of what there is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from arawn.config.schema import Config, Profile, RetryConfig
from arawn.errors import UnknownProfile
from arawn.server.reply import Refused
from arawn.server.v1.target import choose_target
from tests.arawn.server.sdk.doors import TOKEN, open_api
from tests.arawn.server.sdk.upstreams import Answer, Refusal, upstream
from tests.runtimes import records

TWO = Profile(backend="scripted", model="twin")
PROFILES = {
    "default": Profile(backend="anthropic", model="claude-x"),
    "fast": Profile(backend="groq", model="org/llama"),
    "a": TWO,
    "b": TWO,
}
CONFIG = Config(profiles=PROFILES)
HEADERS = {"x-api-key": TOKEN}


@pytest.mark.parametrize(
    ("model", "wanted", "hint", "asked", "profile", "dialect"),
    [
        ("fast", None, "fast", None, "fast", "openai"),
        ("auto", None, None, None, "default", "anthropic"),
        ("org/llama", None, "fast", None, "fast", "openai"),
        ("claude-x", None, "default", None, "default", "anthropic"),
        ("gpt-9", "fast", "fast", "gpt-9", "fast", "openai"),
        ("auto", "a", "a", None, "a", None),
        ("fast", "default", "default", None, "default", "anthropic"),
        ("twin", "b", "b", None, "b", None),
    ],
)
def test_a_name_means_one_profile(
    model: str, wanted: str | None, hint: str | None, asked: str | None, profile: str, dialect: str | None
) -> None:
    """A profile's name, `auto`, or a model that one profile has; the header decides before all of them."""
    target = choose_target(model, wanted, CONFIG)

    assert (target.hint, target.model, target.routing.profile, target.dialect) == (hint, asked, profile, dialect)


@pytest.mark.parametrize(("model", "named"), [("gpt-9", "`a`, `b`, `default`, `fast`"), ("twin", "`a`, `b`")])
def test_a_name_that_means_none_or_several_is_a_404_with_the_list(model: str, named: str) -> None:
    """Nothing is chosen in silence."""
    with pytest.raises(Refused) as refused:
        choose_target(model, None, CONFIG)

    assert refused.value.reply.status == 404
    assert named.encode() in refused.value.reply.body


def test_a_wrong_header_and_a_missing_default_are_errors() -> None:
    """As on every other door."""
    with pytest.raises(UnknownProfile):
        choose_target("fast", "nope", CONFIG)
    with pytest.raises(UnknownProfile):
        choose_target("auto", None, Config(profiles={"fast": TWO}))


async def get(directory: Path, path: str, **headers: str) -> httpx.Response:
    async with open_api(directory, {"default": TWO, "x/y": TWO}) as url, httpx.AsyncClient() as client:
        return await client.get(url + path, headers={**HEADERS, **headers})


async def test_the_models_are_the_profiles_in_either_shape(tmp_path: Path) -> None:
    """The header that clients of the one dialect always send decides."""
    openai = (await get(tmp_path, "/v1/models")).json()
    anthropic = (await get(tmp_path, "/v1/models?limit=1000", **{"anthropic-version": "2023-06-01"})).json()

    assert openai["object"] == "list"
    assert openai["data"][0] == {"id": "default", "object": "model", "created": 0, "owned_by": "scripted"}
    assert [model["id"] for model in anthropic["data"]] == ["default", "x/y"]
    assert anthropic["data"][0]["display_name"] == "default: twin"
    assert (anthropic["first_id"], anthropic["last_id"], anthropic["has_more"]) == ("default", "x/y", False)


@pytest.mark.parametrize(
    ("query", "ids", "has_more"),
    [
        ("limit=1", ["default"], True),
        ("limit=2", ["default", "x/y"], False),
        ("limit=1&after_id=default", ["x/y"], False),
        ("after_id=x%2Fy", [], False),
        ("before_id=x%2Fy&limit=5", ["default"], False),
        ("beta=true", ["default", "x/y"], False),
    ],
)
async def test_a_page_of_the_models_is_as_long_as_asked(
    tmp_path: Path, query: str, ids: list[str], has_more: bool
) -> None:
    """In either shape; only that of Anthropic can say that there are more."""
    openai = (await get(tmp_path, f"/v1/models?{query}")).json()
    anthropic = (await get(tmp_path, f"/v1/models?{query}", **{"anthropic-version": "2023-06-01"})).json()

    assert [model["id"] for model in openai["data"]] == [model["id"] for model in anthropic["data"]] == ids
    assert anthropic["has_more"] is has_more


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "after_id=nope", "before_id="])
async def test_a_page_of_the_models_that_cannot_be_is_refused(tmp_path: Path, query: str) -> None:
    """400 that names the field."""
    response = await get(tmp_path, f"/v1/models?{query}")

    assert response.status_code == 400
    assert f"`{query.partition('=')[0]}` is" in response.json()["error"]["message"]


@pytest.mark.parametrize(("path", "status"), [("default", 200), ("x/y", 200), ("x%2Fy", 200), ("nope", 404)])
async def test_one_model_is_shown(tmp_path: Path, path: str, status: int) -> None:
    """By every name that a request may use; a slash in it does no harm."""
    response = await get(tmp_path, f"/v1/models/{path}")

    assert response.status_code == status
    assert status == 404 or response.json()["id"] == path.replace("%2F", "/")


async def test_a_model_is_shown_by_the_name_that_the_list_has(tmp_path: Path) -> None:
    """A path is decoded once: a percent sign of the name itself stays one."""
    async with open_api(tmp_path, {"p%41": TWO}) as url, httpx.AsyncClient(headers=HEADERS) as client:
        found = [await client.get(f"{url}/v1/models/{path}") for path in ("p%2541", "p%41")]

    assert [each.status_code for each in found] == [200, 404]


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/default"])
async def test_models_are_answered_with_the_id_that_the_dialect_reads(tmp_path: Path, path: str) -> None:
    """As all else is: clients of Anthropic look for `request-id`."""
    ours, theirs = await get(tmp_path, path), await get(tmp_path, path, **{"anthropic-version": "2023-06-01"})

    assert "request-id" not in ours.headers
    assert theirs.headers["request-id"] == theirs.headers["x-request-id"]


PASSED = [("/v1/embeddings", "openai"), ("/v1/messages/count_tokens", "anthropic")]


BODY = {"model": "default", "z": [1], "input": ["a", "b"], "messages": [{"role": "user", "content": "hi"}]}


async def pass_on(directory: Path, path: str, kind: str, said: Answer | Refusal, **body: Any) -> tuple[Any, Any]:
    with upstream(kind, directory, said, stream=False) as up:
        async with open_api(directory, {"default": up.profile}) as url, httpx.AsyncClient() as client:
            headers = {**HEADERS, "anthropic-beta": "x-1", "x-arawn-tag-job": "42"}
            response = await client.post(url + path, json={**BODY, **body}, headers=headers)
        return response, up.provider.received[-1] if up.provider and up.provider.received else None


@pytest.mark.parametrize(("path", "dialect"), PASSED)
async def test_what_is_no_completion_is_passed_on_as_it_is(tmp_path: Path, path: str, dialect: str) -> None:
    """To the endpoint of the same name, with the profile's model; the answer comes back byte for byte."""
    response, sent = await pass_on(tmp_path, path, dialect, Answer("bytes"))

    assert response.status_code == 200
    assert response.json()["model"] == "m-1"
    assert sent.path == path
    assert sent.json() == {**BODY, "model": "m-1"}
    assert sent.headers["anthropic-beta"] == "x-1"


@pytest.mark.parametrize(("path", "dialect"), PASSED)
async def test_a_provider_that_refuses_is_heard_in_its_own_words(tmp_path: Path, path: str, dialect: str) -> None:
    """Status, body and the wait it asks for."""
    response, _ = await pass_on(tmp_path, path, dialect, Refusal(429, "slow down", retry_after=7))

    assert (response.status_code, response.headers["retry-after"]) == (429, "7")
    assert response.json()["error"] == {"message": "slow down", "type": "some_error"}


@pytest.mark.parametrize(
    ("path", "kind"),
    [(path, kind) for path, dialect in PASSED for kind in ("scripted", "openai", "anthropic") if kind != dialect],
)
async def test_a_profile_without_the_endpoint_says_so(tmp_path: Path, path: str, kind: str) -> None:
    """404 in the dialect's envelope; nothing is estimated."""
    response, sent = await pass_on(tmp_path, path, kind, Answer("x"))

    assert response.status_code == 404
    word = "not_found_error" if path.startswith("/v1/messages") else "invalid_request_error"
    assert response.json()["error"]["type"] == word
    assert "`default`" in response.json()["error"]["message"]
    assert sent is None


async def test_a_provider_that_is_not_there_is_an_error_of_the_gateway(tmp_path: Path) -> None:
    """502 in the dialect's envelope."""
    gone = Profile(
        backend="custom", dialect="openai", model="m", base_url="http://127.0.0.1:9/v1", retry=RetryConfig(attempts=1)
    )
    async with open_api(tmp_path, {"default": gone}) as url, httpx.AsyncClient() as client:
        response = await client.post(f"{url}/v1/embeddings", json=BODY, headers=HEADERS)

    assert response.status_code == 502
    assert response.json()["error"]["type"] == "server_error"


@pytest.mark.parametrize(("path", "dialect"), PASSED)
async def test_what_is_no_completion_is_a_call_with_a_record(tmp_path: Path, path: str, dialect: str) -> None:
    """The record says which endpoint it was, what was sent, and for whom; the answer is known by the record's id."""
    response, _ = await pass_on(tmp_path, path, dialect, Answer("x"))

    record = records(tmp_path)[0]
    assert record["status"] == "ok"
    assert record["tags"] == {"job": "42", "endpoint": path.rpartition("/")[2], "routing_profile": "default"}
    assert record["messages"][0]["content"][0]["text"] == ("a" if dialect == "openai" else "hi")
    assert record["response_content"] == []
    assert response.headers["x-request-id"] == record["id"]
    assert response.headers["x-arawn-profile"] == "default"


@pytest.mark.parametrize(("path", "dialect"), PASSED)
async def test_what_is_no_completion_keeps_to_the_profile(tmp_path: Path, path: str, dialect: str) -> None:
    """Its retries and its limits are those of every call."""
    said = (Refusal(503, "busy"), Answer("x"))
    twice = RetryConfig(attempts=2, initial_s=0.01, max_s=0.01)
    with upstream(dialect, tmp_path, *said, stream=False, retry=twice) as up:
        profile = msgspec.structs.replace(up.profile, requests_per_minute=2)
        async with open_api(tmp_path, {"default": profile}) as url, httpx.AsyncClient(headers=HEADERS) as client:
            first, second = [await client.post(url + path, json=BODY) for _ in range(2)]

    assert (first.status_code, second.status_code) == (200, 429)
    assert [record["status"] for record in records(tmp_path)] == ["error", "ok", "error"]
