"""What the Responses API reads of a conversation and of settings, for backends of either dialect. Pure."""

from __future__ import annotations

import json
from typing import Any

import pytest

from arawn.backends.openai import OpenAIDialect
from arawn.messages import Image, Text, Thinking, ToolDefinition
from arawn.server.reply import Refused
from arawn.server.v1.responses_in import as_heard, read_responses, translate_responses
from tests.arawn.server.dialect_words import INVALID, target


@pytest.mark.parametrize(
    ("dialect", "ignored", "heard"), [("openai", (), True), ("anthropic", ("tools.strict",), False)]
)
def test_strict_tools_of_responses_reach_who_has_a_word_for_it(
    dialect: str, ignored: tuple[str, ...], heard: bool
) -> None:
    """Else it is named, and not claimed in the answer."""
    tool = {"type": "function", "name": "look", "description": "d", "parameters": {"type": "object"}, "strict": True}
    body = read_responses(json.dumps({"model": "auto", "input": "x", "tools": [tool]}).encode())
    said = translate_responses(body, target(dialect))

    assert said.request.extra == {}
    assert said.request.tools == (ToolDefinition("look", "d", {"type": "object"}, strict=heard),)
    assert said.ignored == ignored
    assert as_heard(body.known, said.ignored).tools == [{**tool, "strict": heard}]


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


def test_a_picture_that_a_tool_shows_is_not_lost_in_responses() -> None:
    """A backend of chat completions hears of it from the user."""
    shown = [{"type": "input_text", "text": "a map"}, {"type": "input_image", "image_url": "https://x/y.png"}]
    items = [
        {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": shown},
    ]
    body = json.dumps({"model": "auto", "input": items}).encode()

    said = translate_responses(read_responses(body), target("openai"))
    _, tool, user = OpenAIDialect().encode(said.request, stream=False).body["messages"]
    assert (tool["role"], tool["content"]) == ("tool", "a map")
    assert user["content"][1] == {"type": "image_url", "image_url": {"url": "https://x/y.png"}}
    assert said.ignored == ()


@pytest.mark.parametrize("role", ["system", "developer"])
@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_a_picture_in_a_prompt_of_responses_is_refused(role: str, dialect: str) -> None:
    """A prompt is text alone, and nothing of what was said is lost without a word."""
    shown = {"type": "input_image", "image_url": "https://x.test/a.png"}
    items = [{"role": role, "content": [{"type": "input_text", "text": "a"}, shown]}, {"role": "user", "content": "x"}]

    with pytest.raises(Refused) as refused:
        translate_responses(read_responses(json.dumps({"model": "auto", "input": items}).encode()), target(dialect))

    assert b"`$.input[0]` holds an image" in refused.value.reply.body


@pytest.mark.parametrize(
    ("dialect", "extra", "ignored"),
    [
        ("openai", {"reasoning_effort": "low", "verbosity": "low"}, ()),
        ("anthropic", {}, ("reasoning.effort", "text.verbosity")),
    ],
)
def test_settings_of_responses_are_said_where_there_is_a_word(
    dialect: str, extra: dict[str, Any], ignored: tuple[str, ...]
) -> None:
    """The others are named."""
    more = {"reasoning": {"effort": "low"}, "text": {"verbosity": "low"}}
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
