"""Streamed blocks and items come one after the other, and of calls that a backend mixes nothing is lost. Pure."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arawn.messages import (
    Completed,
    StreamEvent,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    ToolUse,
    ToolUseDelta,
    ToolUseStart,
)
from arawn.server.v1.anthropic_stream import MessageEvents
from arawn.server.v1.responses_in import read_responses
from arawn.server.v1.responses_out import Frame
from arawn.server.v1.responses_stream import ResponseEvents
from tests.arawn.server.dialect_words import answer

ARGUMENTS = ("", "{}", '{"at": "map"}', '{"a": {"b": "}"}} ', "[1]", '{"oops', '{}{"a": 1}')


@st.composite
def calls(draw: st.DrawFn) -> list[list[str]]:
    """Return the arguments of some calls, each in pieces."""
    said = draw(st.lists(st.sampled_from(ARGUMENTS), min_size=1, max_size=4))
    cuts = [sorted(draw(st.lists(st.integers(0, len(each)), max_size=3))) for each in said]
    return [
        [each[a:b] for a, b in zip([0, *cut], [*cut, len(each)], strict=True)]
        for each, cut in zip(said, cuts, strict=True)
    ]


@st.composite
def mixed(draw: st.DrawFn) -> tuple[list[StreamEvent], list[str]]:
    """Return events of calls that grow by turns, with text between them, and what the calls said."""
    said = draw(calls())
    waiting: list[list[StreamEvent]] = [[ToolUseDelta(at + 1, piece) for piece in each] for at, each in enumerate(said)]
    events: list[StreamEvent] = [TextDelta(0, "Well")]
    begun = 0
    while begun < len(said) or any(waiting):
        what = draw(st.integers(-2, begun - 1))
        if what == -2:
            events.append(TextDelta(0, "x"))
        elif what == -1 and begun < len(said):
            begun += 1
            events.append(ToolUseStart(begun, f"c{begun}", "look"))
        elif what >= 0 and waiting[what]:
            events.append(waiting[what].pop(0))
    return events, ["".join(each) for each in said]


def told(encoder: MessageEvents | ResponseEvents, events: list[StreamEvent], said: list[str]) -> list[Any]:
    content: list[Any] = [Text("x"), *[ToolUse(f"c{at}", "look") for at, _ in enumerate(said, 1)]]
    ended = Completed(answer(*content, stop_reason="tool_use"))
    lines = b"".join(encoder.encode(event) for event in [*events, ended]).splitlines()
    return [json.loads(line[6:]) for line in lines if line.startswith(b"data: ")]


def message_events() -> MessageEvents:
    return MessageEvents(answer_id="1", model="m", signed=False)


def response_events() -> ResponseEvents:
    return ResponseEvents(Frame("1", 2, read_responses(b'{"model": "m", "input": "hi"}').known), "m")


@settings(max_examples=30)
@given(mixed())
def test_blocks_of_messages_lose_nothing_of_mixed_calls(case: tuple[list[StreamEvent], list[str]]) -> None:
    """Each is stopped once, and none grows after that: an empty object may stand for arguments that are to come."""
    events, said = case
    grown: dict[int, str] = {}
    stopped: set[int] = set()
    for event in told(message_events(), events, said):
        match event["type"]:
            case "content_block_start" if event["content_block"]["type"] == "tool_use":
                grown[event["index"]] = ""
            case "content_block_delta" if event["index"] in grown:
                assert event["index"] not in stopped
                grown[event["index"]] += event["delta"]["partial_json"]
            case "content_block_stop":
                assert event["index"] not in stopped
                stopped.add(event["index"])

    assert [each.strip() for each in grown.values()] == [each.strip() for each in said]
    assert set(grown) <= stopped


@settings(max_examples=30)
@given(mixed())
def test_items_of_responses_lose_nothing_of_mixed_calls(case: tuple[list[StreamEvent], list[str]]) -> None:
    """Each is done once, and the response at the end holds all."""
    events, said = case
    seen = told(response_events(), events, said)
    done = [event["output_index"] for event in seen if event["type"] == "response.output_item.done"]
    output = seen[-1]["response"]["output"]
    grown = {at: "" for at, item in enumerate(output) if item["type"] == "function_call"}
    for event in seen:
        if event["type"] == "response.output_item.done" and event["item"]["type"] == "function_call":
            assert event["item"] == output[event["output_index"]]
        if event["type"] == "response.function_call_arguments.delta":
            grown[event["output_index"]] += event["delta"]

    wanted = [each.strip() or "{}" for each in said]
    assert sorted(done) == list(range(len(output)))
    assert [item["arguments"].strip() or "{}" for item in output if item["type"] == "function_call"] == wanted
    assert [each.strip() or "{}" for each in grown.values()] == wanted


CALLS: list[StreamEvent] = [
    TextDelta(0, "Well"),
    *(ToolUseStart(1, "c1", "look"), ToolUseDelta(1, '{"at"'), ToolUseDelta(1, ': "map"}')),
    *(ToolUseStart(2, "c2", "look"), ToolUseDelta(2, '{"at": 1}')),
    TextDelta(0, "then"),
    ToolUseDelta(1, " \n"),
]


@pytest.mark.parametrize("encoder", [message_events(), response_events()])
def test_a_call_that_is_whole_ends_before_the_next_begins(encoder: MessageEvents | ResponseEvents) -> None:
    """As the dialects say it: some clients have room for one block that grows."""
    open_now, most = set(), 0
    for event in told(encoder, CALLS, ["", ""]):
        index = event.get("output_index", event.get("index"))
        if event["type"] in {"content_block_start", "response.output_item.added"}:
            open_now.add(index)
        elif event["type"] in {"content_block_stop", "response.output_item.done"}:
            open_now.remove(index)
        elif index is not None:
            assert index in open_now
        most = max(most, len(open_now))

    assert (most, open_now) == (1, set())


def test_signed_thinking_that_goes_on_later_ends_each_of_its_blocks() -> None:
    """The last one has the signature, which is known at the end."""
    parts: list[StreamEvent] = [ThinkingDelta(0, "Hm"), TextDelta(1, "So"), ThinkingDelta(0, "m"), TextDelta(1, "ok")]
    ended = Completed(answer(Thinking("Hmm", "sig"), Text("Sook")))
    encoder = MessageEvents(answer_id="1", model="m", signed=True)
    lines = b"".join(encoder.encode(event) for event in [*parts, ended]).splitlines()
    events = [json.loads(line[6:]) for line in lines if line.startswith(b"data: ")]

    stops = [event["index"] for event in events if event["type"] == "content_block_stop"]
    signed = [event["index"] for event in events if event.get("delta", {}).get("type") == "signature_delta"]
    assert (sorted(stops), signed) == ([0, 1, 2, 3], [2])
