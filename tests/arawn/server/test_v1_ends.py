"""How each dialect says that an answer is over, and what a stream says of blocks that said nothing. Pure."""

from __future__ import annotations

import json
from typing import Any

import pytest

from arawn.backends.anthropic_reply import REDACTED
from arawn.backends.assembly import deltas_of
from arawn.backends.openai_reply import OpenAIAssembler, decode_reply
from arawn.messages import (
    Completed,
    CompletionResponse,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    ToolUse,
    ToolUseDelta,
    ToolUseStart,
)
from arawn.server.v1.anthropic_stream import MessageEvents
from arawn.server.v1.openai_stream import ChatChunks
from arawn.server.v1.responses_in import read_responses
from arawn.server.v1.responses_out import Frame
from arawn.server.v1.responses_stream import ResponseEvents
from arawn.wire.sse import SseEvent
from tests.arawn.server.dialect_words import answer, chat_of, message_of, response_of

TOO_LONG = {"reason": "max_output_tokens"}
ENDS: list[tuple[str | None, str, str, Any]] = [
    (None, "stop", "end_turn", None),
    ("end_turn", "stop", "end_turn", None),
    ("stop_sequence", "stop", "stop_sequence", None),
    ("tool_use", "tool_calls", "tool_use", None),
    ("pause_turn", "stop", "pause_turn", None),
    ("max_tokens", "length", "max_tokens", TOO_LONG),
    ("model_context_window_exceeded", "length", "model_context_window_exceeded", TOO_LONG),
    ("refusal", "content_filter", "refusal", {"reason": "content_filter"}),
    ("eos_found", "stop", "end_turn", None),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("reason", "chat", "message", "incomplete"), ENDS)
def test_every_answer_has_a_reason_for_its_end(
    reason: str | None, chat: str, message: str, incomplete: Any, stream: bool
) -> None:
    """In a word that the dialect knows: clients take a missing one for an answer that goes on, and fail at others."""
    ended = answer(stop_reason=reason)
    said_chat, said_message, response = (chat_of(ended), message_of(ended), response_of(ended))
    if stream:
        said_chat, said_message, response = streamed_ends(ended)

    assert said_chat["choices"][0]["finish_reason"] == chat
    assert said_message["stop_reason"] == message
    assert response["incomplete_details"] == incomplete
    assert response["status"] == ("completed" if incomplete is None else "incomplete")


def streamed_ends(response: CompletionResponse) -> tuple[Any, Any, Any]:
    """Return what the last chunk, the `message_delta` and the last event of a stream say of the end."""
    asked = read_responses(b'{"model": "m", "input": "hi"}').known
    chat = ChatChunks(answer_id="1", created=2, model="m", with_usage=False).encode(Completed(response))
    message = MessageEvents(answer_id="1", model="m", signed=False).encode(Completed(response))
    events = ResponseEvents(Frame("1", 2, asked), "m").encode(Completed(response))
    return data_of(chat)[-2], data_of(message)[-2]["delta"], data_of(events)[-1]["response"]


def data_of(events: bytes) -> list[Any]:
    """Return the data of server-sent events; `[DONE]` is None."""
    lines = [line.removeprefix(b"data: ") for line in events.splitlines() if line.startswith(b"data: ")]
    return [None if line == b"[DONE]" else json.loads(line) for line in lines]


def test_a_streamed_call_without_arguments_has_an_empty_object() -> None:
    """As it has unstreamed: clients decode the text as JSON."""
    call = ToolUse("c", "look")
    events = (ToolUseStart(0, "c", "look"), ToolUseDelta(0, ""), Completed(answer(call, stop_reason="tool_use")))
    asked = read_responses(b'{"model": "m", "input": "hi"}').known
    chunks = ChatChunks(answer_id="1", created=2, model="m", with_usage=False)
    response = ResponseEvents(Frame("1", 2, asked), "m")
    said = data_of(b"".join(chunks.encode(event) for event in events))
    told = data_of(b"".join(response.encode(event) for event in events))

    calls = [more for one in said if one for more in one["choices"][0]["delta"].get("tool_calls", ())]
    assert "".join(more["function"]["arguments"] for more in calls) == "{}"
    of_kind = {event["type"]: event for event in told}
    assert "".join(event["delta"] for event in told if event["type"].endswith("arguments.delta")) == "{}"
    assert of_kind["response.function_call_arguments.done"]["arguments"] == "{}"
    assert of_kind["response.completed"]["response"]["output"][0]["arguments"] == "{}"


def test_hidden_thinking_is_no_item_of_a_streamed_response() -> None:
    """There is nothing to show of it."""
    hidden = answer(Thinking("", REDACTED + "secret"), Text("x"))
    asked = read_responses(b'{"model": "m", "input": "hi"}').known
    events = ResponseEvents(Frame("1", 2, asked), "m")
    said = [events.encode(event) for event in (ThinkingDelta(0, ""), TextDelta(1, "x"), Completed(hidden))]

    output = data_of(b"".join(said))[-1]["response"]["output"]
    assert [item["type"] for item in output] == ["message"]


REFUSED = {"type": "refusal", "refusal": "I cannot"}


def test_a_refusal_in_words_is_a_part_of_its_own_kind() -> None:
    """Clients that parse an answer by its schema would take the words for it; the response itself is whole."""
    body = b'{"choices": [{"message": {"content": null, "refusal": "I cannot"}, "finish_reason": "stop"}]}'
    answered, events = decode_reply(body), response_events()
    said = response_of(answered)
    streamed = data_of(b"".join(map(events.encode, [*deltas_of(answered), Completed(answered)])))[-1]["response"]

    assert streamed["output"][0]["content"] == [REFUSED]
    assert (said["status"], said["incomplete_details"]) == ("completed", None)
    assert [(item["status"], item["content"]) for item in said["output"]] == [("completed", [REFUSED])]


def test_a_refusal_in_words_is_streamed_as_one() -> None:
    """By its own events, and what was said before it stays a text."""
    assembler, events = OpenAIAssembler(), response_events()
    told = b""
    for delta in ({"content": "Well"}, {"refusal": "I can"}, {"refusal": "not"}):
        for event in assembler.feed(SseEvent("message", json.dumps({"choices": [{"delta": delta}]}))):
            told += events.encode(event)
    assembler.feed(SseEvent("message", '{"choices": [{"delta": {}, "finish_reason": "stop"}]}'))
    said = data_of(told + events.encode(Completed(assembler.response())))

    ended = said[-1]["response"]
    assert ended["status"] == "completed"
    assert [item["content"][0].get("text") for item in ended["output"]] == ["Well", None]
    assert ended["output"][1]["content"] == [REFUSED]
    assert [event["delta"] for event in said if event["type"] == "response.refusal.delta"] == ["I can", "not"]
    (done,) = [event for event in said if event["type"] == "response.refusal.done"]
    assert (done["refusal"], done["output_index"], done["content_index"]) == ("I cannot", 1, 0)
    parts = [event["part"] for event in said if event["type"].startswith("response.content_part") and "part" in event]
    assert parts[-2:] == [{"type": "refusal", "refusal": ""}, REFUSED]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("reason", ["max_tokens", "refusal", "end_turn"])
def test_the_item_that_was_cut_is_incomplete(reason: str, stream: bool) -> None:
    """So it is not taken for whole; what was said before it is."""
    ended = answer(ToolUse("c", "look"), Text("and th"), stop_reason=reason)
    output = response_of(ended)["output"]
    if stream:
        events = (ToolUseStart(0, "c", "look"), TextDelta(1, "and th"), Completed(ended))
        encoder = response_events()
        said = data_of(b"".join(encoder.encode(event) for event in events))
        output = said[-1]["response"]["output"]
        done = {event["output_index"]: event["item"] for event in said if event["type"].endswith("output_item.done")}
        assert [done[0], done[1]] == output

    assert [item["status"] for item in output] == ["completed", "completed" if reason == "end_turn" else "incomplete"]


@pytest.mark.parametrize("stream", [False, True])
def test_of_mixed_calls_the_one_that_was_cut_is_incomplete(stream: bool) -> None:
    """Not the last, which is whole."""
    ended = answer(ToolUse("a", "look", None, '{"at":'), ToolUse("b", "look", {"at": 1}), stop_reason="max_tokens")
    output = response_of(ended)["output"]
    if stream:
        grown = (ToolUseDelta(0, '{"at":'), ToolUseStart(1, "b", "look"), ToolUseDelta(1, '{"at":1}'))
        encoder = response_events()
        said = [encoder.encode(event) for event in (ToolUseStart(0, "a", "look"), *grown, Completed(ended))]
        output = data_of(b"".join(said))[-1]["response"]["output"]

    assert [item["status"] for item in output] == ["incomplete", "completed"]


@pytest.mark.parametrize("reason", ["stop", "eos"])
def test_what_was_said_before_a_refusal_is_no_part_of_it(reason: str) -> None:
    """Streamed and not, whatever word the server has for a plain end."""
    message = {"content": "Well, ", "refusal": "I cannot"}
    body = {"choices": [{"message": message, "finish_reason": reason}]}
    output = response_of(decode_reply(json.dumps(body).encode()))["output"]

    assert [item["content"][0].get("text") for item in output] == ["Well, ", None]
    assert output[1]["content"] == [REFUSED]


def response_events() -> ResponseEvents:
    return ResponseEvents(Frame("1", 2, read_responses(b'{"model": "m", "input": "hi"}').known), "m")
