"""What no dialect can say is put so that every provider takes it."""

from __future__ import annotations

from typing import Any

import pytest

from arawn.backends.anthropic import AnthropicDialect
from arawn.backends.openai import OpenAIDialect
from arawn.messages import CompletionRequest, Message, ToolDefinition, ToolResult, ToolUse, user


def named(name: str, *offered: str) -> CompletionRequest:
    said = (user("go"), Message("assistant", (ToolUse("1", name),)), Message("user", (ToolResult("1"),)))
    return CompletionRequest(messages=said, tools=tuple(map(ToolDefinition, offered)))


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("look", "look"),
        ("functions.look", "functions_look"),
        ("", "_"),
        ("x" * 65, "x" * 64),
        ("own.tool", "own.tool"),
    ],
)
def test_a_name_that_providers_refuse_is_sent_in_plain_letters(name: str, sent: str) -> None:
    """A model invents names; one in the history must not end the conversation. What is offered stays as it is."""
    request = named(name, "own.tool")

    openai: Any = OpenAIDialect().encode(request, stream=False)
    anthropic: Any = AnthropicDialect().encode(request, stream=False)

    assert openai.body["messages"][1]["tool_calls"][0]["function"]["name"] == sent
    assert anthropic.body["messages"][1]["content"][0]["name"] == sent
    assert [any("names" in warning for warning in made.warnings) for made in (openai, anthropic)] == [name != sent] * 2
