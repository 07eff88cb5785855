from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arawn.backends.shape import ReportedError, WrongShapeError
from arawn.messages import Text, Thinking, ToolUse, Usage
from tests.arawn.backends.openai_parts import DIALECT, DONE, call, chunk, play, reply


def test_a_plain_reply_is_read_whole() -> None:
    """Content, reasoning, calls, reasons and normalised usage are all there."""
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    body = reply(
        "tool_calls", usage, content="hi", reasoning_content="hm", tool_calls=[call(None, "c9", "f", '{"a":1}')]
    )

    response = DIALECT.decode(body)

    assert response.content == (Thinking("hm"), Text("hi"), ToolUse("c9", "f", {"a": 1}))
    assert (response.stop_reason, response.stop_reason_raw) == ("tool_use", "tool_calls")
    assert (response.model, response.request_id) == ("m1", "c1")
    assert response.usage == Usage(6, 7, cache_read_tokens=4, reasoning_tokens=3)
    assert response.usage.total_input_tokens == 10


def test_usage_that_was_not_sent_is_unknown() -> None:
    """A missing count is None, never zero."""
    assert DIALECT.decode(reply(content="hi")).usage == Usage()


@pytest.mark.parametrize(
    ("raw", "message", "expected"),
    [
        ("stop", {"content": "x"}, "end_turn"),
        ("length", {"content": "x"}, "max_tokens"),
        ("content_filter", {"content": "x"}, "refusal"),
        ("stop", {"refusal": "no"}, "refusal"),
        ("stop", {"tool_calls": [call(0, "c", "f", "{}")]}, "tool_use"),
        ("eos_found", {"content": "x"}, "eos_found"),
        (None, {"content": "x"}, None),
    ],
)
def test_stop_reasons_are_normalised_and_kept(raw: str | None, message: dict[str, object], expected: str) -> None:
    """Known reasons get the common word, new ones stay as they are, and the provider's word is always kept."""
    response = DIALECT.decode(reply(raw, **message))

    assert (response.stop_reason, response.stop_reason_raw) == (expected, raw)


@pytest.mark.parametrize("arguments", ['{"a": ', "[1]", '"x"', "null", "{'a': 1}", "NaN", "{}{}"])
def test_arguments_that_are_no_object_are_kept_as_invalid(arguments: str) -> None:
    """A broken call never looks like a call without arguments."""
    (tool_use,) = DIALECT.decode(reply("tool_calls", tool_calls=[call(0, "c", "f", arguments)])).tool_calls

    assert tool_use == ToolUse("c", "f", {}, arguments)


@pytest.mark.parametrize("arguments", ["", "{}", " ", None, {}])
def test_no_arguments_are_valid(arguments: object) -> None:
    """No text at all means no arguments."""
    (tool_use,) = DIALECT.decode(reply("tool_calls", tool_calls=[call(0, "c", "f", arguments)])).tool_calls

    assert tool_use == ToolUse("c", "f")


@pytest.mark.parametrize(
    "body", [b"<html>", b"", b"[]", b"{}", b'{"choices":[]}', b'{"choices":"x"}', b"\xff", b"[" * 9999]
)
def test_another_shape_is_no_reply(body: bytes) -> None:
    """Anything but a chat completion is told apart."""
    with pytest.raises(WrongShapeError):
        DIALECT.decode(body)


def test_an_error_inside_a_reply_is_an_error() -> None:
    """Gateways report upstream faults under status 200."""
    with pytest.raises(ReportedError) as caught:
        DIALECT.decode(b'{"error": {"message": "upstream died", "code": 502}}')

    assert (caught.value.message, caught.value.status) == ("upstream died", 502)


def test_two_calls_of_a_plain_reply_with_one_id_are_two_calls() -> None:
    """A whole message lists its calls one by one; servers that count badly give all of them one id."""
    calls = [call(None, "call_0", "f", '{"x":1}'), call(None, "call_0", "f", '{"x":2}')]

    response = DIALECT.decode(reply("tool_calls", tool_calls=calls))

    assert response.content == (ToolUse("call_0", "f", {"x": 1}), ToolUse("call_0", "f", {"x": 2}))


def test_calls_without_an_id_get_one_each() -> None:
    """Results can be joined to their calls although the server named none."""
    response = DIALECT.decode(reply("stop", tool_calls=[call(None, None, "f", "{}"), call(None, "", "g", "{}")]))

    assert [tool_use.id for tool_use in response.tool_calls] == ["call_c1_0", "call_c1_1"]


@given(
    text=st.text(st.characters(exclude_categories=["Cs"])),
    arguments=st.dictionaries(st.text("abc"), st.integers() | st.text("äöü")),
    cuts=st.lists(st.integers(0, 60), max_size=5),
)
def test_streamed_and_plain_answers_are_equal(text: str, arguments: dict[str, object], cuts: list[int]) -> None:
    """However the provider cuts its deltas, the assembled answer is the one of a plain call."""
    written = msgspec.json.encode(arguments).decode()

    def pieces(whole: str) -> list[str]:
        edges = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
        return [whole[start:end] for start, end in pairwise(edges)]

    _, streamed = play(
        *(chunk(content=piece) for piece in pieces(text)),
        chunk(tool_calls=[call(0, "c", "f", "")]),
        *(chunk(tool_calls=[call(0, None, None, piece)]) for piece in pieces(written)),
        chunk("tool_calls"),
        DONE,
    )

    assert streamed == DIALECT.decode(reply("tool_calls", content=text, tool_calls=[call(0, "c", "f", written)]))


def test_further_choices_are_dropped_with_a_warning() -> None:
    """Only the first choice is kept, and the answer says so."""
    choices = [{"index": index, "message": {"content": str(index)}, "finish_reason": "stop"} for index in (0, 1)]

    response = DIALECT.decode(msgspec.json.encode({"choices": choices}))

    assert response.text == "0"
    assert response.warnings == ("further choices were dropped: only the first is kept",)


def test_a_list_of_parts_is_read() -> None:
    """Servers that answer in parts, reasoning among them, are understood."""
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "hi"},
        {"x": 1},
    ]

    assert DIALECT.decode(reply(content=parts)).content == (Thinking("hm"), Text("hi"))


@pytest.mark.parametrize("index", [None, 0])
def test_every_call_of_a_whole_reply_is_one(index: int | None) -> None:
    """Also one whose name is empty, and two with one id or one number: nothing is joined to the one before."""
    calls = [call(index, "a", "f", "{}"), call(index, "b", "", '{"x":1}'), call(index, "b", "g", '{"y":2}')]

    response = DIALECT.decode(reply("tool_calls", tool_calls=calls))

    assert response.tool_calls == (ToolUse("a", "f"), ToolUse("b", "", {"x": 1}), ToolUse("b", "g", {"y": 2}))


def test_the_input_of_a_custom_tool_is_kept() -> None:
    """It is any text, as arguments that are no object are."""
    whole = {"index": 0, "id": "c", "type": "custom", "custom": {"name": "run", "input": "ls -l"}}
    more = {"index": 0, "custom": {"input": "-l"}}
    plain = DIALECT.decode(reply("tool_calls", tool_calls=[whole]))
    _, streamed = play(
        chunk(tool_calls=[{**whole, "custom": {"name": "run", "input": "ls "}}]),
        chunk(tool_calls=[more]),
        chunk("tool_calls"),
        DONE,
    )

    assert plain.content == streamed.content == (ToolUse("c", "run", {}, "ls -l"),)


@pytest.mark.parametrize(
    ("message", "warning"),
    [
        ({"images": [{"type": "image_url"}]}, "sound or pictures were left out of the answer"),
        ({"audio": {"id": "a"}}, "sound or pictures were left out of the answer"),
        ({"content": [{"type": "image_url"}]}, "parts of kind `image_url` were left out of the answer"),
        ({"content": ["x"]}, "parts of kind `str` were left out of the answer"),
        ({"images": [], "audio": None, "content": [{"type": "text", "text": ""}]}, None),
    ],
)
def test_what_an_answer_cannot_hold_is_named(message: dict[str, Any], warning: str | None) -> None:
    """A picture that a model has drawn is not passed over in silence."""
    assert DIALECT.decode(reply(**message)).warnings == (() if warning is None else (warning,))


def test_annotations_are_named_plain_and_streamed() -> None:
    """The neutral form has no word for them; an empty list, which some servers send always, says nothing."""
    cited = [{"type": "url_citation", "url_citation": {"url": "https://x.test"}}]
    _, streamed = play(chunk(content="a"), chunk(annotations=cited), chunk("stop"), DONE)

    plain = DIALECT.decode(reply("stop", content="a", annotations=cited))

    assert plain.warnings == streamed.warnings == ("annotations were left out of the answer",)
    assert DIALECT.decode(reply("stop", content="a", annotations=[])).warnings == ()
