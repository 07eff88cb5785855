"""Tool calls of servers that count badly, name badly, or say things twice: each is one call, whole."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from arawn.messages import ToolUse, ToolUseDelta, ToolUseStart
from arawn.wire.sse import SseEvent
from tests.arawn.backends.playing import ANTHROPIC, DONE, OPENAI, plain, play
from tests.fake_provider import openai_chunk


def call(name: str | None = None, arguments: Any = None, **fields: Any) -> dict[str, Any]:
    """Return a chunk with one piece of a call."""
    return openai_chunk(tool_calls=[{"index": 0, "function": {"name": name, "arguments": arguments}, **fields}])


def streamed_calls(*chunks: Any) -> tuple[ToolUse, ...]:
    deltas, response = play(*chunks, openai_chunk("tool_calls"), DONE)
    starts = [delta for delta in deltas if isinstance(delta, ToolUseStart)]
    assert [start.name for start in starts] == [tool_use.name for tool_use in response.tool_calls]
    calls: tuple[ToolUse, ...] = response.tool_calls
    return calls


@pytest.mark.parametrize(
    ("finish", "expected"),
    [
        ("tool_call", "tool_use"),
        ("eos", "tool_use"),
        ("stop", "tool_use"),
        ("STOP", "tool_use"),
        (None, "tool_use"),
        ("length", "max_tokens"),
        ("content_filter", "refusal"),
        ("insufficient_system_resource", "insufficient_system_resource"),
    ],
)
def test_an_answer_that_calls_tools_ends_with_them(finish: str | None, expected: str) -> None:
    """Whatever word for the end was said; not where the answer was stopped before its end."""
    said = {"tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]}

    response = OPENAI.decode(plain(said, finish=finish))

    assert (response.stop_reason, response.stop_reason_raw) == (expected, finish)


@pytest.mark.parametrize(
    ("reason", "expected"), [("end_turn", "tool_use"), (None, "tool_use"), ("max_tokens", "max_tokens")]
)
def test_a_message_that_calls_tools_ends_with_them(reason: str | None, expected: str) -> None:
    """The same in the other dialect."""
    block = {"type": "tool_use", "id": "t", "name": "f", "input": {}}

    response = ANTHROPIC.decode(json.dumps({"content": [block], "stop_reason": reason}).encode())

    assert (response.stop_reason, response.stop_reason_raw) == (expected, reason)


def test_a_function_call_is_a_tool_call() -> None:
    """The dialect's older form has no id; it gets one."""
    whole = OPENAI.decode(plain({"function_call": {"name": "f", "arguments": '{"a":1}'}}, finish="function_call"))
    _, streamed = play(
        openai_chunk(function_call={"name": "f", "arguments": ""}),
        openai_chunk(function_call={"arguments": '{"a":'}),
        openai_chunk(function_call={"arguments": "1}"}),
        openai_chunk("function_call"),
        DONE,
    )

    assert whole.content == (ToolUse("call_c1_0", "f", {"a": 1}),)
    assert streamed.content == (ToolUse("call_chatcmpl-1_0", "f", {"a": 1}),)
    assert whole.stop_reason == streamed.stop_reason == "tool_use"


@pytest.mark.parametrize(
    "chunks",
    [
        (call("get_", "", id="a"), call("weather", ""), call(None, '{"x":1}')),
        (call(None, '{"x"', id="a"), call("get_weather", ":1}")),
        (call("get_weather", '{"x"', id="a"), call("get_weather", ":1}", id="a"), call("get_weather", "", id="a")),
        (call("get_weather", '{"x":1}', id="a"), call("get_weather", '{"x":1}', id="a")),
        (call("get_weather", '{"x"', id="a"), call(None, ":1}"), call("get_weather", '{"x":1}')),
        (call(None, '{"x":1}'), call("get_weather", None, id="a")),
    ],
    ids=["in pieces", "after arguments", "in every piece", "said twice", "whole at the end", "id last"],
)
def test_a_name_is_whole_however_it_comes(chunks: tuple[Any, ...]) -> None:
    """Pieces are joined, what is said again is not; what comes before the name waits for it."""
    assert streamed_calls(*chunks) == (ToolUse("a", "get_weather", {"x": 1}),)


def test_a_new_name_after_whole_arguments_is_a_new_call() -> None:
    """Servers that give neither ids nor numbers; the same name too, with other arguments."""
    calls = streamed_calls(
        call("w", '{"a"', id=None), call(None, ":1}"), call("v", '{"b":2}'), call("v", '{"b":3}'), call("v", "")
    )

    assert [(each.name, each.arguments) for each in calls] == [("w", {"a": 1}), ("v", {"b": 2}), ("v", {"b": 3})]
    assert len({each.id for each in calls}) == 3


def test_a_call_without_arguments_begins_at_the_end() -> None:
    """Its name could have grown until then; a stream that was cut has it as far as it came."""
    cut = OPENAI.assembler()
    cut.feed(SseEvent(data=json.dumps(call("f", "", id="a"))))

    assert streamed_calls(call("f", "", id="a")) == (ToolUse("a", "f"),)
    assert cut.response().content == (ToolUse("a", "f"),)


@pytest.mark.parametrize("repeated", [True, False])
def test_arguments_of_a_block_count_once(repeated: bool) -> None:
    """Some servers say them where the block begins, and again as deltas."""
    block = {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}
    grown = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": piece}}
        for piece in ("", '{"a"', ": 1}")
    ]

    deltas, response = play(
        {"type": "content_block_start", "index": 0, "content_block": block},
        *(grown if repeated else ()),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
        {"type": "message_stop"},
        dialect=ANTHROPIC,
    )

    assert response.content == (ToolUse("t", "f", {"a": 1}),)
    said = "".join(delta.partial_json for delta in deltas if isinstance(delta, ToolUseDelta))
    assert json.loads(said) == {"a": 1}


@pytest.mark.parametrize(
    "chunks",
    [
        [{"choices": [{"message": {"tool_calls": [{}] * 20_000}, "finish_reason": "stop"}]}],
        [
            openai_chunk(tool_calls=[{"id": f"c{n}", "function": {"name": "f", "arguments": "{}"}}])
            for n in range(20_000)
        ],
        [call("f", '{"a":"'), *[call(None, "{}")] * 60_000],
    ],
    ids=["nameless", "unnumbered", "braces"],
)
def test_odd_calls_cost_no_more_than_they_are_long(chunks: list[Any]) -> None:
    """A provider that sends a hundred kilobytes of them does not stop all other calls."""
    assembler = OPENAI.assembler()
    events = [SseEvent(data=json.dumps(chunk)) for chunk in chunks]

    begun = time.process_time()
    for event in events:
        assembler.feed(event)
    response = assembler.response()

    assert time.process_time() - begun < 3
    assert response.tool_calls


def test_arguments_that_begin_with_their_block_are_said_once() -> None:
    """Also where the blocks of two calls grow at the same time: the end of one says nothing of the other."""
    calls = [{"type": "tool_use", "id": name, "name": name, "input": {name: 1}} for name in ("a", "b")]
    sent: list[dict[str, Any]] = [{"type": "message_start", "message": {"content": []}}]
    sent += [{"type": "content_block_start", "index": at, "content_block": call} for at, call in enumerate(calls)]
    for at, call in enumerate(calls):
        again = {"type": "input_json_delta", "partial_json": json.dumps(call["input"])}
        sent += [
            {"type": "content_block_delta", "index": at, "delta": again},
            {"type": "content_block_stop", "index": at},
        ]

    _, response = play(*sent, {"type": "message_stop"}, dialect=ANTHROPIC)

    assert [(call.arguments, call.invalid_arguments) for call in response.tool_calls] == [
        ({"a": 1}, None),
        ({"b": 1}, None),
    ]


def test_silent_blocks_cost_no_more_than_they_are_long() -> None:
    """A block that says nothing waits for a later one; so may very many."""
    many = 20_000
    said = [{"type": "content_block_start", "index": at, "content_block": {"type": "text"}} for at in range(many)]
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}}

    begun = time.process_time()
    play(*said, *[delta] * many, {"type": "message_stop"}, dialect=ANTHROPIC)

    assert time.process_time() - begun < 3
