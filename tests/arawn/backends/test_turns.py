"""What no dialect can say is put so that every provider takes it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arawn.backends.anthropic import AnthropicDialect
from arawn.backends.openai import OpenAIDialect
from arawn.backends.protocol import Dialect
from arawn.backends.turns import alternate, blocks_of, joined, results_first
from arawn.errors import BadInput
from arawn.messages import CompletionRequest, ContentBlock, Message, Text, ToolDefinition, ToolResult, ToolUse, user

BLOCKS: dict[Any, list[ContentBlock]] = {
    "user": [Text("a"), ToolResult("1"), ToolResult("2")],
    "assistant": [Text("b"), ToolUse("1", "look")],
}
MESSAGES = st.sampled_from(["user", "assistant"]).flatmap(
    lambda role: st.builds(Message, st.just(role), st.lists(st.sampled_from(BLOCKS[role]), max_size=3).map(tuple))
)


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


def test_blocks_in_a_list_are_no_names_that_were_changed() -> None:
    """A list does as well as a tuple: nothing is said otherwise, so nothing is warned of."""
    request = CompletionRequest(messages=(Message("user", [Text("hi")]), Message("assistant", [ToolUse("1", "f")])))  # type: ignore[arg-type]

    assert OpenAIDialect().encode(request, stream=False).warnings == ()
    assert AnthropicDialect().encode(request, stream=False).warnings == ()


@pytest.mark.parametrize("dialect", [OpenAIDialect(), AnthropicDialect()])
def test_a_result_without_its_call_is_refused(dialect: Dialect) -> None:
    """By its id, whatever else was called, or is called later: put first in its turn, it would say anything."""
    called = Message("assistant", (ToolUse("1", "look"),))
    answered, lost = (Message("user", (Text("go"), ToolResult(own))) for own in ("1", "c9"))

    for messages in ((lost,), (called, answered, lost), (lost, Message("assistant", (ToolUse("c9", "look"),)))):
        with pytest.raises(BadInput, match=r"answers the call `c9`, and no call before it has this id; give the "):
            dialect.encode(CompletionRequest(messages=messages, model="m"), stream=False)
    dialect.encode(CompletionRequest(messages=(called, answered, user("more"), answered), model="m"), stream=False)


@given(st.lists(MESSAGES, max_size=6))
def test_turns_alternate_and_say_everything_in_order(messages: list[Message]) -> None:
    """Neighbours of one role are one turn, whoever says nothing is none; only results go before the rest of a turn."""
    turns = alternate(messages)
    sorted_turns = results_first(turns)

    roles = [turn.role for turn in turns]
    assert all(turn.content for turn in turns)
    assert all(one != other for one, other in pairwise(roles))
    assert list(blocks_of(turns)) == list(blocks_of(messages))
    assert [turn.role for turn in sorted_turns] == roles
    for turn, plain in zip(sorted_turns, turns, strict=True):
        results = [block for block in plain.content if isinstance(block, ToolResult)]
        assert list(turn.content) == results + [block for block in plain.content if block not in results]
    assert joined(turns) == turns
