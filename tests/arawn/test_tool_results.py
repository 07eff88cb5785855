"""What a tool answered is logged with the call that brings it, and joined to the record that asked for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from arawn.interactions.reader import LogReader
from arawn.interactions.tool_results import OpenToolCalls
from arawn.messages import CallContext, CompletionRequest, CompletionResponse, Message, Text, ToolResult, ToolUse, user
from tests.arawn.interactions.samples import record
from tests.runtimes import configured, lines, records, running, scripted

STEPS: list[dict[str, Any]] = [
    {"tool_calls": [{"id": "call_1", "name": "look", "arguments": {"at": "sky"}}]},
    {"text": "blue"},
]


def answered(response: CompletionResponse, *results: ToolResult) -> CompletionRequest:
    """Return the request that goes on after the model's tool calls."""
    return CompletionRequest(
        messages=(user("look up"), Message("assistant", response.content), Message("user", results))
    )


async def test_a_result_in_the_next_call_is_joined_to_the_call_that_asked(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """One short line, success and content as the tool said, written once though the history repeats it."""
    config = configured(tmp_path, {"default": scripted(tmp_path, [*STEPS, {"text": "really"}])})
    async with running(config) as runtime:
        first = await runtime.complete(CompletionRequest(messages=(user("look up"),)))
        second = answered(first, ToolResult("call_1", (Text("clouds"),), is_error=True))
        await runtime.complete(second)
        await runtime.complete(
            CompletionRequest(messages=(*second.messages, Message("assistant", (Text("blue"),)), user("really?")))
        )

    (line,) = [line for line in lines(tmp_path) if line["kind"] == "tool_result"]
    assert (line["interaction_id"], line["tool_call_id"]) == (first.interaction_id, "call_1")
    assert (line["success"], line["content"]) == (False, "clouds")
    entry = LogReader(tmp_path / "log", on_damage=print).find(str(first.interaction_id))
    assert [(call.result_success, call.result_content) for call in entry.record().tool_calls] == [(False, "clouds")]


async def test_a_retried_call_logs_its_results_once(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Attempts are many, the tool answered once."""
    failing = {"error": {"status": 503, "message": "busy"}}
    config = configured(tmp_path, {"default": scripted(tmp_path, [STEPS[0], failing, STEPS[1]])})
    async with running(config) as runtime:
        first = await runtime.complete(CompletionRequest(messages=(user("look up"),)))
        await runtime.complete(answered(first, ToolResult("call_1", (Text("clouds"),))))

    assert len(records(tmp_path)) == 3
    assert [line["content"] for line in lines(tmp_path) if line["kind"] == "tool_result"] == ["clouds"]


def asked(*tools: tuple[str, str], session: str | None = None, number: int = 1) -> OpenToolCalls:
    calls = OpenToolCalls()
    remember(calls, *tools, session=session, number=number)
    return calls


def remember(calls: OpenToolCalls, *tools: tuple[str, str], session: str | None = None, number: int = 1) -> str:
    response = CompletionResponse(content=tuple(ToolUse(call, name) for call, name in tools), model="m")
    made = record(number, response=response, context=CallContext(session_id=session))
    calls.asked(made)
    return made.id


def bringing(*results: tuple[str, str]) -> CompletionRequest:
    uses = tuple(ToolUse(call, name) for call, name in results)
    brought = tuple(ToolResult(call, (Text("done"),)) for call, _ in results)
    return CompletionRequest(messages=(user("go"), Message("assistant", uses), Message("user", brought)))


def test_the_same_id_in_another_conversation_is_another_call() -> None:
    """Some providers number their calls anew in every answer."""
    calls = OpenToolCalls()
    ours = remember(calls, ("call_0", "look"), session="ours", number=1)
    theirs = remember(calls, ("call_0", "look"), session="theirs", number=2)

    found = [asker for asker, _ in calls.answered(bringing(("call_0", "look")), CallContext(session_id="theirs"))]

    assert found == [theirs] != [ours]


def test_a_result_for_another_tool_of_the_same_id_answers_nothing() -> None:
    """The request itself says which tool it was."""
    calls = asked(("call_0", "look"))

    assert list(calls.answered(bringing(("call_0", "listen")), CallContext())) == []


def test_memory_is_bounded() -> None:
    """Calls that nobody ever answers are forgotten, the oldest first."""
    calls = asked(("first", "look"))
    for number in range(66):
        remember(calls, *((f"{number}-{place}", "look") for place in range(1000)))

    assert list(calls.answered(bringing(("first", "look")), CallContext())) == []
    assert len(list(calls.answered(bringing(("65-999", "look")), CallContext()))) == 1


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["look", "listen"])), unique=True, max_size=6))
def test_each_call_is_answered_once(tools: list[tuple[str, str]]) -> None:
    """Whatever the ids and tools: every result finds its call the first time, and none the second."""
    by_id = dict(tools)
    calls = asked(*by_id.items())
    request = bringing(*by_id.items())

    assert [result.tool_use_id for _, result in calls.answered(request, CallContext())] == list(by_id)
    assert list(calls.answered(request, CallContext())) == []
