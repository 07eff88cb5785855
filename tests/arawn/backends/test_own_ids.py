"""Tool calls of a conversation that began with a server which counts anew in every answer."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from arawn.backends.own_ids import with_own_ids
from arawn.messages import Message, ToolResult, ToolUse

IDS = st.lists(st.lists(st.sampled_from(["call_0", "call_0_2", "a.b", "a_b", ""]), min_size=1, max_size=4), max_size=4)


@given(IDS)
def test_every_call_of_a_conversation_has_an_id_that_no_other_has(answers: list[list[str]]) -> None:
    """In letters that the dialect takes, the first one its own; each result follows its call."""
    conversation: list[Message] = []
    for answer in answers:
        conversation.append(Message("assistant", tuple(ToolUse(own, "f") for own in answer)))
        conversation.append(Message("user", tuple(map(ToolResult, answer))))

    made = list(with_own_ids(conversation))

    called = [[block.id for block in message.content if isinstance(block, ToolUse)] for message in made[::2]]
    told = [[block.tool_use_id for block in message.content if isinstance(block, ToolResult)] for message in made[1::2]]
    assert called == told
    every = [own for answer in called for own in answer]
    assert len(set(every)) == len(every)
    assert all(re.fullmatch("[a-zA-Z0-9_-]+", own) for own in every)
    assert all(own in every for answer in answers for own in answer if own.startswith("call_0"))
