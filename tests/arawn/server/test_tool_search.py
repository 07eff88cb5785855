"""The search for tools that the client of a responses request does: offered as a function, called as what it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from arawn.server.v1.responses_tools import Function, read_tools
from tests.arawn.server.sdk.doors import TOKEN, open_api
from tests.arawn.server.sdk.upstreams import KINDS, Answer, Upstream, upstream
from tests.fake_provider import FakeProvider, events, openai_chunk, stream_reply
from tests.runtimes import custom, records

ASKS = {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]}
SEARCH = {"type": "tool_search", "execution": "client", "description": "Finds tools.", "parameters": ASKS}
LOOK = {"type": "function", "name": "look", "description": "Looks.", "parameters": {"type": "object"}}
LATE = {**LOOK, "defer_loading": True}
DRAW = {"type": "custom", "name": "draw", "description": "Draws.", "defer_loading": True}
MAPS = {"type": "namespace", "name": "maps", "description": "All about maps.", "tools": [LATE, DRAW]}
HI = {"role": "user", "content": "hi"}
CALL = {"type": "tool_search_call", "call_id": "c", "execution": "client", "arguments": {"query": "maps"}}
CALLED = Answer("Now.", calls=(("tool_search", {"query": "maps"}), ("look", {})), stop="tool_use")


def output(*tools: Any) -> dict[str, Any]:
    return {"type": "tool_search_output", "call_id": "c", "execution": "client", "tools": list(tools)}


def more(*tools: Any) -> dict[str, Any]:
    return {"type": "additional_tools", "role": "developer", "tools": list(tools)}


async def ask(directory: Path, up: Upstream, **body: Any) -> httpx.Response:
    asked = {"model": "p", "input": "hi", "tools": [LOOK, SEARCH], **body}
    async with open_api(directory, {"p": up.profile}) as url, httpx.AsyncClient() as client:
        return await client.post(f"{url}/v1/responses", json=asked, headers={"x-api-key": TOKEN})


async def told(directory: Path, kind: str = "openai", **body: Any) -> dict[str, Any]:
    """Return what the provider was sent."""
    with upstream(kind, directory, Answer("ok"), stream=False) as up:
        response = await ask(directory, up, **body)
        assert response.status_code == 200, response.text
        sent: dict[str, Any] = up.sent()
    return sent


def offered(sent: dict[str, Any]) -> list[str]:
    return [tool.get("name") or tool["function"]["name"] for tool in sent.get("tools", ())]


def said(response: httpx.Response) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: ")]


def bare(item: dict[str, Any]) -> dict[str, Any]:
    assert item["id"].startswith("tsc_")
    return {name: value for name, value in item.items() if name != "id"}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_call_comes_back_as_a_search(kind: str, tmp_path: Path) -> None:
    """With its arguments as an object; calls of functions stay what they are, and the answer repeats both tools."""
    with upstream(kind, tmp_path, CALLED, stream=False) as up:
        response = await ask(tmp_path, up)

    _, call, other = response.json()["output"]
    assert bare(call) == {**CALL, "call_id": "call_0", "status": "completed"}
    assert (other["type"], other["name"]) == ("function_call", "look")
    assert response.json()["tools"] == [LOOK, SEARCH]
    assert "x-arawn-ignored" not in response.headers
    assert records(tmp_path)[0]["tools_available"] == ["tool_search", "look"]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_stream_says_when_it_begins_and_when_it_ends(kind: str, tmp_path: Path) -> None:
    """There are no published events for its pieces."""
    called = Answer(calls=(("tool_search", {"input": "maps"}),), stop="tool_use")
    with upstream(kind, tmp_path, called, stream=True) as up:
        seen = said(await ask(tmp_path, up, stream=True))

    (begun, ended) = (one for one in seen if "output_index" in one)
    assert (begun["type"], ended["type"]) == ("response.output_item.added", "response.output_item.done")
    assert begun["item"] == {**ended["item"], "status": "in_progress", "arguments": {}}
    assert bare(ended["item"]) == {**CALL, "call_id": "call_0", "status": "completed", "arguments": {"input": "maps"}}
    assert seen[-1]["response"]["output"] == [ended["item"]]


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
async def test_it_is_offered_as_a_function(kind: str, tmp_path: Path) -> None:
    """Of its own description and parameters."""
    (tool,) = (await told(tmp_path, kind, tools=[SEARCH]))["tools"]

    function = tool.get("function", tool)
    schema = function.get("parameters") or function["input_schema"]
    assert (function["name"], function["description"], schema) == ("tool_search", "Finds tools.", ASKS)


async def test_without_parameters_it_asks_for_names(tmp_path: Path) -> None:
    """Those that the model was told of can be found so; and its name is never that of another function."""
    bare = {"type": "tool_search", "execution": "client", "parameters": None}
    sent = await told(tmp_path, tools=[bare, {**LOOK, "name": "tool_search"}], input=[HI, CALL, output()])
    search, other = sent["tools"]

    assert search["function"]["parameters"]["properties"]["paths"]["type"] == "array"
    assert other["function"]["name"] == "tool_search"
    assert search["function"]["name"].startswith("tool_search_")
    assert sent["messages"][-2]["tool_calls"][0]["function"]["name"] == search["function"]["name"]


@pytest.mark.parametrize("execution", ["server", None])
async def test_a_search_that_the_server_does_is_not_offered(execution: Any, tmp_path: Path) -> None:
    """What it would find is offered at once, for nobody searches."""
    with upstream("openai", tmp_path, Answer("ok"), stream=False) as up:
        response = await ask(tmp_path, up, tools=[{"type": "tool_search", "execution": execution}, LATE])
        assert offered(up.sent()) == ["look"]

    assert response.headers["x-arawn-ignored"] == "tools.tool_search"


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
async def test_a_later_turn_holds_the_call_and_offers_what_was_found(kind: str, tmp_path: Path) -> None:
    """By the names that the result says, and by which they are called."""
    sent = await told(tmp_path, kind, input=[HI, CALL, output(MAPS)])

    assert offered(sent) == ["tool_search", "look", "maps__look", "maps__draw"]
    asked, answered = sent["messages"][-2:]
    if kind == "openai":
        (calling,) = asked["tool_calls"]
        assert (calling["id"], calling["function"]["name"]) == ("c", "tool_search")
        assert json.loads(calling["function"]["arguments"]) == CALL["arguments"]
        assert (answered["role"], answered["tool_call_id"]) == ("tool", "c")
    else:
        (calling,), answered = asked["content"], answered["content"][0]
        assert (calling["name"], calling["input"]) == ("tool_search", CALL["arguments"])
        assert answered["tool_use_id"] == "c"
    assert "Tools found: `maps__look`, `maps__draw`." in json.dumps(answered)


@pytest.mark.parametrize("kind", KINDS)
async def test_what_was_found_is_called_where_it_stands(kind: str, tmp_path: Path) -> None:
    """In its namespace, a tool that takes free text as such."""
    answer = Answer(calls=(("maps__draw", {"input": "a sea"}), ("maps__look", {})), stop="tool_use")
    with upstream(kind, tmp_path, answer, stream=False) as up:
        draw, look = (await ask(tmp_path, up, input=[HI, CALL, output(MAPS)])).json()["output"]

    assert (draw["type"], draw["namespace"], draw["name"]) == ("custom_tool_call", "maps", "draw")
    assert draw["input"] == "a sea"
    assert (look["type"], look["namespace"], look["name"]) == ("function_call", "maps", "look")


async def test_a_search_that_found_nothing_says_so(tmp_path: Path) -> None:
    """A model that reads an empty result may take it for a fault."""
    sent = await told(tmp_path, input=[HI, CALL, output()])

    assert sent["messages"][-1]["content"] == "No tool was found."


async def test_deferred_tools_are_offered_when_they_are_found(tmp_path: Path) -> None:
    """Until then the model knows what they are for, and no more; once found they stay, though they are said again."""
    find = {**LATE, "name": "find", "description": "Finds things."}
    before = await told(tmp_path, tools=[MAPS, find, SEARCH])
    found = {**MAPS, "tools": [LATE]}
    after = await told(tmp_path, tools=[SEARCH], input=[HI, CALL, output(found), more(MAPS, find)])

    assert offered(before) == ["tool_search"]
    assert "`tool_search` can find:\n- `maps`: All about maps.\n- `find`: Finds things." in str(
        before["messages"][0]["content"]
    )
    assert offered(after) == ["tool_search", "maps__look"]
    assert "defer_loading" not in json.dumps(after)


@pytest.mark.parametrize("arguments", ['{"query": ma', '["maps"]', "maps", "7"])
async def test_arguments_that_are_no_object_are_handed_over_as_text(arguments: str, tmp_path: Path) -> None:
    """The client refuses them and the model learns of it: what it wrote stays what it wrote in the next turn."""
    begin = {
        "index": 0,
        "id": "call_0",
        "type": "function",
        "function": {"name": "tool_search", "arguments": arguments},
    }
    pieces = events(openai_chunk(tool_calls=[begin]), openai_chunk("tool_calls"), "[DONE]")
    with FakeProvider(stream_reply(pieces)) as provider:
        seen = said(await ask(tmp_path, Upstream(custom(provider.address), provider), stream=True))

    (item,) = seen[-1]["response"]["output"]
    assert item["arguments"] == arguments
    result = {**output(), "call_id": "call_0"}
    function = {"type": "function_call", "name": "tool_search", "call_id": "call_0", "arguments": arguments}
    sent = await told(tmp_path, input=[HI, item, result])
    plain = await told(tmp_path, input=[HI, function, result])
    assert sent["messages"] == plain["messages"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_call_without_arguments_has_an_empty_object(kind: str, stream: bool, tmp_path: Path) -> None:
    """Clients read an object."""
    with upstream(kind, tmp_path, Answer(calls=(("tool_search", {}),), stop="tool_use"), stream=stream) as up:
        response = await ask(tmp_path, up, stream=stream)

    answer = said(response)[-1]["response"] if stream else response.json()
    assert [item["arguments"] for item in answer["output"]] == [{}]


@pytest.mark.parametrize("no_call", [{"call_id": None}, {}], ids=["null", "left out"])
async def test_what_a_server_once_found_is_offered(no_call: dict[str, Any], tmp_path: Path) -> None:
    """Its items name no call that could be said to another backend."""
    call = {"type": "tool_search_call", "execution": "server", "arguments": {}, **no_call}
    found = {"type": "tool_search_output", "execution": "server", "tools": [MAPS], **no_call}
    sent = await told(tmp_path, tools=[LOOK], input=[call, found, HI])

    assert offered(sent) == ["look", "maps__look", "maps__draw"]
    assert [message["role"] for message in sent["messages"]] == ["system", "user"]


@pytest.mark.parametrize(
    "item",
    [{**CALL, "call_id": None}, {**output(), "call_id": None}, {**output(), "tools": "maps"}, output({"name": "look"})],
)
async def test_items_of_another_shape_are_refused(item: dict[str, Any], tmp_path: Path) -> None:
    """With their place."""
    with upstream("openai", tmp_path, Answer("ok"), stream=False) as up:
        response = await ask(tmp_path, up, input=[HI, item])

    assert response.status_code == 400
    assert "`$.input[1]" in response.json()["error"]["message"]


ALLOWED = {"type": "allowed_tools", "mode": "auto"}
NAMED = {"type": "function", "name": "look", "namespace": "maps"}


@pytest.mark.parametrize(
    ("choice", "names", "forced"),
    [
        ({"type": "tool_search"}, ["tool_search", "look"], "tool_search"),
        (NAMED, ["tool_search", "look", "maps__look"], "maps__look"),
        ({**ALLOWED, "tools": [{"type": "tool_search"}, {"type": "namespace", "name": "maps"}]}, ["tool_search"], None),
        ({**ALLOWED, "tools": [NAMED]}, ["maps__look"], None),
    ],
)
async def test_it_can_be_chosen_and_allowed(choice: Any, names: list[str], forced: str | None, tmp_path: Path) -> None:
    """A tool that is demanded, or allowed where the search is not, is offered at once: nobody could find it."""
    sent = await told(tmp_path, tools=[LOOK, SEARCH, MAPS], tool_choice=choice)

    assert offered(sent) == names
    assert sent["tool_choice"] == ({"type": "function", "function": {"name": forced}} if forced else "auto")
    assert ("can find" in json.dumps(sent["messages"])) is ("tool_search" in names)


async def test_what_is_demanded_is_called_where_it_stands(tmp_path: Path) -> None:
    """Also one that no search has found, and whose namespace the choice leaves out."""
    answer = Answer(calls=(("maps__draw", {"input": "a sea"}),), stop="tool_use")
    with upstream("openai", tmp_path, answer, stream=False) as up:
        choice = {"type": "custom", "name": "draw"}
        response = await ask(tmp_path, up, tools=[SEARCH, MAPS], tool_choice=choice)
        assert up.sent()["tool_choice"]["function"]["name"] == "maps__draw"

    (call,) = response.json()["output"]
    assert (call["type"], call["namespace"], call["name"]) == ("custom_tool_call", "maps", "draw")


async def test_without_a_search_it_cannot_be_chosen(tmp_path: Path) -> None:
    """Nor one that the server does."""
    with upstream("openai", tmp_path, Answer("ok"), stream=False) as up:
        response = await ask(tmp_path, up, tools=[LOOK], tool_choice={"type": "tool_search"})

    assert response.status_code == 400
    assert "`tool_choice`" in response.json()["error"]["message"]


def test_what_was_found_is_named_in_one_look_at_the_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long history has many searches, of many tools each."""
    many = {**MAPS, "tools": [{**LATE, "name": f"look{number}"} for number in range(40)]}
    read = read_tools([SEARCH], [output(many)])
    looks: list[str] = []

    def name(function: Function) -> str:
        looks.append(function.tool["name"])
        return looks[-1]

    monkeypatch.setattr(Function, "name", property(name))

    found = read.found(output(many))

    assert found == [f"maps__look{number}" for number in range(40)]
    assert len(looks) == 41
