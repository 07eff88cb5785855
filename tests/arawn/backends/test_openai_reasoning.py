"""Reasoning goes back to the servers of the openai dialect that say it: they refuse tool calls without it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from arawn.backends.open import open_provider
from arawn.backends.openai import OpenAIDialect
from arawn.config.schema import Profile, RetryConfig
from arawn.errors import BadRequest
from arawn.messages import CompletionRequest, Message, Text, Thinking, ToolResult, ToolUse, user
from tests.arawn.agent.turns import look
from tests.arawn.server.sdk.doors import TOKEN, open_api
from tests.fake_provider import FakeProvider, Received, Reply, events, openai_chunk, openai_reply, stream_reply
from tests.runtimes import configured, running

CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at":"sky"}'}}
MISSING = {"error": {"message": "The `reasoning_content` in the thinking mode must be passed back to the API."}}
LOOK = {"type": "object", "properties": {"at": {"type": "string"}}}


class Thinker(FakeProvider):
    """Thinks, calls a tool, and refuses to go on unless its reasoning comes back as it was."""

    def __init__(self, field: str = "reasoning_content") -> None:
        self.field = field
        super().__init__()

    def answer_to(self, request: Received) -> Reply:
        super().answer_to(request)
        calls = [message for message in request.json()["messages"] if "tool_calls" in message]
        if not calls:
            return self._answer(request, {self.field: "I think", "tool_calls": [CALL]})
        others = {"reasoning", "reasoning_content"} - {self.field}
        if any(call.get(self.field) != "I think" or others & call.keys() for call in calls):
            return Reply(400, json.dumps(MISSING).encode())
        return self._answer(request, {"content": "blue"})

    def _answer(self, request: Received, said: dict[str, Any]) -> Reply:
        if not request.json().get("stream"):
            return Reply(body=openai_reply("", **said))
        deltas = [{name: value} for name, value in said.items()]
        for delta in deltas:
            for place, call in enumerate(delta.get("tool_calls", [])):
                delta["tool_calls"] = [{**call, "index": place}]
        chunks = [openai_chunk(**delta) for delta in deltas]
        return stream_reply(events(*chunks, openai_chunk("stop"), "[DONE]"))


def profile(provider: FakeProvider) -> Profile:
    return Profile(
        backend="custom",
        dialect="openai",
        base_url=f"{provider.address}/v1",
        model="m",
        retry=RetryConfig(attempts=2, initial_s=0),
    )


FIELDS = pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])


@FIELDS
async def test_a_workstream_sends_the_reasoning_back(field: str, tmp_path: Path) -> None:
    """Within the turn, and in the turns after it."""
    with Thinker(field) as provider:
        async with running(configured(tmp_path, {"default": profile(provider)})) as runtime:
            talk = runtime.workstream("w")
            first = await talk.send("go", tools=[look])
            second = await talk.send("again", tools=[look])

    assert (first.text, second.text) == ("blue", "blue")
    assert len(provider.received) == 3


async def test_a_conversation_that_began_before_the_start_goes_on(tmp_path: Path) -> None:
    """What a server misses is known from its refusal; the reasoning is in the workstream."""
    with Thinker() as provider:
        for question in ("go", "again"):
            async with running(configured(tmp_path, {"default": profile(provider)})) as runtime:
                answer = await runtime.workstream("w").send(question, tools=[look])

    assert answer.text == "blue"
    assert len(provider.received) == 4


@FIELDS
async def test_messages_and_responses_bring_the_reasoning_back(field: str, tmp_path: Path) -> None:
    """A client of either gives back what it was given: a thinking block, a reasoning item."""
    with Thinker(field) as provider:
        async with open_api(tmp_path, {"p": profile(provider)}) as url, httpx.AsyncClient() as client:
            client.headers["authorization"] = f"Bearer {TOKEN}"
            question: dict[str, Any] = {"role": "user", "content": "go"}
            tool: dict[str, Any] = {"name": "look", "input_schema": LOOK}
            asked: dict[str, Any] = {"model": "p", "max_tokens": 9, "tools": [tool], "messages": [question]}
            said = (await client.post(f"{url}/v1/messages", json=asked)).json()
            result = {"type": "tool_result", "tool_use_id": said["content"][-1]["id"], "content": "blue"}
            asked["messages"] += [{"role": "assistant", "content": said["content"]}]
            asked["messages"] += [{"role": "user", "content": [result]}]
            after_messages = (await client.post(f"{url}/v1/messages", json=asked)).json()

            tools = [{"type": "function", "name": "look", "parameters": LOOK}]
            asked = {"model": "p", "store": False, "tools": tools, "input": [question]}
            output = (await client.post(f"{url}/v1/responses", json=asked)).json()["output"]
            asked["input"] += output
            asked["input"] += [{"type": "function_call_output", "call_id": output[-1]["call_id"], "output": "blue"}]
            after_responses = (await client.post(f"{url}/v1/responses", json=asked)).json()

    assert [block["type"] for block in said["content"]] == ["thinking", "tool_use"]
    assert after_messages["content"] == [{"type": "text", "text": "blue"}], after_messages
    assert after_responses["output"][0]["content"][0]["text"] == "blue", after_responses


CALLED = Message("assistant", (Thinking("hm"), ToolUse("c", "look")))
TOLD = Message("user", (ToolResult("c", (Text("blue"),)),))
ANSWERED = Message("assistant", (Thinking("so"), Text("It is blue.")))
TALKED = Message("assistant", (Thinking("no tool"), Text("Hello.")))


def sent(dialect: OpenAIDialect) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    turns = (user("hi"), TALKED, user("look"), CALLED, TOLD, ANSWERED, user("thanks"))
    encoded = dialect.encode(CompletionRequest(messages=turns, model="m"), stream=False)
    return [message for message in encoded.body["messages"] if message["role"] == "assistant"], encoded.warnings


def test_a_server_that_says_no_reasoning_is_sent_none() -> None:
    """Some refuse the field."""
    messages, warnings = sent(OpenAIDialect())

    assert not any("hm" in json.dumps(message) for message in messages)
    assert len(warnings) == 1


def test_reasoning_is_sent_where_tools_were_called() -> None:
    """Also with the answer to their results; without tools it is left out, as its servers ask for."""
    dialect = OpenAIDialect()
    dialect.decode(openai_reply("x", reasoning_content="?"))

    messages, warnings = sent(dialect)

    assert [message.get("reasoning_content") for message in messages] == [None, "hm", "so"]
    assert len(warnings) == 1


@pytest.mark.parametrize(("base_url", "expected"), [(None, "hm"), ("http://other.test/v1", None)])
async def test_deepseek_is_known_to_miss_it(base_url: str | None, expected: str | None) -> None:
    """From the first request on; another server in its place is not."""
    asked: list[dict[str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(json.loads(request.content))
        return httpx.Response(200, content=openai_reply("blue"))

    profile = Profile(backend="deepseek", model="m", base_url=base_url, api_key="k")
    async with open_provider("p", profile, environ={}, transport=httpx.MockTransport(answer)) as provider:
        await provider.complete(CompletionRequest(messages=(user("look"), CALLED, TOLD), model="m"))

    assert asked[0]["messages"][1].get("reasoning_content") == expected


def test_reasoning_alone_is_no_message() -> None:
    """A turn that was cut may have said nothing else: many servers refuse a message without content."""
    dialect = OpenAIDialect(reasoning_field="reasoning_content")
    turns = (user("look"), CALLED, TOLD, Message("assistant", (Thinking("so"),)), user("well?"))

    body = dialect.encode(CompletionRequest(messages=turns, model="m"), stream=False).body

    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "tool", "user"]


@pytest.mark.parametrize(("field", "expected"), [("reasoning_content", ""), ("reasoning", None)])
def test_a_call_without_reasoning_says_so_where_it_is_missed(field: str, expected: str | None) -> None:
    """Servers of `reasoning_content` refuse a call that lacks the field."""
    dialect = OpenAIDialect()
    dialect.decode(openai_reply("x", **{field: "?"}))
    turns = (user("look"), Message("assistant", (ToolUse("c", "look"),)), TOLD)

    body = dialect.encode(CompletionRequest(messages=turns, model="m"), stream=False).body

    assert body["messages"][1].get(field) == expected


@pytest.mark.parametrize(
    ("refusal", "learns"),
    [
        (json.dumps(MISSING).encode(), True),
        (b"thinking is enabled but reasoning_content is missing in assistant tool call message at index 2", True),
        (b"Missing `reasoning_content` field in the assistant message", True),
        (b"property 'messages.2.assistant.reasoning_content' is unsupported", False),
        (b'{"type":"extra_forbidden","loc":["assistant","reasoning_content"],"msg":"not permitted"}', False),
    ],
)
def test_only_a_refusal_that_misses_the_field_is_learnt_from(refusal: bytes, learns: bool) -> None:
    """Another names the field because it was sent. What was sent already is no reason to ask again."""
    dialect = OpenAIDialect()

    assert dialect.learns_from(b"{}", refusal) is learns
    assert dialect.learns_from(b"{}", refusal) is learns  # of a call that was under way at the same time
    assert not (learns and dialect.learns_from(b'{"reasoning_content":""}', refusal))


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
async def test_a_model_that_refuses_reasoning_is_asked_without(field: str, status: int) -> None:
    """A proxy has many models under one address: what one of them has said is no law for another."""
    asked: list[dict[str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(json.loads(request.content))
        if any(field in message for message in asked[-1]["messages"]):
            return httpx.Response(status, json={"error": {"message": f"property '{field}' is unsupported"}})
        return httpx.Response(200, content=openai_reply("blue", **({} if len(asked) > 1 else {field: "so"})))

    profile = Profile(backend="custom", dialect="openai", model="m", base_url="http://proxy.example/v1", api_key="k")
    request = CompletionRequest(messages=(user("look"), CALLED, TOLD), model="m")
    async with open_provider("p", profile, environ={}, transport=httpx.MockTransport(answer)) as provider:
        await provider.complete(request)
        with pytest.raises(BadRequest) as refused:
            await provider.complete(request)
        await provider.complete(request)

    assert refused.value.retryable
    assert [any(field in message for message in body["messages"]) for body in asked] == [False, True, False]
