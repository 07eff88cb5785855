"""How each dialect says that an answer is over, and what a stream says of blocks that said nothing. Pure."""

from __future__ import annotations

import json
from typing import Any

import pytest

from arawn.backends.anthropic_reply import REDACTED
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
