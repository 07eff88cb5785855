from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arawn.backends.anthropic import AnthropicDialect
from arawn.backends.anthropic_reply import REDACTED, AnthropicAssembler
from arawn.backends.shape import ReportedError, WrongShapeError
from arawn.messages import (
    CompletionResponse,
    StreamEvent,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    ToolUse,
    ToolUseDelta,
    ToolUseStart,
    Usage,
)
from arawn.wire.sse import SseEvent

DIALECT = AnthropicDialect()


START_USAGE = {"input_tokens": 5, "output_tokens": 1, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 3}


def reply(*content: object, stop_reason: str = "end_turn", usage: object = None) -> bytes:
    message = {"type": "message", "id": "msg_1", "role": "assistant", "model": "m1", "content": content}
    return msgspec.json.encode({**message, "stop_reason": stop_reason, "usage": usage, "new_field": 1})


def event(kind: str, **fields: object) -> SseEvent:
    return SseEvent(kind, msgspec.json.encode({"type": kind, **fields}).decode())


def start(usage: object = None) -> SseEvent:
    message = {"type": "message", "id": "msg_1", "model": "m1", "content": [], "stop_reason": None, "usage": usage}
    return event("message_start", message=message)


def block(index: int, **fields: object) -> SseEvent:
    return event("content_block_start", index=index, content_block=fields)


def delta(index: int, kind: str, **fields: object) -> SseEvent:
    return event("content_block_delta", index=index, delta={"type": kind, **fields})


def end(stop_reason: str = "end_turn", **usage: int) -> tuple[SseEvent, SseEvent]:
    return event("message_delta", delta={"stop_reason": stop_reason}, usage=usage), event("message_stop")


def play(*events: SseEvent) -> tuple[list[StreamEvent], CompletionResponse]:
    assembler = AnthropicAssembler()
    deltas = [delta for event in events for delta in assembler.feed(event)]
    assert assembler.finished
    return deltas, assembler.response()


def test_a_plain_reply_is_read_whole() -> None:
    """Every known block, the reason and all four counts are there; unknown blocks are warned of."""
    response = DIALECT.decode(
        reply(
            {"type": "thinking", "thinking": "hm", "signature": "sig"},
            {"type": "redacted_thinking", "data": "xyz"},
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
            {"type": "text", "text": "hi", "citations": None},
            {"type": "tool_use", "id": "t", "name": "f", "input": {"a": [1, {"b": None}]}},
            stop_reason="tool_use",
            usage=START_USAGE,
        )
    )

    assert response.content == (
        Thinking("hm", "sig"),
        Thinking("", REDACTED + "xyz"),
        Text("hi"),
        ToolUse("t", "f", {"a": [1, {"b": None}]}),
    )
    assert response.usage == Usage(5, 1, 4, 3)
    assert response.usage.total_input_tokens == 12
    assert (response.stop_reason, response.stop_reason_raw, response.request_id) == ("tool_use", "tool_use", "msg_1")
    assert response.warnings == ("blocks of kind `server_tool_use` were left out of the answer",)


def test_input_that_is_no_object_is_kept_as_invalid() -> None:
    """A broken call never looks like a call without arguments."""
    response = DIALECT.decode(reply({"type": "tool_use", "id": "t", "name": "f", "input": [1]}))

    assert response.content == (ToolUse("t", "f", {}, "[1]"),)


@pytest.mark.parametrize("body", [b"<html>", b"", b"[]", b"{}", b'{"content":"x"}', b'{"choices":[]}', b"\xff"])
def test_another_shape_is_no_reply(body: bytes) -> None:
    """Anything but a message is told apart."""
    with pytest.raises(WrongShapeError):
        DIALECT.decode(body)


def test_an_error_inside_a_reply_is_an_error() -> None:
    """An error body is never read as an answer."""
    with pytest.raises(ReportedError) as caught:
        DIALECT.decode(b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}')

    assert (caught.value.message, caught.value.code) == ("Overloaded", "overloaded_error")


def test_a_stream_gives_deltas_and_the_answer() -> None:
    """Indexes count only known blocks; empty deltas make no events; new event kinds are passed over."""
    deltas, response = play(
        start(START_USAGE),
        event("ping"),
        block(0, type="thinking", thinking="", signature=""),
        delta(0, "thinking_delta", thinking="hm"),
        delta(0, "signature_delta", signature="si"),
        delta(0, "signature_delta", signature="g"),
        block(1, type="server_tool_use", id="s", name="web_search", input={}),
        delta(1, "input_json_delta", partial_json="{}"),
        block(2, type="text", text=""),
        delta(2, "text_delta", text="hi"),
        event("content_block_stop", index=2),
        block(3, type="tool_use", id="t", name="f", input={}),
        delta(3, "input_json_delta", partial_json=""),
        delta(3, "input_json_delta", partial_json='{"a":1}'),
        event("brand_new", x=1),
        *end("tool_use", output_tokens=9),
    )

    assert deltas == [
        ThinkingDelta(0, "hm"),
        TextDelta(1, "hi"),
        ToolUseStart(2, "t", "f"),
        ToolUseDelta(2, '{"a":1}'),
    ]
    assert response.content == (Thinking("hm", "sig"), Text("hi"), ToolUse("t", "f", {"a": 1}))
    assert response.usage == Usage(5, 9, 4, 3)
    assert response.stop_reason == "tool_use"


@given(
    text=st.text(st.characters(exclude_categories=["Cs"])),
    arguments=st.dictionaries(st.text("abc"), st.integers(-(2**53), 2**53) | st.text("äöü")),
    cuts=st.lists(st.integers(0, 60), max_size=5),
)
def test_streamed_and_plain_answers_are_equal(text: str, arguments: dict[str, object], cuts: list[int]) -> None:
    """However the provider cuts its deltas, the assembled answer is the one of a plain call."""
    written = msgspec.json.encode(arguments).decode()

    def pieces(whole: str) -> list[str]:
        edges = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
        return [whole[start:end] for start, end in pairwise(edges)]

    _, streamed = play(
        start(START_USAGE),
        block(0, type="text", text=""),
        *(delta(0, "text_delta", text=piece) for piece in pieces(text)),
        block(1, type="tool_use", id="t", name="f", input={}),
        *(delta(1, "input_json_delta", partial_json=piece) for piece in pieces(written)),
        *end("tool_use", output_tokens=9),
    )

    plain = reply(
        {"type": "text", "text": text},
        {"type": "tool_use", "id": "t", "name": "f", "input": arguments},
        stop_reason="tool_use",
        usage={**START_USAGE, "output_tokens": 9},
    )
    assert streamed == DIALECT.decode(plain)


def test_a_partial_answer_knows_what_it_cost() -> None:
    """After a cut the text and the input tokens, which are paid for, are kept."""
    assembler = AnthropicAssembler()
    for sent in (start(START_USAGE), block(0, type="text", text=""), delta(0, "text_delta", text="half")):
        assembler.feed(sent)

    assert not assembler.finished
    assert assembler.response().text == "half"
    assert assembler.response().usage.total_input_tokens == 12


@pytest.mark.parametrize("sent", [SseEvent(data="x"), SseEvent(data="[DONE]"), delta(7, "text_delta", text="x")])
def test_an_event_of_another_shape_is_an_error(sent: SseEvent) -> None:
    """Text that is not of the dialect, or a delta for a block that never began, is never passed over."""
    with pytest.raises(WrongShapeError):
        AnthropicAssembler().feed(sent)


def test_a_delta_of_the_wrong_kind_is_an_error() -> None:
    """Text cannot grow a tool call."""
    assembler = AnthropicAssembler()
    assembler.feed(block(0, type="tool_use", id="t", name="f", input={}))

    with pytest.raises(WrongShapeError, match="`text` names block 0"):
        assembler.feed(delta(0, "text_delta", text="x"))


def test_an_error_event_is_the_providers_error() -> None:
    """An error inside a stream keeps its code."""
    with pytest.raises(ReportedError) as caught:
        AnthropicAssembler().feed(event("error", error={"type": "overloaded_error", "message": "Overloaded"}))

    assert caught.value.code == "overloaded_error"


@pytest.mark.parametrize("nameless", [{}, {"id": ""}, {"id": None}])
def test_a_call_without_an_id_is_given_one(nameless: dict[str, object]) -> None:
    """Its result has to name it: streamed and whole alike, each its own, and the record says so."""
    calls = [{"type": "tool_use", "name": name, "input": {}, **nameless} for name in ("f", "g")]
    deltas, streamed = play(
        start(),
        block(0, **calls[0]),
        delta(0, "input_json_delta", partial_json='{"a":1}'),
        block(1, **calls[1]),
        *end(),
    )
    whole = DIALECT.decode(reply({**calls[0], "input": {"a": 1}}, calls[1]))

    assert streamed.content == whole.content
    assert whole.content == (ToolUse("toolu_msg_1_0", "f", {"a": 1}), ToolUse("toolu_msg_1_1", "g"))
    assert streamed.warnings == whole.warnings == ("a tool call came without an id, and was given one",)
    assert [type(each) for each in deltas] == [ToolUseStart, ToolUseDelta, ToolUseStart]


def test_citations_are_named_plain_and_streamed() -> None:
    """The neutral form has no word for them."""
    cited = {"type": "text", "text": "a", "citations": [{"type": "char_location", "cited_text": "b"}]}
    grown = delta(0, "citations_delta", citation={"cited_text": "b"})

    _, streamed = play(start(), block(0, type="text", text=""), delta(0, "text_delta", text="a"), grown, *end())
    plain = DIALECT.decode(reply(cited))

    assert plain.warnings == streamed.warnings == ("citations were left out of the answer",)
    assert DIALECT.decode(reply({"type": "text", "text": "a", "citations": None})).warnings == ()
