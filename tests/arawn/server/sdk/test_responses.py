"""The SDK of OpenAI speaks `/v1/responses` with any backend."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.arawn.server.sdk.clients import openai  # skips without the SDKs
from tests.arawn.server.sdk.doors import TOKEN, beside, beside_asyncio, open_api
from tests.arawn.server.sdk.upstreams import KINDS, Answer, Refusal, Upstream, upstream
from tests.fake_provider import FakeProvider, events, openai_chunk, stream_reply
from tests.runtimes import ECHO, custom, records

pytestmark = pytest.mark.slow  # hundreds of cases; CI runs them

pydantic: Any = pytest.importorskip("pydantic")

City: Any = pydantic.create_model("City", name=(str, ...), people=(int, ...))
TOOLS = [{"type": "function", "name": name, "parameters": {"type": "object"}} for name in ("look", "find")]
PATCH = {"type": "custom", "name": "patch", "format": {"type": "grammar", "syntax": "regex", "definition": ".+"}}
PATCHED = Answer("Now.", calls=(("patch", {"input": '+"é"\n'}),), stop="tool_use")
ASKS = {"type": "object", "properties": {"query": {"type": "string"}}}
SEARCH = {"type": "tool_search", "execution": "client", "description": "Finds tools.", "parameters": ASKS}
SEARCHED = Answer("Now.", calls=(("tool_search", {"query": "maps"}),), stop="tool_use")
MAPS = {"type": "namespace", "name": "maps", "description": "Maps.", "tools": [{**TOOLS[0], "defer_loading": True}]}
ANSWERS = {
    "text": (Answer("Paris é it is"), "completed"),
    "thinking": (Answer("Paris", "let me think"), "completed"),
    "tool": (Answer("Looking.", "", (("look", {"at": "map"}), ("find", {})), "tool_use"), "completed"),
    "cut-short": (Answer("Par", stop="max_tokens"), "incomplete"),
    "refusal": (Answer("I will not.", stop="refusal"), "incomplete"),
}


def sdk(url: str, opened: ExitStack) -> Any:
    return opened.enter_context(openai.OpenAI(base_url=f"{url}/v1", api_key=TOKEN, max_retries=0))


def read(response: Any) -> tuple[str, str, list[tuple[str, Any]], int]:
    calls = [(item.name, json.loads(item.arguments)) for item in response.output if item.type == "function_call"]
    thinking = "".join(part.text for item in response.output if item.type == "reasoning" for part in item.summary)
    return response.output_text, thinking, calls, response.usage.output_tokens


def streamed(client: Any, **asked: Any) -> Any:
    """Return the response of the last event, checking the order on the way."""
    names: list[str] = []
    last: Any = None
    for event in client.responses.create(model="auto", stream=True, **asked):
        assert event.sequence_number == len(names)
        names.append(event.type)
        last = event
    assert names[:2] == ["response.created", "response.in_progress"]
    assert names.count("response.output_item.added") == names.count("response.output_item.done")
    assert last is not None
    return last.response


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ANSWERS)
async def test_the_answer_is_understood(name: str, kind: str, stream: bool, tmp_path: Path, opened: ExitStack) -> None:
    """Text, reasoning, tool calls, status and counts are those of the backend."""
    said, status = ANSWERS[name]

    def work(url: str) -> Any:
        client = sdk(url, opened)
        asked: dict[str, Any] = {"input": "hi", "tools": TOOLS}
        return streamed(client, **asked) if stream else client.responses.create(model="auto", **asked)

    with upstream(kind, tmp_path, said, stream=stream) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url:
            response = await beside(lambda: work(url))

    assert response.status == status
    assert read(response) == (said.text, said.thinking, list(said.calls), said.usage[1])
    assert [record["status"] for record in records(tmp_path)] == ["ok"]


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("kind", KINDS)
async def test_an_answer_is_parsed_by_its_schema(kind: str, stream: bool, tmp_path: Path, opened: ExitStack) -> None:
    """The schema reaches the backend in its own words; the answer becomes an object."""

    def work(url: str) -> Any:
        if not stream:
            return sdk(url, opened).responses.parse(model="auto", input="hi", text_format=City)
        with sdk(url, opened).responses.stream(model="auto", input="hi", text_format=City) as events:
            return events.get_final_response()

    with upstream(kind, tmp_path, Answer('{"name": "Paris", "people": 2}'), stream=stream) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url:
            response = await beside(lambda: work(url))

    assert response.output_parsed == City(name="Paris", people=2)
    assert up.provider is None or "people" in json.dumps(up.sent())


@pytest.mark.parametrize("kind", KINDS)
async def test_a_tool_answers(kind: str, tmp_path: Path) -> None:
    """The second call holds the first one's output and the tool's."""
    said = (Answer("", "hm", (("look", {"at": "map"}),), "tool_use"), Answer("On the map."))

    async def work(url: str) -> Any:
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=TOKEN, max_retries=0) as client:
            asked: Any = {"model": "auto", "tools": TOOLS, "instructions": "Be brief."}
            first = await client.responses.create(input="hi", **asked)
            result = {"type": "function_call_output", "call_id": first.output[-1].call_id, "output": "a map"}
            turns = [{"role": "user", "content": "hi"}, *first.output, result]
            return await client.responses.create(input=turns, **asked)

    with upstream(kind, tmp_path, *said, stream=False) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url:
            response = await beside_asyncio(lambda: work(url))

    assert response.output_text == "On the map."
    assert up.provider is None or _says_all(up)


def _says_all(up: Upstream) -> bool:
    sent = json.dumps(up.sent())
    return all(word in sent for word in ("a map", "Be brief.", '"hi"', "look"))


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_custom_tool_is_called_with_text(kind: str, stream: bool, tmp_path: Path, opened: ExitStack) -> None:
    """Its call and every event of it are what the SDK's types demand, and the tool is among those of the answer."""
    types: Any = openai.types.responses

    def work(url: str) -> Any:
        asked: dict[str, Any] = {"input": "hi", "tools": [PATCH], "tool_choice": {"type": "custom", "name": "patch"}}
        if not stream:
            return [], sdk(url, opened).responses.create(model="auto", **asked)
        with sdk(url, opened).responses.stream(model="auto", **asked) as events:
            return list(events), events.get_final_response()

    with upstream(kind, tmp_path, PATCHED, stream=stream) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url:
            events, response = await beside(lambda: work(url))

    _, call = response.output
    (tool,) = response.tools
    types.response_custom_tool_call_item.ResponseCustomToolCallItem.model_validate(call.to_dict())
    assert (type(call), call.input, tool.name) == (types.ResponseCustomToolCall, '+"é"\n', "patch")
    said = [event for event in events if "custom_tool_call_input" in event.type]
    assert all(type(event).model_validate(event.to_dict()) == event for event in said)
    assert "".join(getattr(event, "delta", "") for event in said) == (call.input if stream else "")
    assert [event.input for event in said if isinstance(event, types.ResponseCustomToolCallInputDoneEvent)] == (
        [call.input] if stream else []
    )


@pytest.mark.parametrize("kind", KINDS)
async def test_a_custom_tool_answers(kind: str, tmp_path: Path) -> None:
    """The second call holds the first one's output as it came, and the tool's."""

    async def work(url: str) -> Any:
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=TOKEN, max_retries=0) as client:
            asked: Any = {"model": "auto", "tools": [PATCH], "stream": True}
            *_, last = [event async for event in await client.responses.create(input="hi", **asked)]
            output = last.response.output
            result = {"type": "custom_tool_call_output", "call_id": output[-1].call_id, "output": "it is in"}
            turns = [{"role": "user", "content": "hi"}, *output, result]
            *_, end = [event async for event in await client.responses.create(input=turns, **asked)]
            return end.response

    with upstream(kind, tmp_path, PATCHED, Answer("Patched."), stream=True) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url:
            response = await beside_asyncio(lambda: work(url))

    assert response.output_text == "Patched."
    (asked, answered) = records(tmp_path)[1]["messages"][-2:]
    assert asked["content"][-1]["arguments"] == {"input": '+"é"\n'}
    assert answered["content"][0]["content"][0]["text"] == "it is in"


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_search_for_tools_is_done(kind: str, stream: bool, tmp_path: Path, opened: ExitStack) -> None:
    """Its call is the type of the SDK, and what the client found is called in the next turn, as it stands there."""
    types: Any = openai.types.responses
    seen: list[Any] = []

    def work(url: str) -> tuple[Any, Any]:
        client = sdk(url, opened)

        def turn(*more: Any) -> Any:
            asked: dict[str, Any] = {"input": [{"role": "user", "content": "hi"}, *more], "tools": [SEARCH, MAPS]}
            if not stream:
                return client.responses.create(model="auto", **asked)
            with client.responses.stream(model="auto", **asked) as events:
                seen.extend(event.item for event in events if event.type.startswith("response.output_item"))
                return events.get_final_response()

        first = turn()
        found = {"type": "tool_search_output", "call_id": first.output[-1].call_id, "execution": "client"}
        return first, turn(*(item.to_dict() for item in first.output), {**found, "tools": [MAPS]})

    answers = (SEARCHED, Answer(calls=(("maps__look", {"at": "sea"}),), stop="tool_use"))
    with upstream(kind, tmp_path, *answers, stream=stream) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url:
            first, second = await beside(lambda: work(url))

    (_, search), (call,) = first.output, second.output
    searches = [item for item in (*seen, search) if isinstance(item, types.ResponseToolSearchCall)]
    assert [types.ResponseToolSearchCall.model_validate(item.to_dict(), strict=True) for item in searches] == searches
    assert [item.status for item in searches] == (["in_progress", "completed"] if stream else []) + ["completed"]
    assert (search.arguments, search.execution, search.status) == ({"query": "maps"}, "client", "completed")
    assert [type(tool) for tool in first.tools] == [types.ToolSearchTool, types.NamespaceTool]
    assert (call.namespace, call.name, json.loads(call.arguments)) == ("maps", "look", {"at": "sea"})


async def test_a_search_with_odd_arguments_is_read(tmp_path: Path, opened: ExitStack) -> None:
    """What the model wrote is there as text, where an object would be."""
    begin = {
        "index": 0,
        "id": "c",
        "type": "function",
        "function": {"name": "tool_search", "arguments": '{"query": ma'},
    }
    pieces = events(openai_chunk(tool_calls=[begin]), openai_chunk("tool_calls"), "[DONE]")
    with FakeProvider(stream_reply(pieces)) as provider:
        async with open_api(tmp_path, {"default": custom(provider.address)}) as url:
            response = await beside(lambda: streamed(sdk(url, opened), input="hi", tools=[SEARCH]))

    (call,) = response.output
    assert type(call).model_validate(call.to_dict(), strict=True).arguments == '{"query": ma'


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_fault_is_raised_as_its_kind(kind: str, stream: bool, tmp_path: Path, opened: ExitStack) -> None:
    """As on the other routes."""
    with upstream(kind, tmp_path, Refusal(429, "slow down"), stream=stream) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url:
            with pytest.raises(openai.RateLimitError, match="slow down"):
                await beside(lambda: sdk(url, opened).responses.create(model="auto", input="hi", stream=stream))


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_conversation_that_is_too_long_is_known(
    kind: str, stream: bool, tmp_path: Path, opened: ExitStack
) -> None:
    """By its code, and it is raised: streamed too, for whoever waits for text alone sees no `response.failed`."""

    def work(url: str) -> Any:
        with pytest.raises(openai.APIError if stream else openai.BadRequestError) as caught:
            answer = sdk(url, opened).responses.create(model="auto", input="hi", stream=stream)
            list(answer)
        return caught.value

    with upstream(kind, tmp_path, Refusal(400, "prompt is too long: 9 > 8"), stream=stream) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url:
            error = await beside(lambda: work(url))

    assert error.code == "context_length_exceeded"
    assert "prompt is too long: 9 > 8" in error.message


@pytest.mark.parametrize("kind", KINDS)
async def test_a_stream_that_breaks_has_failed(kind: str, tmp_path: Path, opened: ExitStack) -> None:
    """The last event says so, with the error and what had been said."""

    def work(url: str) -> Any:
        return list(sdk(url, opened).responses.create(model="auto", input="hi", stream=True))[-1]

    with upstream(kind, tmp_path, Answer("one two three"), stream=True, cut=True) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url:
            last = await beside(lambda: work(url))

    assert last.type == "response.failed"
    assert last.response.status == "failed"
    assert last.response.error.code == "bad_reply"


@pytest.mark.parametrize(
    "asked",
    [
        {"previous_response_id": "resp_1"},
        {"background": True},
        {"tools": [{"type": "web_search"}], "tool_choice": "required"},
        {"input": [{"type": "item_reference", "id": "x"}]},
        {"input": [{"role": "user", "content": [{"type": "input_file"}]}]},
        {"tool_choice": {"type": "web_search"}},
        {"text": {"format": {"type": "grammar"}}},
    ],
)
async def test_what_is_not_done_here_is_refused(asked: dict[str, Any], tmp_path: Path, opened: ExitStack) -> None:
    """400, and nothing is sent."""
    async with open_api(tmp_path, {"default": ECHO}) as url:
        with pytest.raises(openai.BadRequestError):
            await beside(lambda: sdk(url, opened).responses.create(**{"model": "auto", "input": "hi", **asked}))

    assert records(tmp_path) == []
