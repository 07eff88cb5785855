"""Tools of a responses request that take free text: offered as functions of one text, called as what they are."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arawn.server.v1.responses_custom import InputPieces, input_of
from tests.arawn.server.sdk.doors import TOKEN, open_api
from tests.arawn.server.sdk.upstreams import KINDS, Answer, Upstream, upstream
from tests.fake_provider import FakeProvider, events, openai_chunk, stream_reply
from tests.runtimes import custom, records

GRAMMAR = 'start: "*** Begin" LF line+\nline: "+" /(.*)/ LF'
PATCH = {
    "type": "custom",
    "name": "patch",
    "description": "Edits files.",
    "format": {"type": "grammar", "syntax": "lark", "definition": GRAMMAR},
}
LOOK = {"type": "function", "name": "look", "description": "Looks.", "parameters": {"type": "object"}}
INPUT = '*** Begin\n+say "é" \\ 😀\n'
CALLED = Answer("Now.", calls=(("patch", {"input": INPUT}), ("look", {"at": "sea"})), stop="tool_use")
ODD = ['{"code": "x"}', '{"input": 7}', '["x"]', "plain", '{"input": "a', '{"input": "a" "b"}', '{"input": "a\nb"}']


async def ask(directory: Path, up: Upstream, **body: Any) -> httpx.Response:
    asked = {"model": "p", "input": "hi", "tools": [PATCH, LOOK], **body}
    async with open_api(directory, {"p": up.profile}) as url, httpx.AsyncClient() as client:
        return await client.post(f"{url}/v1/responses", json=asked, headers={"x-api-key": TOKEN})


async def ask_for(directory: Path, *pieces: str) -> list[dict[str, Any]]:
    """Return the events of an answer that calls `patch` with arguments in these pieces."""
    begin = {"index": 0, "id": "call_0", "type": "function", "function": {"name": "patch", "arguments": ""}}
    parts = [{"index": 0, "function": {"arguments": piece}} for piece in pieces]
    chunks = [openai_chunk(tool_calls=[each]) for each in (begin, *parts)]
    with FakeProvider(stream_reply(events(*chunks, openai_chunk("tool_calls"), "[DONE]"))) as provider:
        return said(await ask(directory, Upstream(custom(provider.address), provider), stream=True))


def said(response: httpx.Response) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: ")]


def bare(item: dict[str, Any]) -> dict[str, Any]:
    assert item["id"].startswith({"custom_tool_call": "ctc_", "function_call": "fc_", "message": "msg_"}[item["type"]])
    return {name: value for name, value in item.items() if name != "id"}


CALL = {"type": "custom_tool_call", "call_id": "call_0", "name": "patch", "input": INPUT, "status": "completed"}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_call_comes_back_as_text(kind: str, tmp_path: Path) -> None:
    """Beside the calls of functions, which stay what they are; the answer repeats both tools."""
    with upstream(kind, tmp_path, CALLED, stream=False) as up:
        response = await ask(tmp_path, up)

    _, call, other = (bare(item) for item in response.json()["output"])
    assert call == CALL
    assert (other["type"], other["arguments"]) == ("function_call", '{"at":"sea"}')
    assert response.json()["tools"] == [PATCH, LOOK]
    assert "x-arawn-ignored" not in response.headers


@pytest.mark.parametrize("kind", KINDS)
async def test_a_stream_says_it_as_the_published_events(kind: str, tmp_path: Path) -> None:
    """The item begins empty, its text grows, is said whole, and the item ends: of one id, at one place."""
    with upstream(kind, tmp_path, CALLED, stream=True) as up:
        response = await ask(tmp_path, up, stream=True)

    seen = said(response)
    item = next(one["item"] for one in seen if one["type"] == "response.output_item.done" and "input" in one["item"])
    own = [one for one in seen if one.get("output_index") == 1]
    deltas = [one for one in own if one["type"] == "response.custom_tool_call_input.delta"]
    assert [one["sequence_number"] for one in seen] == list(range(len(seen)))
    assert {one.get("item_id") or one["item"]["id"] for one in own} == {item["id"]}
    assert bare(item) == CALL
    assert own[0]["item"] == {**item, "status": "in_progress", "input": ""}
    assert [one["type"] for one in own[:1] + own[len(deltas) + 1 :]] == [
        "response.output_item.added",
        "response.custom_tool_call_input.done",
        "response.output_item.done",
    ]
    assert "".join(one["delta"] for one in deltas) == own[-2]["input"] == INPUT
    assert seen[-1]["response"]["output"][1] == item


async def test_the_text_arrives_while_it_is_written(tmp_path: Path) -> None:
    """Not only at the end of a long patch: clients show it, and take a stream that is silent for dead."""
    seen = await ask_for(tmp_path, '{"inp', 'ut": "one ', "two\\", "n\\ud83d", '\\ude00 three"', "}")

    deltas = [one["delta"] for one in seen if one["type"] == "response.custom_tool_call_input.delta"]
    assert deltas == ["one ", "two", "\n", "😀 three"]


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
async def test_it_is_offered_as_a_function_of_one_text(kind: str, tmp_path: Path) -> None:
    """With its grammar beside the text, since the description of a tool may not be long everywhere."""
    with upstream(kind, tmp_path, Answer("ok"), stream=False) as up:
        await ask(tmp_path, up, tools=[PATCH, {"type": "custom", "name": "free"}])
        tools = [tool.get("function", tool) for tool in up.sent()["tools"]]

    schemas = [tool.get("parameters") or tool["input_schema"] for tool in tools]
    (constrained, free) = (schema["properties"]["input"]["description"] for schema in schemas)
    assert [(tool["name"], tool.get("description") or "") for tool in tools] == [
        ("patch", "Edits files."),
        ("free", ""),
    ]
    assert [(list(schema["properties"]), schema["required"]) for schema in schemas] == [(["input"], ["input"])] * 2
    assert constrained == f"{free} It must match this grammar (lark):\n\n{GRAMMAR}"


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
async def test_a_later_turn_holds_the_call_and_what_came_of_it(kind: str, tmp_path: Path) -> None:
    """The backend sees the function that it called; more that one call answered stands with what it answered first."""
    call = {"type": "custom_tool_call", "call_id": "c", "name": "patch", "input": INPUT, "id": "ctc_1"}
    result = {"type": "custom_tool_call_output", "call_id": "c"}
    parts = [{"type": "input_text", "text": "done"}]
    history = [{"role": "user", "content": "hi"}, call, {**result, "output": parts}, {"role": "user", "content": "and"}]
    with upstream(kind, tmp_path, Answer("ok"), stream=False) as up:
        await ask(tmp_path, up, input=[*history, {**result, "output": "late"}])
        asked, answered = up.sent()["messages"][1:3]

    if kind == "openai":
        (calling,) = asked["tool_calls"]
        assert (calling["id"], json.loads(calling["function"]["arguments"])) == ("c", {"input": INPUT})
        assert (answered["role"], answered["tool_call_id"]) == ("tool", "c")
    else:
        (calling,), answered = asked["content"], answered["content"][0]
        assert (calling["name"], calling["input"], answered["tool_use_id"]) == ("patch", {"input": INPUT}, "c")
    assert re.findall("done|late", json.dumps(answered)) == ["done", "late"]


async def test_the_record_holds_what_the_backend_was_told(tmp_path: Path) -> None:
    """One way of storing: the function as it was offered, the call as the model made it, and no tool as left out."""
    with upstream("anthropic", tmp_path, CALLED, stream=True) as up:
        await ask(tmp_path, up, stream=True)
        sent = up.sent()

    (record,) = records(tmp_path)
    assert record["tools_available"] == ["patch", "look"]
    assert record["tools"][0]["parameters"] == sent["tools"][0]["input_schema"]
    assert [call["arguments"] for call in record["tool_calls"]] == [{"input": INPUT}, {"at": "sea"}]
    assert "tools_not_offered" not in record["tags"]


@pytest.mark.parametrize("arguments", ODD)
async def test_arguments_of_another_shape_are_handed_over_as_they_are(arguments: str, tmp_path: Path) -> None:
    """The tool refuses them and the model learns of it; a part of them might do what nobody meant."""
    seen = await ask_for(tmp_path, arguments)

    done = next(one for one in seen if one["type"] == "response.custom_tool_call_input.done")
    (item,) = seen[-1]["response"]["output"]
    assert (done["input"], item["input"]) == (arguments, arguments)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_call_without_arguments_is_one_without_text(kind: str, stream: bool, tmp_path: Path) -> None:
    """And no program in braces."""
    with upstream(kind, tmp_path, Answer(calls=(("patch", {}),), stop="tool_use"), stream=stream) as up:
        response = await ask(tmp_path, up, stream=stream)

    answer = said(response)[-1]["response"] if stream else response.json()
    assert [item["input"] for item in answer["output"]] == [""]


@given(st.text(), st.lists(st.integers(min_value=0, max_value=200)), st.booleans())
def test_the_pieces_of_a_text_make_up_the_text(text: str, cuts: list[int], ascii_only: bool) -> None:
    """Wherever its arguments are cut."""
    arguments = json.dumps({"input": text}, ensure_ascii=ascii_only)
    places = sorted({0, len(arguments), *(cut for cut in cuts if cut < len(arguments))})
    pieces = [arguments[start:end] for start, end in pairwise(places)]
    reader = InputPieces()

    assert "".join(reader.read(piece) for piece in pieces) == text == input_of(arguments)
    assert reader.rest_of(text) == ""


@given(st.text(alphabet='{}"inputx:, \\u0d8\n', max_size=40), st.text(alphabet='{}"\\u0d8c a', max_size=40))
def test_no_arguments_are_too_odd(head: str, tail: str) -> None:
    """What is said at the end goes on from what was said before, or is something else altogether."""
    reader = InputPieces()
    read = "".join(reader.read(piece) for piece in (head, '{"input":"', *tail))
    whole = input_of(f'{head}{{"input":"{tail}')

    assert read + reader.rest_of(whole) in {read, whole}
