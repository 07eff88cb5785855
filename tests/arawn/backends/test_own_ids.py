"""Tool calls of a conversation that began with a server which counts anew in every answer."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arawn.backends import own_ids
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


def test_many_calls_with_one_id_take_no_longer_than_others() -> None:
    """A client may send as many as a body holds: numbers are not tried from the first on for each of them."""
    formed = 0

    class Counted(str):
        __slots__ = ()

        def __format__(self, spec: str) -> str:
            nonlocal formed
            formed += 1
            return super().__format__(spec)

    calls = [Message("assistant", (ToolUse("call_0", "f"),)) for _ in range(300)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(own_ids, "_plain", Counted)
        made = list(own_ids.with_own_ids(calls))

    assert made[-1].content == (ToolUse("call_0_300", "f"),)
    assert formed < 2 * len(calls)
