"""Models that number their tool calls badly: every answer of a tool still has its own line in the log."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from arawn.agent.plan import distinct
from arawn.interactions.filters import Filters
from arawn.interactions.reader import LogReader
from arawn.interactions.tool_results import OpenToolCalls
from arawn.messages import CallContext, CompletionRequest, CompletionResponse, Message, Text, ToolResult, ToolUse, user
from tests.arawn.agent.turns import LOOK, look, playing, step
from tests.arawn.interactions.export.logs import made
from tests.arawn.interactions.samples import record
from tests.runtimes import lines, records

AT = ("sky", "sea", "hut")


async def test_two_calls_with_one_id_have_a_line_each(tmp_path: Path, autojump_clock: MockClock) -> None:
    """In the order in which they were made."""
    twins = step(*[{**LOOK, "id": "a", "arguments": {"at": at}} for at in AT])
    async with playing(tmp_path, twins, {"text": "ok"}) as runtime:
        await runtime.workstream("w").send("go", tools=[look])

    told = [line for line in lines(tmp_path) if line["kind"] == "tool_result"]
    assert [line["content"] for line in told] == [f"{at} is blue" for at in AT]
    assert [line["tool_call_id"] for line in told] == ["a", "a_2", "a_3"]
    assert {line["interaction_id"] for line in told} == {records(tmp_path)[0]["id"]}


async def test_each_of_two_calls_with_one_id_is_shown_with_its_own_result(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """The record has an id for each, which the lines name; the answer keeps the ids that the model gave."""
    twins = step(*[{**LOOK, "id": "a", "arguments": {"at": at}} for at in AT])
    async with playing(tmp_path, twins, {"text": "ok"}) as runtime:
        await runtime.workstream("w").send("go", tools=[look])

    asked, _ = LogReader(tmp_path / "log", on_damage=print).oldest_first(Filters())
    found = asked.record()
    assert [(call.tool_call_id, call.result_content) for call in found.tool_calls] == [
        ("a", "sky is blue"),
        ("a_2", "sea is blue"),
        ("a_3", "hut is blue"),
    ]
    assert [block["id"] for block in found.response_content if block["type"] == "tool_use"] == ["a"] * 3


async def test_the_same_id_in_every_answer_is_another_call_each_time(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Local servers begin to count anew with each answer."""
    steps = [step({**LOOK, "id": "call_0", "arguments": {"at": at}}) for at in AT]
    async with playing(tmp_path, *steps, {"text": "ok"}) as runtime:
        await runtime.workstream("w").send("go", tools=[look])

    told = [(line["interaction_id"], line["content"]) for line in lines(tmp_path) if line["kind"] == "tool_result"]
    askers = [each["id"] for each in records(tmp_path)[: len(AT)]]
    assert told == [(asker, f"{at} is blue") for asker, at in zip(askers, AT, strict=True)]


async def test_a_turn_with_one_id_twice_is_exported_as_one_conversation(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """What the model said and what went back to it are the same answer, though the ids are not."""
    async with playing(tmp_path, step(*[{**LOOK, "id": "a"}] * 2), {"text": "ok"}) as runtime:
        await runtime.workstream("w").send("go", tools=[look])

    exported = made(tmp_path / "log", "openai-chat")

    assert (exported.manifest.conversations, len(exported.rows)) == (1, 1)


ANSWERS = st.lists(
    st.lists(st.tuples(st.sampled_from(["a", "a_2", "b"]), st.sampled_from(["look", "listen"])), max_size=5), max_size=4
)


@given(ANSWERS, st.booleans())
def test_there_are_as_many_lines_as_answered_calls(answers: list[list[tuple[str, str]]], renamed: bool) -> None:
    """Whatever ids the model gives, in one answer and over several, and whether or not they go back as they came."""
    calls, said, told = OpenToolCalls(), [user("go")], []
    for number, answer in enumerate(answers):
        given_ids = CompletionResponse(content=tuple(ToolUse(own, name) for own, name in answer), model="m")
        made_of = record(number, response=given_ids, context=CallContext())
        calls.asked(made_of)
        uses = (distinct(given_ids) if renamed else given_ids).tool_calls
        results = tuple(ToolResult(use.id, (Text(str(place)),)) for place, use in enumerate(uses))
        said += [Message("assistant", uses), Message("user", results)]
        request = CompletionRequest(messages=tuple(said))
        found = [(asker, result) for asker, result in calls.answered(request, CallContext())]
        assert [(asker, result.content) for asker, result in found] == [
            (made_of.id, result.content) for result in results
        ]
        assert len({result.tool_use_id for _, result in found}) == len(found)
        told += list(calls.answered(request, CallContext()))

    assert told == []
