"""Whatever callers, providers and tools say, in whichever field: its record is one valid line that is read back."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from arawn.config.schema import InteractionLogConfig
from arawn.interactions.encode import encode_line
from arawn.interactions.heads import decode_line
from arawn.interactions.pending import Numbering
from arawn.interactions.record import InteractionRecord
from arawn.interactions.redact import Redactor
from arawn.interactions.shed import weigh, without_bodies
from arawn.interactions.tool_results import build_tool_result
from arawn.interactions.writer import open_writer
from arawn.messages import (
    CallContext,
    CompletionRequest,
    CompletionResponse,
    Message,
    RoutingMetadata,
    Text,
    ToolDefinition,
    ToolResult,
    ToolUse,
    Usage,
    user,
)
from tests.arawn.interactions.samples import CONFIG, NOON, Clock, record, whole_lines
from tests.arawn.interactions.simulated_filesystem import SimulatedFilesystem
from tests.arawn.interactions.simulated_log import LOG

T = TypeVar("T")
HOSTILE = ["\ud800", "\udfff\ud800", "\0", "\u2028\u2029\x85", "\n\r", '"\\', "\x7f", "\U0010ffff", ""]
texts = st.text(st.characters(exclude_categories=[]), max_size=20) | st.sampled_from(HOSTILE)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
tags = st.dictionaries(texts, texts, max_size=3)


def hostile_record(text: str, value: Any, tag: dict[str, str]) -> InteractionRecord:
    """Return a record that says `text` and `value` wherever somebody from outside may say something."""
    call = ToolUse(text, text, {"value": value, text: text})
    request = CompletionRequest(
        messages=(
            user(text),
            Message("assistant", (Text(text), call)),
            Message("user", (ToolResult(text, (Text(text),)),)),
        ),
        system=text,
        model=text,
        tools=(ToolDefinition(text, description=text, parameters={"default": value}),),
        stop=(text,),
        extra={"value": value},
    )
    response = CompletionResponse(content=(Text(text), call), model=text, usage=Usage(5, 7), request_id=text)
    context = CallContext(workstream=text, session_id=text, turn_id=3, tags=tag)
    return record(request=request, response=response, context=context, error=ValueError(text), status="error")


@settings(max_examples=150, deadline=None)
@given(texts, values, tags)
def test_every_field_takes_every_value(text: str, value: Any, tag: dict[str, str]) -> None:
    """One line, in UTF-8, strict JSON, with the scalars that every reader needs."""
    built = hostile_record(text, value, tag)
    for each in (built, without_bodies(built)):
        line = encode_line(each)
        assert len(line.decode().splitlines()) == 1
        read = json.loads(line, parse_constant=pytest.fail)
        assert (read["id"], read["status"], read["input_tokens"]) == (built.id, "error", 5)
        assert list(read) == ["kind", *InteractionRecord.__struct_fields__]
        assert weigh(each) > 0
        waiting = Numbering("w").line(each)
        taken = waiting.json
        waiting.keep()
        assert waiting.json == taken


@pytest.mark.parametrize(
    "context",
    [
        CallContext(turn_id=10**30, iteration=2**70),
        CallContext(turn_id=10**5_000),
        CallContext(turn_id=1.5, iteration=None),  # type: ignore[arg-type]  # structs made in Python check no types
        CallContext(session_id=5, workstream=b"x", tags={"a": 1}),  # type: ignore[arg-type, dict-item]
        CallContext(session_id="\ud800", tags={"\ud800": "\udfff"}),
        CallContext(routing=RoutingMetadata("p", "r", math.nan, {"x": math.inf})),
        CallContext(routing=RoutingMetadata("p", "r", "high", [1])),  # type: ignore[arg-type]
        CallContext(routing=RoutingMetadata("p", "r", 0.5, MappingProxyType({}))),  # type: ignore[arg-type]
    ],
    ids=["huge", "beyond JSON", "float", "other types", "surrogates", "no number", "no features", "no dict"],
)
def test_readers_take_a_context_of_any_types(context: CallContext) -> None:
    """What a program gives as its context cannot cost it the record; numbers fit a column of 64 bits."""
    read = decode_line(encode_line(record(context=context)))

    assert isinstance(read, InteractionRecord)
    assert all(number is None or 0 <= number < 1 << 63 for number in (read.turn_id, read.iteration))


@pytest.mark.parametrize("number", [12.0, 12.5, math.nan, math.inf, 10**30, -1, "12", True])
def test_readers_take_usage_of_any_type(number: Any) -> None:
    """A backend written in Python may count as it likes."""
    response = CompletionResponse(content=(), model="m", usage=Usage(number, number, number, number, number))

    read = decode_line(encode_line(record(response=response)))

    assert isinstance(read, InteractionRecord)
    assert read.input_tokens == read.output_tokens == (12 if number == 12.0 else None)


def no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


@pytest.mark.parametrize("redact_secrets", [True, False])
def test_keys_with_one_text_form_are_told_apart(redact_secrets: bool) -> None:
    """Wherever a program may give a dict: every reader finds the same, and no value is left out."""
    odd = {1: "a", "1": "b", "deep": [{True: 1, "True": 2}]}
    call = ToolUse("t", "t", {"odd": odd})
    built = record(
        request=CompletionRequest(
            messages=(user("x"), Message("assistant", (call,)), Message("user", (ToolResult("t"),))),
            tools=(ToolDefinition("t", parameters={"default": odd}),),
            extra={"odd": odd},
        ),
        response=CompletionResponse(content=(Text("x"), call), model="m"),
        context=CallContext(routing=RoutingMetadata("p", "r", features={"odd": odd})),
        config=InteractionLogConfig(redact_secrets=redact_secrets),
    )

    line = encode_line(built)
    read = json.loads(line, object_pairs_hook=no_key_twice)

    told_apart = {"1": "a", "1_2": "b", "deep": [{"True": 1, "True_2": 2}]}
    assert line.count(b'"1_2":"b"') == 6
    assert read["params"]["extra"]["odd"] == read["messages"][1]["content"][0]["arguments"]["odd"] == told_apart
    assert isinstance(decode_line(line), InteractionRecord)


async def inline(sync_fn: Callable[[], T]) -> T:
    await trio.lowlevel.checkpoint()
    return sync_fn()


def nested(depth: int) -> Any:
    value: Any = "bottom"
    for level in range(depth):
        value = {"deeper": value} if level % 2 else [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        nested(50),
        nested(1_000),
        nested(50_000),
        math.nan,
        math.inf,
        10**5_000,
        -(2**63) - 1,
        2**64,
        b"\0\xff",
        {1: 2},
        object(),
        "y" * (64 << 20),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_the_writer_takes_it_and_goes_on(autojump_clock: MockClock, value: Any) -> None:
    """A value of any size and depth is written; so is the record after it."""
    filesystem = SimulatedFilesystem()
    config = InteractionLogConfig()
    strange = msgspec.structs.replace(record(1), params={"value": value})
    answer = ToolResult("\ud800", (Text("\ud800"),))
    result = build_tool_result("i", answer, at=NOON, config=CONFIG, secrets=Redactor())
    async with open_writer(config, LOG, filesystem=filesystem, clock=Clock(), run_in_thread=inline) as writer:
        await writer.handle([strange, result, record(2)])

    kinds = [line["kind"] for line in whole_lines(filesystem.files())]
    assert kinds == ["mark", "interaction", "tool_result", "interaction", "mark"]
