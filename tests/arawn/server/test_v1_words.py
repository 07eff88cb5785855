"""What each dialect says of an answer and reads of a conversation, in the rarer cases. Pure."""

from __future__ import annotations

import json
from typing import Any

import pytest

from arawn.backends.anthropic_reply import REDACTED
from arawn.messages import Image, Text, Thinking, ThinkingDelta, ToolUseDelta, ToolUseStart, Usage
from arawn.server.reply import Refused
from arawn.server.v1.anthropic_messages_in import read_messages, translate_messages
from arawn.server.v1.openai_chat_in import read_chat, translate_chat
from arawn.server.v1.openai_stream import ChatChunks
from arawn.server.v1.responses_in import read_responses, translate_responses
from tests.arawn.server.dialect_words import INVALID, answer, chat_of, message_of, response_of, target

USAGE = Usage(input_tokens=5, output_tokens=2, cache_read_tokens=3, cache_write_tokens=1, reasoning_tokens=1)


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


LOOK = {"type": "function", "function": {"name": "look", "parameters": {}}}
ONE = {"disable_parallel_tool_use": True}


@pytest.mark.parametrize("path", ["chat", "responses"])
@pytest.mark.parametrize(
    ("choice", "dialect", "extra"),
    [
        (None, "openai", {"parallel_tool_calls": False}),
        (None, "anthropic", {"tool_choice": {"type": "auto", **ONE}}),
        ("required", "anthropic", {"tool_choice": {"type": "any", **ONE}}),
        ("look", "anthropic", {"tool_choice": {"type": "tool", "name": "look", **ONE}}),
        ("none", "anthropic", {}),
    ],
)
def test_one_call_at_a_time_is_said_in_both_dialects(
    path: str, choice: str | None, dialect: str, extra: dict[str, Any]
) -> None:
    """With the choice that was made, `auto` if none was."""
    named: Any = choice
    if choice == "look":
        named = {"type": "function", **({"function": {"name": "look"}} if path == "chat" else {"name": "look"})}
    body = {"model": "auto", "parallel_tool_calls": False, "tool_choice": named}
    if path == "chat":
        sent = json.dumps({**body, "messages": [{"role": "user", "content": "x"}], "tools": [LOOK]}).encode()
        said = translate_chat(read_chat(sent), target(dialect))
    else:
        sent = json.dumps({**body, "input": "x", "tools": [{"type": "function", **LOOK["function"]}]}).encode()  # type: ignore[dict-item]
        said = translate_responses(read_responses(sent), target(dialect))

    assert (said.request.extra, said.ignored) == (extra, ())


@pytest.mark.parametrize(("dialect", "extra"), [("openai", {"parallel_tool_calls": True}), ("anthropic", {})])
def test_several_calls_at_a_time_are_asked_for_where_that_is_not_sure(dialect: str, extra: dict[str, Any]) -> None:
    """Servers of the openai dialect differ in their default; those of the other one have the same."""
    tool = {"type": "function", "name": "look", "parameters": {}}
    body = read_responses(
        json.dumps({"model": "auto", "input": "x", "tools": [tool], "parallel_tool_calls": True}).encode()
    )

    said = translate_responses(body, target(dialect))

    assert (said.request.extra, said.ignored) == (extra, ())


def test_a_request_without_messages_is_refused_in_the_words_of_its_dialect() -> None:
    """System prompts alone ask nothing; what is not translated is for the provider to judge."""
    system = [{"role": "system", "content": "x"}]
    chat = read_chat(json.dumps({"model": "auto", "messages": system}).encode())
    response = read_responses(json.dumps({"model": "auto", "input": system}).encode())

    with pytest.raises(Refused) as refused_chat:
        translate_chat(chat, target("anthropic"))
    with pytest.raises(Refused) as refused_response:
        translate_responses(response, target("openai"))
    assert b"`messages` must hold at least one message" in refused_chat.value.reply.body
    assert b"`input` must hold at least one message" in refused_response.value.reply.body


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


@pytest.mark.parametrize("field", [{"function_call": {"name": "look", "arguments": "{}"}}, {"audio": {"id": "a1"}}])
def test_what_only_chat_completions_say_of_the_assistant_is_not_lost(field: dict[str, Any]) -> None:
    """Another dialect refuses it; where it is passed on as it is, the record says that it was there."""
    said = [{"role": "user", "content": "x"}, {"role": "assistant", "content": None, **field}]
    body = read_chat(json.dumps({"model": "auto", "messages": said}).encode())
    (name,) = field

    with pytest.raises(Refused) as refused:
        translate_chat(body, target("anthropic"))

    assert b"`$.messages[1]` holds `%b`" % name.encode() in refused.value.reply.body
    assert translate_chat(body, target("openai")).request.messages[1].content == (Text(f"[{name}]"),)


def test_the_marks_of_tools_are_left_out_for_another_dialect() -> None:
    """And named."""
    body = {"model": "auto", "messages": [{"role": "user", "content": "x"}]}
    tools = [{"name": "look", "input_schema": {}, "cache_control": {"type": "ephemeral"}}]
    messages = json.dumps({**body, "tools": tools}).encode()

    assert translate_messages(read_messages(messages), target("openai")).ignored == ("tools.cache_control",)


@pytest.mark.parametrize("kind", [[], {}, 5, True])
def test_a_type_of_tool_that_is_no_word_is_refused(kind: object) -> None:
    """It may be anything that JSON has a word for."""
    tool = {"type": kind, "name": "look", "input_schema": {}}
    sent = {"model": "auto", "messages": [{"role": "user", "content": "x"}], "tools": [tool]}

    with pytest.raises(Refused) as refused:
        translate_messages(read_messages(json.dumps(sent).encode()), target("openai"))

    assert b"`$.tools[0].type` must be a text" in refused.value.reply.body


def test_a_choice_of_tools_without_a_neutral_word_stays_as_it_is() -> None:
    """For a backend of the same dialect."""
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}
    body = {"model": "auto", "messages": [{"role": "user", "content": "x"}], "tool_choice": choice}

    request = translate_chat(read_chat(json.dumps(body).encode()), target("openai")).request
    assert (request.tool_choice, request.extra) == (None, {"tool_choice": choice})


@pytest.mark.parametrize("named", ["https://x/y.png", {"url": "https://x/y.png", "detail": "low"}])
def test_a_picture_may_be_a_text(named: object) -> None:
    """Some programs leave out the object around its address."""
    content = [{"type": "image_url", "image_url": named}]
    body = json.dumps({"model": "auto", "messages": [{"role": "user", "content": content}]}).encode()

    request = translate_chat(read_chat(body), target("anthropic")).request
    assert request.messages[0].content == (Image(url="https://x/y.png"),)


@pytest.mark.parametrize("field", ["output_config", "output_format"])
def test_both_names_of_the_format_ask_for_such_an_answer(field: str) -> None:
    """The older one is what betas and some libraries say; dropped, the answer would be free text."""
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    wanted: dict[str, Any] = {"type": "json_schema", "schema": schema}
    said = {field: {"format": wanted} if field == "output_config" else wanted}
    body = read_messages(json.dumps({"model": "auto", "messages": [{"role": "user", "content": "x"}], **said}).encode())

    asked = translate_messages(body, target("openai"))
    same = translate_messages(body, target("anthropic"))

    assert asked.request.extra["response_format"]["json_schema"]["schema"] == schema
    assert asked.ignored == ()
    assert same.request.extra == said


def test_an_older_format_of_another_kind_is_refused() -> None:
    """For a backend of another dialect."""
    said = {"model": "auto", "messages": [{"role": "user", "content": "x"}], "output_format": {"type": "grammar"}}

    with pytest.raises(Refused, match="400"):
        translate_messages(read_messages(json.dumps(said).encode()), target("openai"))


@pytest.mark.parametrize(
    ("url", "picture"),
    [
        ("data:image/jpg;base64,aGk=", Image("image/jpeg", "aGk=")),
        ("data:image/PNG;base64,aGk=", Image("image/png", "aGk=")),
        ("DATA:image/png;charset=utf-8;name=a.png;base64,aGk=", Image("image/png", "aGk=")),
        ("https://x.test/data:image/png;base64,aGk=", Image(url="https://x.test/data:image/png;base64,aGk=")),
    ],
)
def test_a_picture_in_an_address_is_read_as_browsers_do(url: str, picture: Image) -> None:
    """Its type under the registered name, in small letters, without parameters: providers know no other."""
    part = {"type": "image_url", "image_url": {"url": url}}
    body = json.dumps({"model": "auto", "messages": [{"role": "user", "content": [part]}]}).encode()

    assert translate_chat(read_chat(body), target("anthropic")).request.messages[0].content == (picture,)


def test_a_record_says_what_kind_of_answer_was_asked_for() -> None:
    """Where the request is passed on as it is, also what no neutral answer can hold."""
    asked = {"n": 2, "logprobs": True, "top_logprobs": 3, "modalities": ["text", "audio"], "seed": 7}
    body = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "x"}], **asked}).encode()

    assert translate_chat(read_chat(body), target("openai")).request.extra == asked


@pytest.mark.parametrize("asked", [{"top_logprobs": 2}, {"include": ["message.output_text.logprobs"]}])
def test_log_probabilities_of_responses_are_refused(asked: dict[str, Any]) -> None:
    """An empty list of them would be taken for the answer."""
    body = json.dumps({"model": "auto", "input": "x", **asked}).encode()

    with pytest.raises(Refused) as refused:
        read_responses(body)

    assert b"leave it out" in refused.value.reply.body


def test_a_picture_of_a_file_that_is_kept_elsewhere_is_refused_in_words() -> None:
    """Nothing here keeps files."""
    part = {"type": "input_image", "file_id": "file-1"}
    body = json.dumps({"model": "auto", "input": [{"role": "user", "content": [part]}]}).encode()

    with pytest.raises(Refused) as refused:
        translate_responses(read_responses(body), target("openai"))

    assert b"no files are kept here: send it as a data URL" in refused.value.reply.body
