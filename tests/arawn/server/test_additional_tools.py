"""Tools among the input of a responses request, as Codex sends them for the models that it knows by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from arawn.server.reply import Refused
from arawn.server.v1.responses_tools import read_tools
from tests.arawn.server.sdk.doors import TOKEN, open_api
from tests.arawn.server.sdk.upstreams import KINDS, Answer, Upstream, upstream
from tests.runtimes import records

LOOK = {"type": "function", "name": "look", "parameters": {"type": "object"}}
EXEC = {"type": "custom", "name": "exec", "description": "Runs it."}
FUNCTIONS = {"type": "namespace", "name": "functions", "description": "", "tools": [EXEC, LOOK]}
CLOCK = {"type": "namespace", "name": "clock", "description": "Tells the time.", "tools": [LOOK]}
HI = {"type": "message", "role": "user", "content": "hi"}
CALLED = Answer(calls=(("functions__exec", {"input": "text(1)"}), ("clock__look", {})), stop="tool_use")


def more(*tools: Any) -> dict[str, Any]:
    return {"type": "additional_tools", "role": "developer", "tools": list(tools)}


async def ask(directory: Path, up: Upstream, **body: Any) -> httpx.Response:
    async with open_api(directory, {"p": up.profile}) as url, httpx.AsyncClient() as client:
        return await client.post(f"{url}/v1/responses", json={"model": "p", **body}, headers={"x-api-key": TOKEN})


@pytest.mark.parametrize("kind", KINDS)
async def test_they_are_offered_and_called_as_the_others(kind: str, tmp_path: Path) -> None:
    """By the names that stand in them; of `tools`, of which there were none, the answer says nothing."""
    with upstream(kind, tmp_path, CALLED, stream=False) as up:
        response = await ask(tmp_path, up, input=[more(FUNCTIONS, CLOCK), HI])

    answer = response.json()
    called = [(item["type"], item["namespace"], item["name"]) for item in answer["output"]]
    assert called == [("custom_tool_call", "functions", "exec"), ("function_call", "clock", "look")]
    assert answer["tools"] == []
    (record,) = records(tmp_path)
    assert record["tools_available"] == ["functions__exec", "functions__look", "clock__look"]
    assert "`clock__`: Tells the time." in record["system_prompt"]
    assert len(record["messages"]) == 1


async def test_they_stand_beside_those_of_the_request(tmp_path: Path) -> None:
    """One that is said again counts as it was said last, and kinds that cannot be offered are named."""
    again = {**LOOK, "description": "Looks well."}
    with upstream("openai", tmp_path, Answer("ok"), stream=False) as up:
        items = [more({"type": "web_search"}), HI, more(again, EXEC)]
        response = await ask(tmp_path, up, input=items, tools=[LOOK, CLOCK])
        told = [tool["function"] for tool in up.sent()["tools"]]

    assert [(tool["name"], tool.get("description", "")) for tool in told] == [
        ("look", "Looks well."),
        ("clock__look", ""),
        ("exec", "Runs it."),
    ]
    assert response.headers["x-arawn-ignored"] == "tools.web_search"


async def test_where_none_can_be_offered_the_call_is_refused(tmp_path: Path) -> None:
    """As with `tools`."""
    with upstream("openai", tmp_path, Answer("ok"), stream=False) as up:
        response = await ask(tmp_path, up, input=[more({"type": "web_search"}), HI])

    assert response.status_code == 400
    assert "`web_search`" in response.json()["error"]["message"]


@pytest.mark.parametrize("tools", [None, "look", [3], [{"name": "look"}], [{"type": "custom"}]])
def test_what_is_no_tool_is_refused(tools: Any) -> None:
    """With its place in the request."""
    with pytest.raises(Refused) as refused:
        read_tools([], [HI, {**more(), "tools": tools}])

    assert b"`$.input[1].tools" in refused.value.reply.body


def test_a_name_that_was_made_stays_when_it_is_said_again() -> None:
    """The model met it before."""
    long = {**CLOCK, "name": "c" * 70}

    once, twice = (read_tools([], [more(long)] * times) for times in (1, 2))
    assert [each.said for each in once.functions] == [each.said for each in twice.functions]
    assert json.loads(json.dumps(once.guides)) == list(twice.guides)
