"""What each dialect says of an answer and reads of a conversation, in the rarer cases. Pure."""

from __future__ import annotations

import json
from typing import Any

import pytest

from arawn.backends.anthropic_reply import REDACTED
from arawn.config.schema import Config, Profile
from arawn.messages import (
    CompletionResponse,
    ContentBlock,
    Image,
    Text,
    Thinking,
    ThinkingDelta,
    ToolUse,
    ToolUseDelta,
    ToolUseStart,
    Usage,
)
from arawn.server.reply import Refused
from arawn.server.v1.anthropic_messages_in import read_messages, translate_messages
from arawn.server.v1.anthropic_messages_out import message_body
from arawn.server.v1.openai_chat_in import read_chat, translate_chat
from arawn.server.v1.openai_chat_out import chat_completion
from arawn.server.v1.openai_stream import ChatChunks
from arawn.server.v1.responses_in import read_responses, translate_responses
from arawn.server.v1.responses_out import Frame, response_body
from arawn.server.v1.target import Target, choose_target

INVALID = ToolUse("c", "look", invalid_arguments="{oops")
USAGE = Usage(input_tokens=5, output_tokens=2, cache_read_tokens=3, cache_write_tokens=1, reasoning_tokens=1)


def target(dialect: str | None) -> Target:
    backend = {"openai": "openai", "anthropic": "anthropic", None: "scripted"}[dialect]
    return choose_target("auto", None, Config(profiles={"default": Profile(backend=backend, model="m")}))


def answer(*content: ContentBlock, **more: Any) -> CompletionResponse:
    return CompletionResponse(content=content, model="m", **more)


def chat_of(response: CompletionResponse) -> Any:
    return json.loads(chat_completion(response, answer_id="1", created=2))


def message_of(response: CompletionResponse) -> Any:
    return json.loads(message_body(response, answer_id="1"))


def response_of(response: CompletionResponse) -> Any:
    asked = read_responses(b'{"model": "m", "input": "hi"}').known
    return json.loads(response_body(response, frame=Frame("1", 2, asked)))


def test_arguments_that_are_no_json_keep_their_text() -> None:
    """They never become an empty object."""
    assert chat_of(answer(INVALID))["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == "{oops"
    assert message_of(answer(INVALID))["content"][0]["input"] == {"invalid_arguments": "{oops"}
    assert response_of(answer(INVALID))["output"][0]["arguments"] == "{oops"


def test_counts_are_said_in_the_sums_of_each_dialect() -> None:
    """The cache is part of the prompt in the one, beside it in the other."""
    chat, message, response = [of(answer(usage=USAGE))["usage"] for of in (chat_of, message_of, response_of)]

    assert (chat["prompt_tokens"], chat["completion_tokens"], chat["total_tokens"]) == (9, 2, 11)
    assert chat["prompt_tokens_details"] == {"cached_tokens": 3}
    assert chat["completion_tokens_details"] == {"reasoning_tokens": 1}
    assert (message["input_tokens"], message["cache_read_input_tokens"], message["cache_creation_input_tokens"]) == (
        5,
        3,
        1,
    )
    assert (response["input_tokens"], response["input_tokens_details"]["cached_tokens"]) == (9, 3)


def test_counts_that_nobody_reported_are_not_made_up() -> None:
    """Where the dialect allows it; where it demands numbers they are 0."""
    assert chat_of(answer())["usage"] is None
    assert response_of(answer())["usage"] is None
    assert message_of(answer())["usage"]["output_tokens"] == 0


@pytest.mark.parametrize("reason", [None, "end_turn", "pause_turn", "stop_sequence"])
def test_every_whole_answer_has_a_reason_for_its_end(reason: str | None) -> None:
    """Clients take a missing one for an answer that goes on."""
    assert chat_of(answer(stop_reason=reason))["choices"][0]["finish_reason"] == "stop"
    assert message_of(answer(stop_reason=reason))["stop_reason"] == (reason or "end_turn")


def test_hidden_thinking_goes_back_as_it_came() -> None:
    """Text that says nothing is left out, as clients could not send it back."""
    blocks = (Thinking("", REDACTED + "secret"), Text(""), Text("x"))

    content = message_of(answer(*blocks))["content"]
    assert content == [{"type": "redacted_thinking", "data": "secret"}, {"type": "text", "text": "x"}]
    assert [item["type"] for item in response_of(answer(*blocks))["output"]] == ["message", "message"]


def test_chunks_number_the_calls_not_the_blocks() -> None:
    """Thinking and text before a call do not count."""
    chunks = ChatChunks(answer_id="1", created=2, model="m", with_usage=False)
    chunks.encode(ThinkingDelta(0, "hm"))
    said = [chunks.encode(event) for event in (ToolUseStart(2, "a", "x"), ToolUseStart(4, "b", "y"))]
    said.append(chunks.encode(ToolUseDelta(4, "{}")))

    deltas = [json.loads(data.removeprefix(b"data: "))["choices"][0]["delta"]["tool_calls"][0] for data in said]
    assert [delta["index"] for delta in deltas] == [0, 1, 1]


def test_messages_of_the_assistant_keep_all_they_said() -> None:
    """Reasoning, text, refusals and calls, arguments that are no JSON among them."""
    call = {"id": "c", "function": {"name": "look", "arguments": "{oops"}}
    said = {"role": "assistant", "reasoning_content": "hm", "content": "a", "refusal": "no", "tool_calls": [call]}
    body = json.dumps({"model": "auto", "messages": [said], "stop": ["x", "y"]}).encode()

    request = translate_chat(read_chat(body), target("openai")).request
    assert request.messages[0].content == (Thinking("hm"), Text("a"), Text("no"), INVALID)
    assert request.stop == ("x", "y")


def test_the_marks_of_tools_are_left_out_for_another_dialect() -> None:
    """And named."""
    function = {"name": "look", "parameters": {}, "strict": True}
    body = {"model": "auto", "messages": [{"role": "user", "content": "x"}]}
    chat = json.dumps({**body, "tools": [{"type": "function", "function": function}]}).encode()
    tools = [{"name": "look", "input_schema": {}, "cache_control": {"type": "ephemeral"}}]
    messages = json.dumps({**body, "tools": tools}).encode()

    assert translate_chat(read_chat(chat), target("anthropic")).ignored == ("tools.function.strict",)
    assert translate_messages(read_messages(messages), target("openai")).ignored == ("tools.cache_control",)


def test_a_choice_of_tools_without_a_neutral_word_stays_as_it_is() -> None:
    """For a backend of the same dialect."""
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}
    body = {"model": "auto", "messages": [{"role": "user", "content": "x"}], "tool_choice": choice}

    request = translate_chat(read_chat(json.dumps(body).encode()), target("openai")).request
    assert (request.tool_choice, request.extra) == (None, {"tool_choice": choice})


def test_the_items_of_responses_become_turns() -> None:
    """Messages of every role, pictures, calls and what tools answered."""
    picture = {"type": "input_image", "image_url": "https://x/y.png"}
    items = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "input_text", "text": "hi"}, picture]},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "reasoning", "summary": []},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
        {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{oops"},
    ]
    body = {"model": "auto", "input": items, "instructions": "Be kind.", "tool_choice": "required", "store": True}

    said = translate_responses(read_responses(json.dumps(body).encode()), target(None))
    blocks = [message.content for message in said.request.messages]
    assert said.request.system == "Be kind.\n\nBe brief."
    assert blocks == [(Text("hi"), Image(url="https://x/y.png")), (Thinking("hm"),), (), (Text("no"),), (INVALID,)]
    assert (said.request.tool_choice, said.ignored) == ("required", ("store",))


@pytest.mark.parametrize(
    ("dialect", "extra", "ignored"),
    [
        ("openai", {"reasoning_effort": "low", "parallel_tool_calls": False}, ("text.verbosity",)),
        ("anthropic", {}, ("reasoning.effort", "parallel_tool_calls", "text.verbosity")),
    ],
)
def test_settings_of_responses_are_said_where_there_is_a_word(
    dialect: str, extra: dict[str, Any], ignored: tuple[str, ...]
) -> None:
    """The others are named."""
    more = {"reasoning": {"effort": "low"}, "text": {"verbosity": "low"}, "parallel_tool_calls": False}
    body = json.dumps({"model": "auto", "input": "hi", **more}).encode()

    said = translate_responses(read_responses(body), target(dialect))
    assert (said.request.extra, said.ignored) == (extra, ignored)


@pytest.mark.parametrize("choice", ["some", {"type": "mcp"}])
def test_a_choice_of_tools_that_responses_do_not_know_is_refused(choice: object) -> None:
    """With what is accepted."""
    body = json.dumps({"model": "auto", "input": "hi", "tool_choice": choice}).encode()

    with pytest.raises(Refused) as refused:
        translate_responses(read_responses(body), target("openai"))
    assert b"`required`" in refused.value.reply.body
