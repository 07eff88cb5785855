from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from arawn.config.schema import ClassifierConfig, Config, NamedWorkstream, Profile, RoutingConfig
from arawn.errors import BadInput
from arawn.messages import CompletionRequest
from arawn.server.auth import Door
from arawn.server.v1.target import choose_target
from tests.arawn.routing.asking import asking, rule
from tests.arawn.server.sdk.doors import TOKEN, beside
from tests.runtimes import configured, records, running
from tests.serving import app_of, serving

ECHO = Profile(backend="scripted")
PROFILES = {"default": ECHO, "fast": ECHO, "capable": ECHO}
RULES = (rule("short", "fast", message_length_lt=10, has_tools=False), rule("tools", "capable", has_tools=True))
HEADERS = {"authorization": f"Bearer {TOKEN}"}


def routed(directory: Path, **more: Any) -> Config:
    config = configured(directory, PROFILES, named={"standing": NamedWorkstream(profile="capable")})
    return msgspec.structs.replace(config, routing=RoutingConfig(enabled=True, rules=RULES, **more))


async def test_every_record_of_a_routed_call_says_why(tmp_path: Path) -> None:
    """Profile, reason, confidence, features, and the tag that search finds."""
    async with running(routed(tmp_path)) as runtime:
        await runtime.complete(asking("hi"))
        await runtime.complete(asking("something longer than that"))
        async with runtime.stream(asking("hi", tools=1)) as events:
            async for _ in events:
                pass

    made = records(tmp_path)
    assert [(record["profile"], record["routing"]["reason"]) for record in made] == [
        ("fast", "HeuristicRule(short)"),
        ("default", "Default"),
        ("capable", "HeuristicRule(tools)"),
    ]
    assert made[0]["tags"] == {"routing_profile": "fast"}
    assert made[0]["routing"]["features"] == {
        "message_length": 2,
        "message_count": 1,
        "has_tools": False,
        "tool_count": 0,
        "has_system_prompt": False,
        "keyword_signals": [],
        "estimated_complexity": "simple",
        "candidates": ["default", "fast", "capable"],
    }


async def test_a_conversation_is_routed_message_by_message_until_it_is_bound(tmp_path: Path) -> None:
    """A binding, durable or standing, ends the choice; a hint goes before it."""
    async with running(routed(tmp_path)) as runtime:
        talk = runtime.workstream("talk")
        said = [await talk.send("hi"), await talk.send("something longer"), await talk.send("hi", profile="capable")]
        await talk.bind("default")
        said += [await talk.send("hi"), await runtime.workstream("standing").send("hi")]

    assert [one.routing.reason for one in said if one.routing] == [
        "HeuristicRule(short)",
        "Default",
        "CallerHint",
        "Workstream",
        "Workstream",
    ]


async def test_a_request_that_is_none_is_refused_before_it_is_looked_at(tmp_path: Path) -> None:
    """Features of what is no request cannot be found."""
    async with running(routed(tmp_path)) as runtime:
        with pytest.raises(BadInput, match="no messages"):
            await runtime.complete(CompletionRequest(messages=()))
        with pytest.raises(BadInput, match="takes a CompletionRequest"):
            await runtime.complete("hi")  # type: ignore[arg-type]


async def test_the_model_auto_asks_for_routing(tmp_path: Path) -> None:
    """Through the OpenAI client; a profile's name, and the header, are hints."""

    openai: Any = pytest.importorskip("openai")

    def ask(url: str, model: str, text: str, **headers: str) -> tuple[str | None, str | None]:
        with openai.OpenAI(base_url=f"{url}/v1", api_key=TOKEN) as client:
            raw = client.chat.completions.with_raw_response.create(
                model=model, messages=[{"role": "user", "content": text}], extra_headers=headers
            )
            return raw.headers["x-arawn-profile"], raw.headers["x-arawn-route"]

    async with running(routed(tmp_path)) as runtime:
        async with serving(app_of(runtime, Door(token=TOKEN, hosts=()))) as served:
            assert await beside(lambda: ask(served.url, "auto", "hi")) == ("fast", "HeuristicRule%28short%29")
            assert await beside(lambda: ask(served.url, "auto", "x" * 10)) == ("default", "Default")
            assert await beside(lambda: ask(served.url, "capable", "hi")) == ("capable", "CallerHint")
            header = {"x-arawn-profile": "capable"}
            assert await beside(lambda: ask(served.url, "auto", "hi", **header)) == ("capable", "CallerHint")


async def test_the_native_door_routes_and_takes_a_hint(tmp_path: Path) -> None:
    """`routing_profile`, or none."""
    async with running(routed(tmp_path)) as runtime:
        async with serving(app_of(runtime, Door(token=TOKEN, hosts=()))) as served:
            async with httpx.AsyncClient(base_url=served.url, headers=HEADERS) as client:
                free = (await client.post("/chat", json={"message": "hi"})).json()
                hinted = (await client.post("/chat", json={"message": "hi", "routing_profile": "capable"})).json()

    assert (free["profile"], free["routing"]["reason"]) == ("fast", "HeuristicRule(short)")
    assert (hinted["profile"], hinted["routing"]["reason"]) == ("capable", "CallerHint")


BODIES: list[tuple[dict[str, Any], str]] = [
    ({"message": "hi"}, "HeuristicRule(short)"),
    ({"message": "hi", "routing_profile": "capable"}, "CallerHint"),
    ({"message": "hi", "workstream": "standing"}, "Workstream"),
    ({"model": "auto", "messages": [{"role": "user", "content": "hi"}]}, "HeuristicRule(short)"),
    ({"model": "capable", "messages": [{"role": "user", "content": "hi"}]}, "CallerHint"),
    (
        {
            "messages": [
                {"role": "system", "content": "s"},
                {"role": "user", "content": [{"type": "text", "text": "hi"}]},
            ],
            "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
        },
        "HeuristicRule(tools)",
    ),
    (
        {"system": "s", "messages": [{"role": "user", "content": "hi"}], "tools": [{"name": "f", "input_schema": {}}]},
        "HeuristicRule(tools)",
    ),
    ({"input": "hi", "instructions": "s"}, "HeuristicRule(short)"),
]


@pytest.mark.parametrize(("body", "reason"), BODIES)
async def test_any_request_can_be_explained_without_being_made(
    tmp_path: Path, body: dict[str, Any], reason: str
) -> None:
    """`POST /routing/explain` takes the body of every door, and no record is made."""
    async with running(routed(tmp_path)) as runtime:
        async with serving(app_of(runtime, Door(token=TOKEN, hosts=()))) as served:
            async with httpx.AsyncClient(base_url=served.url, headers=HEADERS) as client:
                reply = await client.post("/routing/explain", json=body)

                document = (await client.get("/openapi.json")).json()

    assert reply.status_code == 200, reply.text
    assert "post" in document["paths"]["/routing/explain"]
    told = reply.json()
    assert told["reason"] == reason
    assert [one["name"] for one in told["rules"]] == ["short", "tools"]
    assert [one["verdict"] for one in told["rules"]].count("decides") == reason.startswith("Heuristic")
    assert not records(tmp_path)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"{", 400, "not JSON"),
        (b"{}", 400, "`message`, or `messages` or `input`"),
        (b'{"model": "auto"}', 400, "`message`, or `messages` or `input`"),
        (b'{"message": "hi", "x": 1}', 422, "unknown: `x`"),
        (b'{"message": "hi", "routing_profile": "nope"}', 400, "unknown profile `nope`"),
        (b'{"model": "gpt-9", "messages": [{"role": "user", "content": "hi"}]}', 404, "the model `gpt-9`"),
    ],
)
async def test_what_cannot_be_explained_is_refused(tmp_path: Path, body: bytes, status: int, words: str) -> None:
    """With the reason."""
    async with running(routed(tmp_path)) as runtime:
        async with serving(app_of(runtime, Door(token=TOKEN, hosts=()))) as served:
            async with httpx.AsyncClient(base_url=served.url, headers=HEADERS) as client:
                reply = await client.post("/routing/explain", content=body)

    assert reply.status_code == status
    assert words in reply.text


async def test_a_model_that_one_profile_has_means_that_profile(tmp_path: Path) -> None:
    """As it does for the call; `x-arawn-profile` decides before it, and must be the name of one."""
    config = configured(tmp_path, {"default": ECHO, "ant": Profile(backend="scripted", model="fake-claude")})
    body = {"model": "fake-claude", "messages": [{"role": "user", "content": "hi"}]}
    async with running(config) as runtime:
        async with serving(app_of(runtime, Door(token=TOKEN, hosts=()))) as served:
            async with httpx.AsyncClient(base_url=served.url, headers=HEADERS) as client:

                async def decided(path: str, profile: str | None = None) -> tuple[int, str | None]:
                    reply = await client.post(path, json=body, headers={"x-arawn-profile": profile} if profile else {})
                    return reply.status_code, reply.headers.get("x-arawn-profile") or reply.json().get("profile")

                for profile in (None, "default", "nope"):
                    called = await decided("/v1/chat/completions", profile)
                    assert await decided("/routing/explain", profile) == called
                assert await decided("/routing/explain") == (200, "ant")


async def test_an_explanation_knows_the_conversation(tmp_path: Path) -> None:
    """Its history and its system prompt are what the rules would see, as they are for the call."""
    async with running(routed(tmp_path)) as runtime:
        conversation = runtime.workstream("w")
        await conversation.create(system_prompt="be brief")
        for text in ("one", "two"):
            await conversation.send(text)
        async with serving(app_of(runtime, Door(token=TOKEN, hosts=()))) as served:
            async with httpx.AsyncClient(base_url=served.url, headers=HEADERS) as client:
                reply = await client.post("/routing/explain", json={"message": "three", "workstream": "w"})
        routed_then = (await conversation.send("three")).routing

    assert routed_then is not None
    features = reply.json()["features"]
    assert (features["message_count"], features["has_system_prompt"]) == (5, True)
    assert features | {"candidates": ("default", "fast", "capable")} == routed_then.features | {"keyword_signals": []}


MIXED = {
    "default": Profile(backend="openai", model="m"),
    "fast": Profile(backend="groq", model="n"),
    "claude": Profile(backend="anthropic", model="o"),
}


@pytest.mark.parametrize(
    ("to", "routing", "takes"),
    [
        ("fast", {"enabled": True}, True),
        ("claude", {"enabled": True}, False),
        ("claude", {"enabled": False}, True),
        ("fast", {"enabled": True, "policy": "a:b"}, False),
        ("fast", {"enabled": True, "classifier": ClassifierConfig(file="f", embeddings="claude")}, True),
    ],
)
def test_fields_of_a_dialect_go_along_only_if_whoever_is_chosen_speaks_it(
    to: str, routing: dict[str, Any], takes: bool
) -> None:
    """`auto` is translated before the profile is known."""
    config = Config(profiles=MIXED, routing=RoutingConfig(rules=(rule("r", to, has_tools=True),), **routing))

    assert choose_target("auto", None, config).takes("openai") is takes
    assert choose_target("fast", None, config).takes("openai")
