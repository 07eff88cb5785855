from __future__ import annotations

from typing import Any

import pytest

from arawn.backends.anthropic import AnthropicDialect
from arawn.backends.anthropic_reply import REDACTED
from arawn.errors import BadInput
from arawn.messages import (
    CompletionRequest,
    Image,
    Message,
    Text,
    Thinking,
    ToolDefinition,
    ToolResult,
    ToolUse,
    user,
)

DIALECT = AnthropicDialect()


WEATHER = ToolDefinition("weather", "The weather.", {"type": "object"})


def encode(*messages: Message, stream: bool = False, **fields: Any) -> dict[str, Any]:
    return DIALECT.encode(CompletionRequest(messages=messages, model="m", **fields), stream=stream).body


def test_a_request_says_everything_it_can() -> None:
    """Every neutral field has its place in the body."""
    body = encode(
        user("hi"),
        stream=True,
        system="be brief",
        tools=(WEATHER,),
        tool_choice="weather",
        max_tokens=5,
        temperature=0.0,
        top_p=0.5,
        stop=("X",),
        extra={"metadata": {"user_id": "u"}},
    )

    assert body == {
        "model": "m",
        "max_tokens": 5,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
        "system": "be brief",
        "tools": [{"name": "weather", "description": "The weather.", "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "tool", "name": "weather"},
        "temperature": 0.0,
        "top_p": 0.5,
        "stop_sequences": ("X",),
        "metadata": {"user_id": "u"},
        "stream": True,
    }


def test_the_limit_the_dialect_demands_has_a_default() -> None:
    """Without any limit the answer may have 4,096 tokens."""
    assert encode(user("hi"))["max_tokens"] == 4096


@pytest.mark.parametrize(("choice", "kind"), [("auto", "auto"), ("none", "none"), ("required", "any")])
def test_tool_choices_have_their_words(choice: str, kind: str) -> None:
    """The general choices are translated."""
    assert encode(user("hi"), tools=(WEATHER,), tool_choice=choice)["tool_choice"] == {"type": kind}


@pytest.mark.parametrize(("bearer", "header"), [(False, ("x-api-key", "k")), (True, ("authorization", "Bearer k"))])
def test_the_key_is_sent_in_one_header(bearer: bool, header: tuple[str, str]) -> None:
    """A key goes into its own header, a token is a Bearer."""
    assert DIALECT.headers("k", bearer=bearer) == dict([("anthropic-version", "2023-06-01"), header])


def test_tool_results_come_first_in_the_next_message() -> None:
    """The results of a round stand together, before other text."""
    body = encode(
        user("weather?"),
        Message("assistant", (ToolUse("c1", "weather", {"at": "Rome"}), ToolUse("c2", "weather"))),
        Message("user", (Text("hurry"), ToolResult("c1", (Text("sun"),)))),
        Message("user", (ToolResult("c2", (Image("image/png", data="QQ=="),), is_error=True),)),
    )

    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    assert body["messages"][1]["content"][0] == {
        "type": "tool_use",
        "id": "c1",
        "name": "weather",
        "input": {"at": "Rome"},
    }
    first, second, text = body["messages"][2]["content"]
    assert first == {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "sun"}]}
    assert (second["is_error"], second["content"][0]["source"]["data"]) == (True, "QQ==")
    assert text == {"type": "text", "text": "hurry"}


def test_thinking_goes_back_signed_and_unchanged() -> None:
    """Signed thinking is returned; encrypted thinking in its own form."""
    body = encode(Message("assistant", (Thinking("hm", "sig"), Thinking("", REDACTED + "xyz"), Text("a"))))

    assert body["messages"][0]["content"][:2] == [
        {"type": "thinking", "thinking": "hm", "signature": "sig"},
        {"type": "redacted_thinking", "data": "xyz"},
    ]


def test_what_cannot_be_said_is_warned_of_once() -> None:
    """Nothing is dropped in silence, and what is left still alternates."""
    turn = Message("assistant", (Thinking("unsigned"), Image("image/png", data="QQ==")))
    broken = Message("assistant", (ToolUse("c1", "f", invalid_arguments="{x"),))
    request = CompletionRequest(messages=(user("a"), turn, user("b"), broken), model="m", tool_choice="f")

    encoded = DIALECT.encode(request, stream=False)

    assert [warning.split(" ")[0] for warning in encoded.warnings] == ["thinking", "images", "invalid", "`tool_choice`"]
    assert [message["role"] for message in encoded.body["messages"]] == ["user", "assistant"]
    assert encoded.body["messages"][1]["content"][0]["input"] == {"invalid_arguments": "{x"}


def test_ids_of_other_providers_are_made_fit() -> None:
    """A conversation begun elsewhere can go on here: calls and results stay joined."""
    body = encode(
        Message("assistant", (ToolUse("functions.f:0", "f"),)), Message("user", (ToolResult("functions.f:0"),))
    )

    assert body["messages"][0]["content"][0]["id"] == "functions_f_0"
    assert body["messages"][1]["content"][0]["tool_use_id"] == "functions_f_0"


def test_empty_text_is_not_sent() -> None:
    """The provider refuses empty text blocks."""
    body = encode(user(""), user("a"), Message("assistant", (Text(""),)), user("b"))

    assert body["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    ]


def test_messages_of_which_nothing_is_left_are_refused() -> None:
    """The provider would refuse an empty list that the caller has not written."""
    with pytest.raises(BadInput, match="the messages say nothing that the anthropic dialect can say"):
        encode(user(""), Message("assistant", (Thinking("hm"),)))


def test_image_addresses_are_sent() -> None:
    """An image may be named by its address."""
    (content,) = encode(Message("user", (Image(url="https://x.test/a.png"),)))["messages"][0]["content"]

    assert content == {"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}}


@pytest.mark.parametrize("blank", ["", " ", "\n\n", "\u00a0\t"])
def test_blank_texts_are_left_out(blank: str) -> None:
    """The provider refuses them, which would end a conversation for good: some models say one before a tool call."""
    call = Message("assistant", (Text(blank), ToolUse("c1", "weather", {})))
    result = Message("user", (ToolResult("c1", (Text(blank), Text("dry"))), Text(blank)))

    _, said, answered = encode(user("hi"), call, result, tools=(WEATHER,))["messages"]

    assert [block["type"] for block in said["content"]] == ["tool_use"]
    assert [block["type"] for block in answered["content"]] == ["tool_result"]
    assert answered["content"][0]["content"] == [{"type": "text", "text": "dry"}]
