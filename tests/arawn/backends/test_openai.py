from __future__ import annotations

import json
from typing import Any

import pytest

from arawn.backends.openai import OpenAIDialect
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

DIALECT = OpenAIDialect()


PIXEL = {"url": "data:image/png;base64,QQ=="}
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
        extra={"seed": 1},
    )

    assert body == {
        "model": "m",
        "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}],
        "tools": [
            {
                "type": "function",
                "function": {"name": "weather", "description": "The weather.", "parameters": {"type": "object"}},
            }
        ],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "max_tokens": 5,
        "temperature": 0.0,
        "top_p": 0.5,
        "stop": ("X",),
        "seed": 1,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_an_open_request_sends_no_defaults() -> None:
    """What neither request nor profile says is left to the provider."""
    assert encode(user("hi")) == {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def test_extra_cannot_turn_a_call_into_a_stream_or_hide_its_usage() -> None:
    """Whether to stream is the caller's choice, and usage is always asked for."""
    extra = {"stream": True, "stream_options": {"include_usage": False, "x": 1}}

    assert "stream" not in encode(user("hi"), extra=extra)
    assert encode(user("hi"), stream=True, extra=extra)["stream_options"] == {"include_usage": True, "x": 1}


def test_the_name_of_the_token_limit_can_be_set() -> None:
    """Newer OpenAI models refuse `max_tokens`."""
    dialect = OpenAIDialect(max_tokens_field="max_completion_tokens")

    body = dialect.encode(CompletionRequest(messages=(user("hi"),), max_tokens=9), stream=False).body

    assert body["max_completion_tokens"] == 9
    assert "max_tokens" not in body


@pytest.mark.parametrize("choice", ["auto", "none", "required"])
def test_tool_choices_have_the_same_words(choice: str) -> None:
    """The three general choices are said as they are."""
    assert encode(user("hi"), tools=(WEATHER,), tool_choice=choice)["tool_choice"] == choice


def test_a_tool_round_trip_is_in_order() -> None:
    """Tool messages follow their calls directly; other user text comes after them."""
    body = encode(
        user("weather?"),
        Message("assistant", (Text("let me see"), ToolUse("c1", "weather", {"at": "Rome"}), ToolUse("c2", "weather"))),
        Message("user", (Text("hurry"),)),
        Message("user", (ToolResult("c1", (Text("sun"),)), ToolResult("c2", (Text("rain"),)))),
    )

    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "tool", "tool", "user"]
    assert body["messages"][1]["content"] == "let me see"
    assert body["messages"][1]["tool_calls"][0]["function"] == {"name": "weather", "arguments": '{"at":"Rome"}'}
    assert body["messages"][2] == {"role": "tool", "tool_call_id": "c1", "content": "sun"}
    assert body["messages"][4] == {"role": "user", "content": "hurry"}


def test_invalid_arguments_go_back_inside_an_object() -> None:
    """The model sees its own mistake, and a server that reads the arguments of a history refuses nothing."""
    broken = Message("assistant", (ToolUse("c1", "weather", invalid_arguments='{"at": Ro'),))

    encoded = OpenAIDialect().encode(CompletionRequest(messages=(broken,), model="m"), stream=False)

    sent = encoded.body["messages"][0]["tool_calls"][0]["function"]["arguments"]
    assert json.loads(sent) == {"invalid_arguments": '{"at": Ro'}
    assert [warning.split(" ")[0] for warning in encoded.warnings] == ["invalid"]


def test_neighbours_of_one_role_are_joined() -> None:
    """Servers with strict templates want roles to alternate."""
    body = encode(user("a"), user("b"), Message("assistant", (Text("c"),)), Message("assistant", (Text("d"),)))

    assert body["messages"] == [{"role": "user", "content": "a\n\nb"}, {"role": "assistant", "content": "c\n\nd"}]


def test_images_are_sent_as_parts() -> None:
    """Data and addresses both become image parts, in place."""
    body = encode(Message("user", (Text("see"), Image("image/png", data="QQ=="), Image(url="https://x.test/a.png"))))

    assert body["messages"][0]["content"] == [
        {"type": "text", "text": "see"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,QQ=="}},
        {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}},
    ]


def test_what_cannot_be_said_is_warned_of_once() -> None:
    """Nothing is dropped in silence."""
    call = Message("assistant", (Thinking("hm", "sig"), Text("a"), ToolUse("c1", "f")))
    turn = Message("assistant", (Thinking("hm", "sig"), Text("a")))
    result = Message("user", (ToolResult("c1", (Image("image/png", data="QQ=="), Text("x")), is_error=True),))
    request = CompletionRequest(messages=(call, result, turn), model="m", tool_choice="required")

    encoded = DIALECT.encode(request, stream=False)

    assert [warning.split(" dropped")[0] for warning in encoded.warnings] == [
        "thinking blocks were",
        "the error mark of tool results was",
        "`tool_choice` was",
    ]
    shown = [{"type": "text", "text": "image of tool result c1"}, {"type": "image_url", "image_url": PIXEL}]
    assert [message["content"] for message in encoded.body["messages"]] == ["a", "x", shown, "a"]


def test_a_turn_of_which_nothing_is_left_does_not_part_its_neighbours() -> None:
    """Roles still alternate when an answer was nothing but thinking."""
    body = encode(user("a"), Message("assistant", (Thinking("hm"),)), user("b"))

    assert body["messages"] == [{"role": "user", "content": "a\n\nb"}]


def test_a_block_in_the_wrong_role_is_refused() -> None:
    """A tool call by the user can never work, so nothing is sent."""
    with pytest.raises(BadInput, match="role `user` holds a `tool_use` block; it can hold `text`"):
        encode(Message("user", (ToolUse("c1", "weather"),)))
