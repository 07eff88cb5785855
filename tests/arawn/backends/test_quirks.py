"""Answers of servers that keep loosely to their dialect: nothing said is lost, and no error passes as an answer."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from arawn.backends.shape import ReportedError, WrongShapeError
from arawn.backends.verbatim import Verbatim, VerbatimMessages
from arawn.errors import BackendError, BadReply, BadRequest, ModelNotFound, Overloaded
from arawn.messages import (
    Begun,
    CompletionRequest,
    CompletionResponse,
    StreamEvent,
    TextDelta,
    ToolUse,
    Usage,
    user,
)
from tests.arawn.backends.calling import complete_error, opened, stream, stream_error
from tests.arawn.backends.playing import ANTHROPIC, DONE, OPENAI, plain, play
from tests.fake_provider import (
    FakeProvider,
    Reply,
    anthropic_reply,
    events,
    openai_chunk,
    openai_reply,
    openai_stream,
    stream_reply,
)


@pytest.mark.parametrize(
    ("count", "expected", "warned"),
    [
        *((3, 3, 0), (3.0, 3, 0), ("3", 3, 0), (0, 0, 0)),
        *((3.5, None, 1), ("three", None, 1), ([], None, 1), (True, None, 1), (-10, None, 1), (-1.0, None, 1)),
    ],
)
def test_a_count_of_another_type_costs_no_answer(count: Any, expected: int | None, warned: int) -> None:
    """A whole number in another form is read; what is none, or is below 0, is a warning."""
    said = plain({"content": "hi"}, usage={"prompt_tokens": count, "completion_tokens": 2})
    message = {"content": [{"type": "text", "text": "hi"}], "usage": {"input_tokens": count, "output_tokens": 2}}

    for response in (OPENAI.decode(said), ANTHROPIC.decode(json.dumps(message).encode())):
        assert (response.text, response.usage) == ("hi", Usage(expected, 2))
        assert len(response.warnings) == warned


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ([], Usage()),
        ("many", Usage()),
        ({"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 1.0}}, Usage(8, None, 1)),
        ({"prompt_tokens": 9, "prompt_tokens_details": []}, Usage(9)),
        ({"prompt_tokens": -10, "prompt_tokens_details": {"cached_tokens": 4}}, Usage(None, None, 4)),
        ({"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": -4}}, Usage(9)),
    ],
)
def test_usage_of_another_shape_costs_no_answer(usage: Any, expected: Usage) -> None:
    """Neither plain nor at the end of a stream."""
    _, streamed = play(openai_chunk("stop", content="hi"), {"choices": [], "usage": usage}, DONE)

    for response in (OPENAI.decode(plain({"content": "hi"}, usage=usage)), streamed):
        assert (response.text, response.usage) == ("hi", expected)


def test_names_beside_the_content_may_be_of_another_type() -> None:
    """Ids become texts, a number as text is a number; a reason that is no text is left out with a warning."""
    said = {"tool_calls": [{"id": 7, "index": "0", "function": {"name": "f", "arguments": "{}"}}]}
    response = OPENAI.decode(plain(said, finish=2, id=5, model=["m"]))
    delta = {"type": "message_delta", "delta": {"stop_reason": 2}, "usage": {"output_tokens": 5.0}}
    start = {"type": "content_block_start", "index": "0", "content_block": {"type": "tool_use", "id": 7, "name": "f"}}
    _, message = play(start, delta, {"type": "message_stop"}, dialect=ANTHROPIC)

    assert (response.request_id, response.content) == ("5", (ToolUse("7", "f"),))
    assert message.content == (ToolUse("7", "f"),)
    assert message.usage.output_tokens == 5
    assert {"`finish_reason`", "`model`"} <= {warning.split()[0] for warning in response.warnings}
    assert message.warnings == ("`stop_reason` was left out of the answer: it is of type int, not a text",)


@pytest.mark.parametrize("error", [{"code": 502, "message": "upstream died"}, None])
async def test_an_answer_that_ends_with_an_error_is_one(error: Any) -> None:
    """As routers end what a provider behind them began; what had been said is partial."""
    choice = {"index": 0, "finish_reason": "error", **({"error": error} if error else {})}
    body = {"choices": [{**choice, "message": {"content": "half"}}]}
    chunks = events(openai_chunk(content="ha"), {"choices": [{**choice, "delta": {"content": "lf"}}]}, DONE)

    _, streamed = await stream_error(stream_reply(chunks))
    whole = await complete_error(Reply(body=json.dumps(body).encode()))

    for failure in (streamed, whole):
        assert isinstance(failure, Overloaded)
        assert ("upstream died" if error else "ended with the reason `error`") in str(failure)
        assert failure.partial is not None
        assert failure.partial.text == "half"


async def read(reply: Reply, dialect: str = "openai") -> tuple[list[StreamEvent], CompletionResponse]:
    """Return what a stream brings."""
    sink: list[StreamEvent] = []
    with FakeProvider(reply) as fake:
        async with opened(fake.address, dialect) as provider:
            return sink, await stream(provider, sink)


@pytest.mark.parametrize(
    "body",
    [
        b"".join(openai_stream("hi")).replace(b"[DONE]", b"[DONE] "),
        b"data: null\n\n" + b"".join(openai_stream("hi")),
        b"".join(openai_stream("hi")).replace(b'"model"', b'"odd": NaN, "model"'),
        b"".join(openai_stream("hi")).replace(b'"model"', b'"odd": "\\ud83d", "model"'),
    ],
    ids=["space", "null", "NaN", "half a character"],
)
@pytest.mark.parametrize("content_type", ["text/event-stream", "application/json"])
async def test_an_odd_line_costs_no_answer(body: bytes, content_type: str) -> None:
    """Nor does a stream that is called something else."""
    sink, response = await read(Reply(content_type=content_type, pieces=[body]))

    assert (sink, response.text, response.stop_reason) == ([TextDelta(0, "hi")], "hi", "end_turn")


@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
async def test_a_whole_reply_to_a_stream_is_read(dialect: str, before: bytes) -> None:
    """A server that cannot stream answers in one piece."""
    body = openai_reply("hi\n") if dialect == "openai" else anthropic_reply("hi\n")

    sink, response = await read(Reply(body=before + msgspec.json.format(body, indent=2)), dialect)

    assert (sink, response.text, response.usage.output_tokens) == ([TextDelta(0, "hi\n")], "hi\n", 3)
    assert response.stop_reason == "end_turn"


async def unread(event: StreamEvent | Begun) -> None:
    """Take in what nobody reads."""


async def test_a_whole_reply_is_no_stream_for_a_client_that_gets_the_bytes() -> None:
    """Its events pass as they come, and there are none."""
    said = Verbatim("openai", b'{"messages":[],"stream":true}')
    asked = CompletionRequest(messages=VerbatimMessages.of((user("hi"),), said), model="m")
    with FakeProvider(Reply(body=openai_reply("hi"))) as fake:
        async with opened(fake.address) as provider:
            with pytest.raises(BadReply, match="a whole reply where a stream was asked for"):
                await provider.stream(asked, unread)


def test_what_only_lenient_readers_take_is_read() -> None:
    """A BOM, numbers that are none, halves of characters; not what is no JSON, or ends too early."""
    body = plain({"content": "hi"})

    assert OPENAI.decode(b"\xef\xbb\xbf" + body).text == "hi"
    assert OPENAI.decode(b'{"x": NaN, "y": "\\ud83d", "z": 1e999, ' + body[1:]).text == "hi"
    with pytest.raises(WrongShapeError):
        OPENAI.decode(body[:-1])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b'error: {"code":500,"message":"slot gone"}\n\n', "slot gone"),
        (b'error: {"code":500,"message":"slot gone"}', "slot gone"),
        (b'event: error\ndata: {"message":"boom"}\n\n', "boom"),
        (b'event: error\ndata: {"error":{"message":"boom"}}\n\n', "boom"),
        (b"event: error\ndata: out of memory\n\n", "out of memory"),
        (b'data: {"detail":"boom"}\n\n', "boom"),
        (b'data: {"detail":[{"msg":"boom"}]}\n\n', '"boom"'),
    ],
)
@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
async def test_a_stream_that_fails_keeps_the_words_of_the_provider(dialect: str, line: bytes, words: str) -> None:
    """In whichever form it says them."""
    begin = events(openai_chunk(content="hi"))
    if dialect == "anthropic":
        block = {"type": "text", "text": "hi"}
        begin = events({"type": "content_block_start", "index": 0, "content_block": block})

    _, failure = await stream_error(stream_reply([*begin, line]), dialect=dialect)

    assert words in str(failure)
    assert failure.partial is not None
    assert failure.partial.text == "hi"


@pytest.mark.parametrize(
    ("words", "kind"),
    [("model 'x' not found", ModelNotFound), ("prompt is too long", BadRequest), ("something else", Overloaded)],
)
async def test_words_alone_inside_a_200_are_not_tried_again(words: str, kind: type[BackendError]) -> None:
    """They are read as those of a refusal."""
    body = json.dumps({"error": words}).encode()

    failure = await complete_error(Reply(body=body))

    assert isinstance(failure, kind)
    assert words in str(failure)
    assert not failure.retryable


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        (b'data: {"id":"' + b"x" * 200 + b'", oops}\n\n', 'xxx", oops}`'),
        (b'data: {"choices":[{"delta":5}]}\n\n', "$.choices[0].delta"),
        (b'data: {"id":"' + b"x" * 200 + b'", "choices": [\n\n', '"choices": [`'),
    ],
)
async def test_a_fault_after_good_events_shows_what_is_wrong(event: bytes, shown: str) -> None:
    """The address was right: no advice is given on it."""
    _, failure = await stream_error(stream_reply([*events(openai_chunk(content="hi")), event]))

    assert isinstance(failure, BadReply)
    assert shown in str(failure)
    assert "base_url" not in str(failure)


async def test_a_body_that_cannot_be_unpacked_names_its_coding() -> None:
    """What stands between may have packed it so."""
    failure = await complete_error(Reply(body=openai_reply("hi"), headers={"content-encoding": "br"}))

    assert "cannot be unpacked (the body is coded as 'br', which was not asked for)" in str(failure)


def test_a_reported_error_has_no_partial_where_nothing_was_said() -> None:
    """A plain error is not an answer."""
    with pytest.raises(ReportedError) as caught:
        OPENAI.decode(b'{"error":{"message":"no"}}')

    assert caught.value.partial is None


@pytest.mark.parametrize("number", [{}, {"index": 0}, {"index": 1}])
def test_of_a_whole_reply_the_first_choice_is_kept(number: dict[str, int]) -> None:
    """Whatever its number is: some servers give none, or begin with 1."""
    choices = [{**number, "message": {"content": text}, "finish_reason": "stop"} for text in ("Paris", "Rome")]

    response = OPENAI.decode(json.dumps({"choices": choices}).encode())

    assert (response.text, response.stop_reason) == ("Paris", "end_turn")
    assert response.warnings == ("further choices were dropped: only the first is kept",)


@pytest.mark.parametrize(("text", "count"), [(b"caf\xe9", b"7"), (b"caf\xef\xbf\xbd", b"1e999")])
def test_a_plain_answer_with_a_broken_byte_or_number_is_read(text: bytes, count: bytes) -> None:
    """As a stream with the byte is; the number is left out."""
    body = b'{"choices":[{"message":{"content":"%s"},"finish_reason":"stop"}],"usage":{"prompt_tokens":%s}}' % (
        text,
        count,
    )

    response = OPENAI.decode(body)

    assert response.text == "caf\ufffd"
    assert response.usage.input_tokens == (7 if count == b"7" else None)


@pytest.mark.parametrize("text", ["", "x" * 9_000_000], ids=["empty", "long"])
async def test_a_whole_reply_to_a_stream_is_what_it_is_without_one(text: str) -> None:
    """Also where no event could be so long, or it says nothing."""
    body = json.dumps({"model": "m", "choices": [{"message": {"content": text}}]}).encode()

    _, response = await read(Reply(body=body, content_type="application/json"), "openai")

    assert response.text == text
    assert response.warnings == ("the provider gave no reason for the end of its answer",)
