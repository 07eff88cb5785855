"""A record is what was said when its call ended: whatever a caller, a backend or a tool does with its own values later.

Its line is written a moment later, and once more where a disk lost it.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest

from arawn.config.schema import InteractionLogConfig
from arawn.interactions.encode import encode_line
from arawn.interactions.heads import decode_line
from arawn.interactions.record import InteractionRecord
from arawn.messages import (
    CallContext,
    CompletionRequest,
    CompletionResponse,
    RoutingMetadata,
    Text,
    ToolUse,
    user,
)
from tests.arawn.interactions.samples import record


class Odd:
    """What a custom backend may put where a block belongs: JSON has no word for it."""


class Scored(Text, frozen=True):
    """A block with a field that the log does not know."""

    scores: Any = None


def changed_later(value: Any, changes: dict[str, Any]) -> tuple[bytes, bytes]:
    """Return the line of a record made with `changes`, before and after `value` in it changes."""
    made = record(**changes)
    before = encode_line(made)
    if isinstance(value, dict):
        value.clear()
        value["later"] = ["\u2028", 1]
    else:
        value.append("later")
    return before, encode_line(made)


def answer(**changes: Any) -> dict[str, Any]:
    return {"response": CompletionResponse(**{"content": (), "model": "m"} | changes)}


def tool_call(arguments: dict[Any, Any]) -> dict[str, Any]:
    return answer(content=(Text("see"), ToolUse("t", "search", arguments)))


def asked(**changes: Any) -> dict[str, Any]:
    return {"request": CompletionRequest(messages=(user("q"),), **changes)}


def routed(features: dict[str, Any]) -> dict[str, Any]:
    return {"context": CallContext(routing=RoutingMetadata("fast", "rule", features=features))}


CASES: dict[str, Any] = {
    "arguments of a tool call": lambda value: tool_call({"q": value}),
    "its arguments themselves": lambda value: tool_call(value if isinstance(value, dict) else {"q": value}),
    "arguments with keys that are no texts": lambda value: tool_call({1: value}),
    "extra": lambda value: asked(extra={"seed": value}),
    "stop": lambda value: asked(stop=value),
    "a tool choice of a wrong type": lambda value: asked(tool_choice=value),
    "features of the routing": lambda value: routed({"length": value}),
    "a block of a wrong type": lambda value: answer(content=(Text("see"), value)),
    "an answer that is a list": lambda value: answer(content=value if isinstance(value, list) else [value]),
    "warnings that are a list": lambda value: answer(warnings=value if isinstance(value, list) else [value]),
    "the features themselves": lambda value: routed(value if isinstance(value, dict) else {"length": value}),
    "a text with more than its text": lambda value: answer(content=(Scored("see", value),)),
    "tags": lambda value: {"context": CallContext(tags=value if isinstance(value, dict) else {"team": "a"})},
}


@pytest.mark.parametrize("start", [{"a": [1.5, None, True]}, {}, [1, {"b": "c"}]], ids=["dict", "empty dict", "list"])
@pytest.mark.parametrize("case", CASES)
def test_a_record_stays_what_it_was(case: str, start: Any) -> None:
    """What goes into it is JSON by then, or cannot change."""
    value = copy.deepcopy(start)

    before, after = changed_later(value, CASES[case](value))

    assert after == before


KEY = "sk-ant-api03-" + "Ab1" * 31 + "AA"
ODD_ANSWERS: dict[str, Callable[[], Any]] = {
    "text": lambda: f"see {KEY}",
    "bytes": lambda: b"see",
    "dict": lambda: {"type": "text", "text": KEY},
    "generator": lambda: (text for text in [Text(KEY)]),
    "map": lambda: map(Text, [KEY]),
    "deque": lambda: deque([Text(KEY), ToolUse("t", "search", {"key": KEY})]),
    "values": {"a": Text(KEY)}.values,
    "nothing": lambda: None,
}


@pytest.mark.parametrize("keeps", [True, False])
@pytest.mark.parametrize("kind", ODD_ANSWERS)
def test_an_answer_of_a_wrong_type_is_one_whole_block(kind: str, keeps: bool) -> None:
    """A backend of one's own may return what it likes: no key in it gets through, and readers take the line."""
    config = InteractionLogConfig(include_responses=keeps)

    line = encode_line(record(config=config, **answer(content=ODD_ANSWERS[kind]())))

    read = decode_line(line)
    assert isinstance(read, InteractionRecord)
    assert len(read.response_content) == (kind != "nothing")
    assert KEY.encode() not in line


@pytest.mark.parametrize("keeps", [True, False])
def test_an_answer_is_recorded_as_ever(keeps: bool) -> None:
    """The JSON of the parts is that of the whole; without responses there are digests alone."""
    use = ToolUse("t", "search", {"q": [1, {"x": None}], "\u2028": 1.0})

    line = encode_line(
        record(config=InteractionLogConfig(include_responses=keeps), **answer(content=(Text("a"), use, Odd())))
        if keeps
        else record(config=InteractionLogConfig(include_responses=False), **answer(content=(Text("a"), use)))
    )

    arguments = b'{"q":[1,{"x":null}],"\\u2028":1.0}'
    assert line.count(arguments) == (2 if keeps else 0)
    assert (b'"[unloggable Odd]"' in line) is keeps
    assert (b'"arguments":null' in line) is not keeps
