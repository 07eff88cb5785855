from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from arawn.backends.openai_reply import OpenAIAssembler, decode_reply
from arawn.backends.openai_shape import COMPLETION
from arawn.backends.shape import ReportedError, WrongShapeError

ODD: st.SearchStrategy[Any] = st.sampled_from([None, "", "hi", 0, 1, 1.5, True, [], {}, {"message": "no"}])
COUNTS: st.SearchStrategy[Any] = st.sampled_from([None, 0, 7, "7", 7.0, True, "many", [], {"cached_tokens": 3}])
CALL = {"id": "c", "function": {"name": "f", "arguments": "{}"}}
PLAIN: dict[str, Any] = {"content": "hi", "refusal": None, "tool_calls": []}
CHOICE: dict[str, Any] = {"index": 0, "message": PLAIN, "finish_reason": "stop"}
ONE_TEXT: dict[str, Any] = {"id": "c1", "model": "m", "choices": [CHOICE], "usage": {"prompt_tokens": 7}}


def changed(whole: dict[str, Any], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields).map(lambda change: {**whole, **change})


MESSAGES = changed(
    PLAIN,
    content=st.sampled_from([None, "", "hi", [{"type": "text", "text": "x"}]]),
    refusal=st.sampled_from([None, "", "never"]),
    reasoning_content=ODD,
    reasoning=ODD,
    tool_calls=st.sampled_from([None, [], [CALL]]),
    function_call=st.sampled_from([None, {}, CALL["function"]]),
    audio=ODD,
    images=ODD,
)
REASONS = st.sampled_from(["stop", "length", "tool_calls", "content_filter", "eos", "error", "", None, 1])
CHOICES = changed(CHOICE, message=MESSAGES | st.none(), index=ODD, finish_reason=REASONS, error=st.none() | ODD)
NAMES = ("prompt_tokens", "completion_tokens", "prompt_tokens_details", "completion_tokens_details")
USAGE: st.SearchStrategy[Any] = ODD | st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, COUNTS))
REPLIES = changed(
    ONE_TEXT,
    choices=st.lists(CHOICES, max_size=2),
    id=ODD,
    model=ODD,
    usage=USAGE,
    object=st.sampled_from(["chat.completion", "error", None]),
    error=st.none() | ODD,
)


def outcome(read: Any, body: bytes) -> object:
    noted: list[str] = []
    try:
        return read(body, noted.append), noted
    except (ReportedError, WrongShapeError) as error:
        return str(error), noted


def assembled(body: bytes, note: Any) -> object:
    completion = COMPLETION.decode(body)
    assembler = OpenAIAssembler(note)
    assembler.take(completion)
    if not completion.choices:
        raise WrongShapeError("`choices` is missing or empty")
    assembler.end()
    return assembler.response()


@given(REPLIES | changed(ONE_TEXT, choices=MESSAGES.map(lambda said: [{**CHOICE, "message": said}]), usage=USAGE))
@example(ONE_TEXT)
def test_an_answer_of_one_text_is_what_the_assembler_makes_of_it(reply: dict[str, Any]) -> None:
    """It is read without the assembler, to the same end: content, reasons, counts, warnings, errors and notes."""
    body = msgspec.json.encode(reply)

    assert outcome(decode_reply, body) == outcome(assembled, body)
