"""Turns over both dialects against mock servers that others wrote: fakellm and aimock."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from arawn.agent import tool
from arawn.config.schema import Profile, RetryConfig
from tests.arawn.agent.serving import free_port, wait_for_port
from tests.arawn.agent.turns import require_valid
from tests.arawn.server.sdk.node_clients import installed, needs_node
from tests.runtimes import configured, lines, records, running

pytestmark = pytest.mark.slow

DIALECTS = ["openai", "anthropic"]
RULES = """
rules:
  - name: summary
    when: {tool_result_contains: "oslo is cold"}
    respond: {content: "Take a coat in Oslo."}
  - name: ask for a tool
    when: {messages_contain: weather, tools_include: weather}
    respond:
      content: "Let me see."
      tool_calls:
        - {name: weather, arguments: {city: Oslo}}
        - {name: weather, arguments: {city: Rome}}
"""


@tool(read_only=True)
def weather(city: str) -> str:
    """Return the weather of a city."""
    return f"{city} is cold"


def profile(address: str, dialect: Any) -> Profile:
    base = f"{address}/v1" if dialect == "openai" else address
    return Profile(
        backend="custom",
        dialect=dialect,
        model="claude-mock" if dialect == "anthropic" else "gpt-4",
        base_url=base,
        retry=RetryConfig(attempts=1),
    )


async def require_a_whole_turn(directory: Path, given: Profile, *, streamed: bool) -> None:
    """Have the question of both scripts answered, and look at the reply, the history and the log."""
    async with running(configured(directory, {"default": given})) as runtime:
        talk = runtime.workstream("w")
        if streamed:
            async with talk.stream("What is the weather?", tools=[weather]) as events:
                names = [type(event).__name__ async for event in events]
            assert names.count("ToolStarted") == names.count("ToolEnded") == 2
            assert names[-1] == "Completed"
        else:
            reply = await talk.send("What is the weather?", tools=[weather])
            assert (reply.text, reply.iterations) == ("Take a coat in Oslo.", 2)
        stored = await runtime.stored_workstream("w")

    assert stored is not None
    require_valid(stored.history)
    made = records(directory)
    assert [(each["turn_id"], each["iteration"], each["status"]) for each in made] == [(1, 1, "ok"), (1, 2, "ok")]
    assert [call["tool_name"] for call in made[0]["tool_calls"]] == ["weather", "weather"]
    told = [(line["interaction_id"], line["content"]) for line in lines(directory) if line["kind"] == "tool_result"]
    assert told == [(made[0]["id"], "Oslo is cold"), (made[0]["id"], "Rome is cold")]


@contextmanager
def fakellm(directory: Path) -> Iterator[str]:
    """Run fakellm with the rules and yield its address."""
    pytest.importorskip("fakellm")
    rules = directory / "fakellm.yaml"
    rules.write_text(RULES)
    port = free_port()
    program = [sys.executable, "-c", "from fakellm.cli import main; main()"]
    child = subprocess.Popen(
        [*program, "serve", "--port", str(port), "--config", str(rules)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for_port(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        child.kill()
        child.wait()


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_turn_against_fakellm(tmp_path: Path, dialect: str, streamed: bool) -> None:
    """Two calls side by side, then the answer; the mock saw the result of the tool."""
    with fakellm(tmp_path) as address:
        await require_a_whole_turn(tmp_path, profile(address, dialect), streamed=streamed)


AIMOCK = {
    "fixtures": [
        {"match": {"toolResultContains": "Rome is cold"}, "response": {"content": "Take a coat in Oslo."}},
        {
            "match": {"userMessage": "weather"},
            "response": {
                "toolCalls": [
                    {"name": "weather", "arguments": '{"city": "Oslo"}'},
                    {"name": "weather", "arguments": '{"city": "Rome"}'},
                ]
            },
        },
    ]
}


@contextmanager
def aimock(directory: Path) -> Iterator[str]:
    """Run aimock, which the tests install from npm where there is node; yield its address."""
    needs_node()
    program = installed() / "@copilotkit" / "aimock" / "dist" / "cli.js"
    script = directory / "aimock.json"
    script.write_text(json.dumps(AIMOCK))
    port = free_port()
    child = subprocess.Popen(
        ["node", str(program), "--port", str(port), "--fixtures", str(script)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for_port(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        child.kill()
        child.wait()


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_turn_against_aimock(tmp_path: Path, dialect: str, streamed: bool) -> None:
    """The same turn, scripted by another's hand."""
    with aimock(tmp_path) as address:
        await require_a_whole_turn(tmp_path, profile(address, dialect), streamed=streamed)
