"""The binding of a workstream counts at every door: a call on its behalf that names no profile goes there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from arawn.config.schema import Config, NamedWorkstream, Profile, RoutingConfig
from arawn.errors import StoreFailed
from arawn.runtime_door import Runtime
from tests.arawn.routing.asking import asking, rule
from tests.fake_provider import FakeProvider, Reply
from tests.runtimes import ECHO, configured, custom, records, running
from tests.serving import app_of, serving

CHAT, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/responses", "/v1/messages"
EVERY_PATH = pytest.mark.parametrize("path", [CHAT, RESPONSES, MESSAGES])
NAMED = {"standing": NamedWorkstream(profile="fast", tags={"team": "search", "job": "1"})}


def routed(directory: Path, **profiles: Profile) -> Config:
    config = configured(directory, {"default": ECHO, "fast": ECHO, **profiles}, named=NAMED)
    return msgspec.structs.replace(config, routing=RoutingConfig(enabled=True, rules=(rule("all", "default"),)))


@asynccontextmanager
async def api(config: Config) -> AsyncIterator[tuple[Runtime, httpx.AsyncClient]]:
    async with running(config, waits_for_room=False) as runtime, serving(app_of(runtime)) as served:
        async with httpx.AsyncClient(base_url=served.url) as client:
            yield runtime, client


def asked(path: str, **more: Any) -> dict[str, Any]:
    said = [{"role": "user", "content": "hi"}]
    return {"model": "auto", "max_tokens": 9, ("input" if path == RESPONSES else "messages"): said, **more}


def on_behalf(workstream: str, **more: str) -> dict[str, str]:
    return {"x-arawn-workstream": workstream, **{f"x-arawn-{name}": value for name, value in more.items()}}


@EVERY_PATH
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("workstream", ["w", "standing"])
async def test_a_bound_workstream_goes_to_its_profile(workstream: str, stream: bool, path: str, tmp_path: Path) -> None:
    """Before every rule, be it bound by a client or in the configuration; it is not brought into memory for that."""
    async with api(routed(tmp_path)) as (runtime, client):
        await client.patch("/workstreams/w", json={"profile": "fast"})
        before = runtime.status().active_workstreams
        response = await client.post(path, json=asked(path, stream=stream), headers=on_behalf(workstream))
        assert runtime.status().active_workstreams == before

    assert (response.headers["x-arawn-profile"], response.headers["x-arawn-route"]) == ("fast", "Workstream")
    assert [(one["profile"], one["routing"]["reason"]) for one in records(tmp_path)] == [("fast", "Workstream")]


@EVERY_PATH
async def test_a_hint_goes_before_a_binding(path: str, tmp_path: Path) -> None:
    """A model that is a profile's name, and the header."""
    async with api(routed(tmp_path)) as (_, client):
        by_model = await client.post(path, json=asked(path, model="default"), headers=on_behalf("standing"))
        by_header = await client.post(path, json=asked(path), headers=on_behalf("standing", profile="default"))
        unbound = await client.post(path, json=asked(path), headers=on_behalf("other"))

    said = [(one.headers["x-arawn-profile"], one.headers["x-arawn-route"]) for one in (by_model, by_header, unbound)]
    assert said == [("default", "CallerHint"), ("default", "CallerHint"), ("default", "HeuristicRule%28all%29")]


async def test_a_model_that_means_no_profile_is_asked_of_the_bound_one(tmp_path: Path) -> None:
    """As with `x-arawn-profile`; without a binding nobody could know whom to ask."""
    with FakeProvider() as provider:
        config = routed(tmp_path, fast=custom(provider.address))
        async with api(config) as (_, client):
            bound = await client.post(CHAT, json=asked(CHAT, model="other"), headers=on_behalf("standing"))
            unbound = await client.post(CHAT, json=asked(CHAT, model="other"), headers=on_behalf("w"))

    assert (bound.status_code, unbound.status_code) == (200, 404)
    assert [sent.json()["model"] for sent in provider.received] == ["other"]


async def test_embeddings_go_to_the_bound_profile_too(tmp_path: Path) -> None:
    """Else a conversation would be embedded by another provider than the one that it is bound to."""
    with FakeProvider(Reply(body=b'{"data":[],"model":"m"}')) as provider:
        async with api(routed(tmp_path, fast=custom(provider.address))) as (_, client):
            body = {"model": "auto", "input": "hi"}
            response = await client.post("/v1/embeddings", json=body, headers=on_behalf("standing"))

    assert response.status_code == 200
    assert records(tmp_path)[0]["routing"]["reason"] == "Workstream"


@EVERY_PATH
async def test_an_explanation_knows_the_binding(path: str, tmp_path: Path) -> None:
    """For a body that holds the whole conversation: what the workstream has kept is not said with it."""
    async with api(routed(tmp_path)) as (_, client):
        await client.post("/chat", json={"message": "before", "workstream": "standing"})
        explained = await client.post("/routing/explain", json=asked(path), headers=on_behalf("standing"))

    said = explained.json()
    assert (said["profile"], said["reason"], said["bound"]) == ("fast", "Workstream", "fast")
    assert said["features"]["message_count"] == 1


async def test_a_program_that_calls_on_behalf_of_a_workstream_is_bound_too(tmp_path: Path) -> None:
    """And its record has the tags that the configuration gives the workstream, below those of the call."""
    async with running(routed(tmp_path)) as runtime:
        bound = await runtime.complete(asking("hi"), workstream="standing", tags={"job": "2"})
        await runtime.complete(asking("hi"), workstream="standing", profile="default")

    assert bound.routing is not None
    assert (bound.profile, bound.routing.reason) == ("fast", "Workstream")
    tags = [{name: one["tags"][name] for name in ("team", "job")} for one in records(tmp_path)]
    assert tags == [{"team": "search", "job": "2"}, {"team": "search", "job": "1"}]


async def test_the_store_is_asked_only_where_a_binding_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that cannot be read fails no other call."""

    def unreadable(*_: object) -> None:
        raise StoreFailed("cannot be read")

    monkeypatch.setattr("arawn.workstreams.store.WorkstreamStore.binding", unreadable)
    async with api(routed(tmp_path)) as (_, client):
        headers = [{}, on_behalf("w", profile="fast"), on_behalf("w")]
        answers = [await client.post(CHAT, json=asked(CHAT), headers=each) for each in headers]

    assert [answer.status_code for answer in answers] == [200, 200, 503]
