"""A record is what was said when its call ended: whatever a caller, a backend or a tool does with its own values later.

Its line is written a moment later, and once more where a disk lost it.
"""

from __future__ import annotations

from typing import Any

import pytest

from arawn.config.schema import InteractionLogConfig
from arawn.interactions.encode import encode_line
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
    "tags": lambda value: {"context": CallContext(tags={"team": str(value)})},
}


@pytest.mark.parametrize("empty", [dict, list])
@pytest.mark.parametrize("case", CASES)
def test_a_record_stays_what_it_was(case: str, empty: type) -> None:
    """What goes into it is JSON by then, or cannot change."""
    value = empty({"a": [1.5, None, True]}) if empty is dict else empty([1, {"b": "c"}])

    before, after = changed_later(value, CASES[case](value))

    assert after == before


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
