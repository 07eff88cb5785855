"""A stream of the `openai` dialect: what its chunks say, and when its answer is whole."""

from __future__ import annotations

import pytest

from arawn.backends.openai_reply import OpenAIAssembler
from arawn.backends.shape import ReportedError, WrongShapeError
from arawn.messages import Text, TextDelta, Thinking, ThinkingDelta, ToolUse, ToolUseDelta, ToolUseStart, Usage
from arawn.wire.sse import SseEvent
from tests.arawn.backends.openai_parts import DONE, call, chunk, play


def test_a_stream_gives_deltas_and_the_answer() -> None:
    """Reasoning, text and interleaved calls arrive under stable indexes and assemble."""
    usage = SseEvent(data='{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}')
    deltas, response = play(
        chunk(role="assistant", content=""),
        chunk(reasoning="h"),
        chunk(reasoning="m"),
        chunk(content="hi"),
        chunk(tool_calls=[call(0, "a", "f", ""), call(1, "b", "g", '{"x"')]),
        chunk(tool_calls=[call(1, None, None, ":1}")]),
        chunk("tool_calls"),
        usage,
        DONE,
    )

    assert deltas == [
        ThinkingDelta(0, "h"),
        ThinkingDelta(0, "m"),
        TextDelta(1, "hi"),
        ToolUseStart(2, "a", "f"),
        ToolUseStart(3, "b", "g"),
        ToolUseDelta(3, '{"x"'),
        ToolUseDelta(3, ":1}"),
    ]
    assert response.content == (Thinking("hm"), Text("hi"), ToolUse("a", "f"), ToolUse("b", "g", {"x": 1}))
    assert response.usage == Usage(3, 2)


def test_calls_are_told_apart_where_servers_count_badly() -> None:
    """Calls that all carry index 0, or no index, are separate calls; repeated ids go on with theirs."""
    _, same_index = play(
        chunk(tool_calls=[call(0, "a", "f", '{"x":1}')]), chunk("stop", tool_calls=[call(0, "b", "f", "{}")]), DONE
    )
    _, no_index = play(
        chunk(tool_calls=[call(None, "a", "f", '{"x"')]),
        chunk(tool_calls=[call(None, "a", "f", ":1}")]),
        chunk(tool_calls=[call(None, "b", "f", "{")]),
        chunk("stop", tool_calls=[call(None, None, None, "}")]),
        DONE,
    )

    assert same_index.content == no_index.content == (ToolUse("a", "f", {"x": 1}), ToolUse("b", "f"))
    assert same_index.stop_reason == "tool_use"


def test_a_partial_answer_can_be_had_at_any_time() -> None:
    """What has arrived before a cut is kept; half arguments are marked."""
    assembler = OpenAIAssembler()
    for event in (chunk(content="half an ans"), chunk(tool_calls=[call(0, "c", "f", '{"a')])):
        assembler.feed(event)

    assert not assembler.finished
    assert assembler.response().content == (Text("half an ans"), ToolUse("c", "f", {}, '{"a'))
    assert assembler.response().stop_reason is None


@pytest.mark.parametrize(
    "data",
    [
        "",
        '{"type":"ping"}',
        '{"object":"ping"}',
        '{"id":"c1","citations":["x"]}',
        '{"choices":null}',
        '{"choices":[]}',
        '{"error":null}',
        "{}",
    ],
)
def test_an_event_that_is_no_chunk_says_nothing(data: str) -> None:
    """Servers send events of their own between the chunks."""
    deltas, response = play(chunk(content="hi"), SseEvent(data=data), chunk("stop"), DONE)

    assert (deltas, response.text) == ([TextDelta(0, "hi")], "hi")


@pytest.mark.parametrize("data", ["not json", "[]", "17", '{"choices":[', '{"choices":[{"delta":5}]}'])
def test_a_chunk_of_another_shape_is_an_error(data: str) -> None:
    """A chunk that is not of the dialect is never passed over."""
    with pytest.raises(WrongShapeError):
        OpenAIAssembler().feed(SseEvent(data=data))


@pytest.mark.parametrize("reason", [None, ""])
def test_an_end_without_a_finish_reason_is_an_end(reason: str | None) -> None:
    """`[DONE]` says that the answer is whole; that its reason is missing is a warning."""
    _, response = play(chunk(reason, content="x"), DONE)

    assert (response.text, response.stop_reason) == ("x", None)
    assert response.warnings == ("the provider gave no reason for the end of its answer",)


def test_an_end_without_an_answer_is_an_error() -> None:
    """A gateway whose upstream died may still say `[DONE]`."""
    with pytest.raises(WrongShapeError, match="finish_reason"):
        play(chunk(role="assistant", content=""), DONE)


def test_an_error_chunk_is_the_providers_error() -> None:
    """An error inside a stream keeps its words."""
    with pytest.raises(ReportedError, match="no more"):
        OpenAIAssembler().feed(SseEvent("error", '{"error":{"message":"no more","type":"server_error"}}'))
