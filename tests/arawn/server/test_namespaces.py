"""Functions in the namespaces of a responses request: offered one level up, called back where they stand."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arawn.server.reply import Refused
from arawn.server.v1.responses_tools import read_tools
from tests.arawn.server.sdk.doors import TOKEN, beside, open_api
from tests.arawn.server.sdk.upstreams import KINDS, Answer, Upstream, upstream
from tests.runtimes import records

LOOK = {"type": "function", "name": "look", "description": "Looks.", "parameters": {"type": "object"}}
MAPS = {"type": "namespace", "name": "maps", "description": "All about maps.", "tools": [LOOK]}
HOSTED = {"type": "web_search"}
HERE = {"namespace": "maps", "name": "look"}
CALLED = Answer(calls=(("maps__look", {"at": "sea"}), ("look", {})), stop="tool_use")
NAMES = st.sampled_from(["a", "b", "a__b", "b__a", "a.b", "ä", "x" * 40, "x" * 80])


def namespace(name: str, *tools: str) -> dict[str, Any]:
    return {**MAPS, "name": name, "tools": [{**LOOK, "name": tool} for tool in tools]}


def names(*tools: dict[str, Any]) -> list[str]:
    return [function.said for function in read_tools(tools).functions]


async def ask(directory: Path, up: Upstream, **body: Any) -> httpx.Response:
    asked = {"model": "p", "input": "hi", "tools": [LOOK, MAPS], **body}
    async with open_api(directory, {"p": up.profile}) as url, httpx.AsyncClient() as client:
        return await client.post(f"{url}/v1/responses", json=asked, headers={"x-api-key": TOKEN})


def calls(output: list[dict[str, Any]]) -> list[dict[str, str]]:
    found = [item for item in output if item["type"] == "function_call"]
    return [{key: item[key] for key in ("namespace", "name", "arguments") if key in item} for item in found]


def offered(sent: Any) -> list[str]:
    return [tool.get("name") or tool["function"]["name"] for tool in sent["tools"]]


BOTH_CALLS = [{**HERE, "arguments": '{"at":"sea"}'}, {"name": "look", "arguments": "{}"}]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_call_names_the_namespace_of_its_function(kind: str, tmp_path: Path) -> None:
    """And the function as its namespace calls it; one outside of namespaces has none."""
    with upstream(kind, tmp_path, CALLED, stream=False) as up:
        response = await ask(tmp_path, up)
        sent = None if up.provider is None else up.sent()

    answer = response.json()
    assert calls(answer["output"]) == BOTH_CALLS
    assert answer["tools"] == [LOOK, MAPS]
    assert records(tmp_path)[0]["tools_available"] == ["look", "maps__look"]
    assert "x-arawn-ignored" not in response.headers
    assert sent is None or offered(sent) == ["look", "maps__look"]


@pytest.mark.parametrize("kind", KINDS)
async def test_every_event_of_a_stream_names_it_so(kind: str, tmp_path: Path) -> None:
    """The item when it begins, when it ends, and in the whole response."""
    with upstream(kind, tmp_path, CALLED, stream=True) as up:
        response = await ask(tmp_path, up, stream=True)

    events = [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: ")]
    of = {name: [event for event in events if event["type"] == f"response.{name}"] for name in ("completed",)}
    began = [event["item"] for event in events if event["type"] == "response.output_item.added"]
    ended = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    done = [event["name"] for event in events if event["type"] == "response.function_call_arguments.done"]
    assert [(item.get("namespace"), item["name"]) for item in began] == [("maps", "look"), (None, "look")]
    assert [json.loads(call.pop("arguments")) for call in calls(ended)] == [{"at": "sea"}, {}]
    assert [(item.get("namespace"), item["name"]) for item in ended] == [("maps", "look"), (None, "look")]
    assert of["completed"][0]["response"]["output"] == ended
    assert done == ["look", "look"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
async def test_the_sdk_reads_it_so(kind: str, tmp_path: Path) -> None:
    """It takes the namespace, gives it back with the call, and what it gives back is understood again."""
    openai = pytest.importorskip("openai")
    told: dict[str, Any] = {"model": "p", "tools": [LOOK, MAPS]}

    def talk(url: str) -> tuple[Any, Any]:
        with openai.OpenAI(base_url=f"{url}/v1", api_key=TOKEN, max_retries=0) as client:
            *_, last = client.responses.create(input="hi", stream=True, **told)
            (call, _) = last.response.output
            result = {"type": "function_call_output", "call_id": call.call_id, "output": "ok"}
            said = [{"role": "user", "content": "hi"}, call.model_dump(exclude_none=True), result]
            *_, end = client.responses.create(input=said, stream=True, **told)
            return call, end.response.output_text

    with upstream(kind, tmp_path, CALLED, Answer("done"), stream=True) as up:
        async with open_api(tmp_path, {"p": up.profile}) as url:
            call, text = await beside(lambda: talk(url))

    assert (call.namespace, call.name, text) == ("maps", "look", "done")


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
async def test_calls_of_the_history_go_by_the_name_that_is_offered(kind: str, tmp_path: Path) -> None:
    """Also one whose namespace is not offered any more, and one whose client leaves its namespace out."""
    call = {"type": "function_call", "arguments": "{}"}
    asked = [
        {**call, **HERE, "call_id": "1"},
        {**call, "name": "far", "namespace": "old", "call_id": "2"},
        {**call, "name": "find", "call_id": "3"},
    ]
    results = [{"type": "function_call_output", "call_id": one["call_id"], "output": "ok"} for one in asked]
    history = [{"role": "user", "content": "hi"}, *asked, *results]
    with upstream(kind, tmp_path, Answer("ok"), stream=False) as up:
        response = await ask(tmp_path, up, input=history, tools=[LOOK, MAPS, namespace("shop", "find")])
        said = json.dumps(up.sent()["messages"])

    assert response.status_code == 200
    assert re.findall(r'"name": "(\w+)"', said) == ["maps__look", "old__far", "shop__find"]


@pytest.mark.parametrize("choice", [HERE, {"name": "find"}, {"name": "maps__look"}])
@pytest.mark.parametrize("kind", ["openai", "anthropic"])
async def test_a_function_of_a_namespace_can_be_chosen(kind: str, choice: dict[str, str], tmp_path: Path) -> None:
    """With its namespace, by the name that no other has, or as the model calls it."""
    with upstream(kind, tmp_path, Answer("ok"), stream=False) as up:
        tools = [LOOK, MAPS, namespace("shop", "find")]
        response = await ask(tmp_path, up, tools=tools, tool_choice={"type": "function", **choice})
        chosen = up.sent()["tool_choice"]

    assert response.status_code == 200
    assert (chosen.get("name") or chosen["function"]["name"]) == (
        "shop__find" if choice == {"name": "find"} else "maps__look"
    )


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
async def test_what_a_namespace_is_for_is_said_once(kind: str, tmp_path: Path) -> None:
    """Behind the instructions; servers of tools say there how they want to be used."""
    with upstream(kind, tmp_path, Answer("ok"), stream=False) as up:
        await ask(tmp_path, up, instructions="Be kind.", tools=[MAPS, {**MAPS, "name": "bare", "description": ""}])
        sent = up.sent()

    prompt = sent["system"] if kind == "anthropic" else sent["messages"][0]["content"]
    assert "Be kind.\\n\\nTools whose names begin with `maps__`: All about maps." in json.dumps(prompt)
    assert "bare__" not in json.dumps(prompt)


async def test_what_is_no_function_in_a_namespace_is_not_offered(tmp_path: Path) -> None:
    """Its kind is named; the answer repeats the functions alone, and no namespace without one."""
    tools = [{**MAPS, "tools": [HOSTED, {**LOOK, "strict": True}]}, {**MAPS, "name": "odd", "tools": [HOSTED]}]
    with upstream("anthropic", tmp_path, Answer("ok"), stream=False) as up:
        response = await ask(tmp_path, up, tools=tools)
        sent = up.sent()

    assert offered(sent) == ["maps__look"]
    assert response.headers["x-arawn-ignored"] == "tools.strict, tools.web_search"
    assert response.json()["tools"] == [{**MAPS, "tools": [{**LOOK, "strict": False}]}]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_tool_that_takes_text_may_stand_in_a_namespace(kind: str, tmp_path: Path) -> None:
    """It is offered beside the functions there, and a call of it names the namespace."""
    maps = {**MAPS, "tools": [{"type": "custom", "name": "draw"}, LOOK]}
    drawn = Answer(calls=(("maps__draw", {"input": "a line"}),), stop="tool_use")
    with upstream(kind, tmp_path, drawn, stream=False) as up:
        response = await ask(tmp_path, up, tools=[maps])

    (call,) = response.json()["output"]
    said = {name: call[name] for name in ("type", "namespace", "name", "input")}
    assert said == {"type": "custom_tool_call", "namespace": "maps", "name": "draw", "input": "a line"}
    assert response.json()["tools"] == [maps]
    assert records(tmp_path)[0]["tools_available"] == ["maps__draw", "maps__look"]


async def test_strict_functions_are_said_with_their_whole_name(tmp_path: Path) -> None:
    """To chat completions, which have a word for it."""
    with upstream("openai", tmp_path, Answer("ok"), stream=False) as up:
        await ask(tmp_path, up, tools=[{**MAPS, "tools": [{**LOOK, "strict": True}]}])
        (tool,) = up.sent()["tools"]

    function = {name: value for name, value in LOOK.items() if name != "type"}
    assert tool == {"type": "function", "function": {**function, "name": "maps__look", "strict": True}}


async def test_functions_to_be_searched_for_are_offered_at_once(tmp_path: Path) -> None:
    """Nobody searches here; so the search is not offered, and what it would have found is."""
    late = {**LOOK, "name": "late", "defer_loading": True}
    with upstream("openai", tmp_path, Answer("ok"), stream=False) as up:
        response = await ask(tmp_path, up, tools=[{**MAPS, "tools": [LOOK, late]}, late, {"type": "tool_search"}])
        sent = up.sent()

    assert offered(sent) == ["maps__look", "maps__late", "late"]
    assert "defer_loading" not in json.dumps(sent)
    assert response.headers["x-arawn-ignored"] == "tools.tool_search"


@given(st.lists(st.tuples(st.none() | NAMES, NAMES), unique=True, max_size=8))
def test_every_function_has_a_name_of_its_own_that_a_model_can_say(tools: list[tuple[str | None, str]]) -> None:
    """Whatever namespaces and functions are called; it leads back to them, and those without keep theirs."""
    said = [{**LOOK, "name": name} if space is None else namespace(space, name) for space, name in tools]
    read = read_tools(said)

    assert len(set(names(*said))) == len(tools)
    assert read == read_tools(said)
    for (space, name), function in zip(tools, read.functions, strict=True):
        assert read.said_as(name, space) == function.said
        assert read.called(function.said) == ({"name": name} if space is None else {"name": name, "namespace": space})
        assert function.said == name if space is None else re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", function.said)


def test_a_long_name_depends_on_nothing_else() -> None:
    """The model meets it in the history of the next request; what begins alike stays apart."""
    long, longer = namespace("n" * 50, "look_here_and_there"), namespace("n" * 50, "look_here_and_where")

    assert names(long) == names(namespace("other", "look"), long)[1:]
    assert names(long) != names(longer)
    assert names(long)[0].startswith("n" * 50 + "__loo")


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "namespace", "tools": []},
        {"type": "namespace", "name": "n"},
        {"type": "namespace", "name": "n", "tools": ["look"]},
        {"type": "namespace", "name": "n", "tools": [{"type": "function"}]},
        {"type": "namespace", "name": "n", "tools": [MAPS]},
        {"type": []},
        {"type": {"function": 1}, "name": "look"},
    ],
)
def test_what_is_no_namespace_is_refused(tool: dict[str, Any]) -> None:
    """With the place in the request."""
    with pytest.raises(Refused) as refused:
        read_tools([LOOK, tool])

    assert (refused.value.reply.status, b"`$.tools[1]" in refused.value.reply.body) == (400, True)


def test_a_description_goes_by_the_names_that_the_model_sees() -> None:
    """A name that had to be cut has lost its namespace's; of tools that are not offered nothing is said, nor twice."""
    hosted = {**MAPS, "name": "odd", "tools": [HOSTED]}
    read = read_tools([namespace("a.b", "look"), hosted, MAPS, MAPS])

    (cut, *_) = (function.said for function in read.functions)
    assert read.guides == (f"`{cut}`: All about maps.", "Tools whose names begin with `maps__`: All about maps.")
