"""Tools that the configuration names, from Python and through `/chat`."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from arawn.config.schema import AgentConfig, Config, RoutingConfig, ToolSource
from arawn.messages import CompletionRequest, user
from arawn.routing import RoutingDecision
from tests.arawn.agent.turns import step
from tests.runtimes import configured, records, running, scripted
from tests.serving import app_of, serving

VOICES = "tests.arawn.agent.my_tools:voices"
STEPS = [step({"name": "shout", "arguments": {"text": "tea"}}, text="wait"), {"text": "I shouted"}]


def voiced(directory: Path, *steps: dict[str, Any], **agent: Any) -> Config:
    config = configured(directory, {"default": scripted(directory, list(steps or STEPS))})
    return msgspec.structs.replace(config, tools={"voices": ToolSource(python=VOICES)}, agent=AgentConfig(**agent))


async def test_the_runtime_gives_tools_by_name(tmp_path: Path) -> None:
    """Beside functions that are there."""
    async with running(voiced(tmp_path)) as runtime:
        reply = await runtime.workstream("w").send("hello", tools=await runtime.tools("voices"))

    assert (reply.text, reply.iterations) == ("I shouted", 2)


async def test_a_secret_of_a_tool_server_is_in_no_record(tmp_path: Path) -> None:
    """Whether its token, a variable, its command or its address holds it; words, addresses and paths are none."""
    environ = {"T": "of-a-bearer-1", "A_KEY": "of-the-env-2", "HOME_OF": "/home/of/3"}
    serve = ("serve", "--no-auth", "https://api.example1.com/v1", "--partition-key", "project-2024")
    tools = {
        "a": ToolSource(url="http://h/mcp?token=of-the-url-3-abcdef&plain=one-two-3", bearer_env="T"),
        "b": ToolSource(
            command=(
                *serve,
                "--authority",
                "login.example1.com",
                "--key",
                "of-the-args-4-abcdef",
                "--auth",
                "anything",
            ),
            env=("A_KEY", "HOME_OF"),
        ),
    }
    secrets = "of-a-bearer-1 of-the-env-2 of-the-url-3-abcdef of-the-args-4-abcdef"
    said = f"{secrets} anything one-two-3 /home/of/3 https://api.example1.com/v1 project-2024 login.example1.com"
    async with running(msgspec.structs.replace(voiced(tmp_path, {"text": said}), tools=tools), environ) as runtime:
        await runtime.complete(CompletionRequest(messages=(user("hello"),)))

    (record,) = records(tmp_path)
    (block,) = record["response_content"]
    words = block["text"].split(" ")
    assert [word.startswith("[redacted:secret:") for word in words] == [True] * 4 + [False] * 6


async def test_the_configured_limit_holds_in_the_next_turn(tmp_path: Path) -> None:
    """`agent.max_iterations`, as a reload changes it."""
    config = voiced(tmp_path, STEPS[0], max_iterations=3)
    async with running(config) as runtime:
        talk = runtime.workstream("w")
        before = await talk.send("hello", tools=[])
        await runtime.follow(msgspec.structs.replace(config, agent=AgentConfig(max_iterations=1)))
        after = await talk.send("hello", tools=[])

    assert [(reply.iterations, reply.truncated) for reply in (before, after)] == [(3, True), (1, True)]


@asynccontextmanager
async def door(config: Config) -> AsyncIterator[httpx.AsyncClient]:
    async with running(config) as runtime:
        app = app_of(runtime)
        async with serving(app) as served, httpx.AsyncClient(base_url=served.url) as client:
            yield client


async def test_chat_runs_a_turn_with_tools(tmp_path: Path) -> None:
    """The answer says how many calls it took, and what they cost together."""
    async with door(voiced(tmp_path)) as client:
        answer = await client.post("/chat", json={"message": "go", "workstream": "w", "tools": ["voices"]})

    reply = answer.json()
    assert (reply["text"], reply["iterations"], "truncated" in reply) == ("I shouted", 2, False)
    assert reply["turn_usage"]["output_tokens"] == 3
    assert len(records(tmp_path)) == 2


async def test_chat_streams_what_tools_do(tmp_path: Path) -> None:
    """Each by an event of its own name."""
    body = {"message": "go", "workstream": "w", "tools": ["voices"], "stream": True}
    async with door(voiced(tmp_path)) as client:
        answer = await client.post("/chat", json=body)

    blocks = [block.split("\n") for block in answer.text.split("\n\n") if block and not block.startswith(":")]
    events = [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in blocks]
    told = {name: event for name, event in events if name.startswith("tool_") and name.endswith("ed")}
    assert (told["tool_started"]["name"], told["tool_started"]["arguments"]) == ("shout", {"text": "tea"})
    assert (told["tool_ended"]["text"], told["tool_ended"]["is_error"]) == ("TEA", False)
    assert events[-1][1]["response"]["iterations"] == 2


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"workstream": "w", "tools": ["voice"]}, "unknown tools `voice`; there are: `voices`"),
        ({"tools": ["voices"]}, "`tools` need a `workstream`"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_chat_refuses_what_cannot_be(tmp_path: Path, body: dict[str, Any], words: str, stream: bool) -> None:
    """As a bad request, before anything is sent."""
    async with door(voiced(tmp_path)) as client:
        answer = await client.post("/chat", json={"message": "go", "stream": stream, **body})

    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]
    assert records(tmp_path) == []


@pytest.mark.slow
async def test_a_tool_server_that_cannot_be_used_is_a_bad_gateway(tmp_path: Path) -> None:
    """Nothing was sent to the model; another server is at fault, as with a provider."""
    config = msgspec.structs.replace(voiced(tmp_path), tools={"x": ToolSource(command=("/no/such/program",))})
    async with door(config) as client:
        answer = await client.post("/chat", json={"message": "go", "workstream": "w", "tools": ["x"]})

    assert answer.status_code == 502
    assert answer.json()["error"]["type"] == "tool_server_failed"
    assert records(tmp_path) == []


async def test_a_table_that_cannot_be_used_is_the_servers_fault(tmp_path: Path) -> None:
    """Whoever asked can do nothing about it; the error names the key, and nothing was sent."""
    config = msgspec.structs.replace(voiced(tmp_path), tools={"x": ToolSource(python="tests.arawn.agent.my_tools:no")})
    async with door(config) as client:
        answer = await client.post("/chat", json={"message": "go", "workstream": "w", "tools": ["x"]})

    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (500, "config_error")
    assert error["message"].startswith("tools.x.python: cannot use ")
    assert records(tmp_path) == []


class Failing:
    def route(self, _: CompletionRequest, /) -> RoutingDecision:
        raise KeyError("oh")


async def test_a_policy_that_fails_is_the_servers_fault(tmp_path: Path) -> None:
    """Nothing was sent."""
    routing = RoutingConfig(enabled=True, policy=f"{__name__}:Failing")
    async with door(msgspec.structs.replace(voiced(tmp_path), routing=routing)) as client:
        answer = await client.post("/chat", json={"message": "go"})

    assert (answer.status_code, answer.json()["error"]["type"]) == (500, "policy_failed")
    assert records(tmp_path) == []
