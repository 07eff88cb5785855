"""The record: its keys, and what goes into them."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest

from arawn.config.schema import InteractionLogConfig
from arawn.errors import RateLimited
from arawn.interactions.encode import encode_line
from arawn.interactions.heads import decode_head, decode_line
from arawn.interactions.record import (
    FeedbackLine,
    GapLine,
    InteractionRecord,
    MarkLine,
    ToolCallRecord,
    ToolResultLine,
    json_schema,
    timestamp_text,
)
from arawn.interactions.redact import Redactor
from arawn.interactions.tool_results import build_tool_result
from arawn.messages import (
    CallContext,
    CompletionRequest,
    CompletionResponse,
    Image,
    Message,
    RoutingMetadata,
    Text,
    ToolResult,
    ToolUse,
    Usage,
    user,
)
from tests.arawn.interactions.samples import NOON, record

KEYS = [
    "kind", "v", "id", "writer", "seq",
    "timestamp", "duration_ms", "ttft_ms", "queue_ms", "status",
    "profile", "provider", "model_requested", "model_used", "stop_reason",
    "stop_reason_raw", "workstream", "session_id", "turn_id", "iteration",
    "call_id", "attempt", "stream", "input_tokens", "output_tokens",
    "cache_read_tokens", "cache_write_tokens", "reasoning_tokens", "total_input_tokens", "has_tool_use",
    "tool_count", "request_id", "error", "routing", "tags",
    "params", "tools_available", "tool_calls", "truncated", "redactions",
    "warnings", "system_prompt", "tools", "response_content", "messages",
]  # fmt: skip


def written(value: InteractionRecord) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode(encode_line(value))
    return decoded


def request_with_result(text: str) -> CompletionRequest:
    return CompletionRequest(
        messages=(user("hi"), Message("user", (ToolResult("t1", (Text(text),)),))), system="be good"
    )


@pytest.mark.parametrize("response", [None, CompletionResponse(content=(), model="m")])
def test_every_key_is_always_there_in_one_order(response: CompletionResponse | None) -> None:
    """Scalars first, bodies last; what is unknown is null."""
    assert list(written(record(response=response))) == KEYS


def test_a_record_survives_writing_and_reading() -> None:
    """Nothing is lost on the way through a line."""
    original = record(response=CompletionResponse(content=(ToolUse("1", "search", {"q": 1}),), model="m"))

    again = decode_line(encode_line(original))

    assert encode_line(again) == encode_line(original)


def test_times_are_utc_with_six_decimals() -> None:
    """Also at the full second and from another zone, so that texts sort as times do."""
    moment = datetime(2026, 1, 28, 1, 0, 0, tzinfo=timezone(timedelta(hours=2)))

    assert record(at=moment).timestamp == "2026-01-27T23:00:00.000000Z"
    assert timestamp_text(datetime(2026, 1, 1, 0, 0, 0, 7, tzinfo=UTC)) == "2026-01-01T00:00:00.000007Z"


def test_what_the_call_was_is_recorded() -> None:
    """Counts, models, parameters and the routing tag."""
    routing = RoutingMetadata("fast", "HeuristicRule(short)")
    made = record(
        request=CompletionRequest(messages=(user("x"),), model="asked", temperature=0.0, extra={"seed": 1}),
        context=CallContext(tags={"team": "search"}, routing=routing),
        response=CompletionResponse(content=(), model="got", usage=Usage(1, 2, 3, 4, 5), request_id="req-1"),
    )

    assert (made.model_requested, made.model_used, made.request_id) == ("asked", "got", "req-1")
    assert written(made)["params"] == {"temperature": 0.0, "extra": {"seed": 1}}
    assert made.tags == {"team": "search", "routing_profile": "fast"}
    assert made.routing == routing
    assert (made.total_input_tokens, made.reasoning_tokens) == (8, 5)
    assert record().model_requested == "llama-default"


def test_tool_calls_are_listed() -> None:
    """Arguments that were no object keep their raw text."""
    calls = (ToolUse("1", "search", {"q": "x"}), ToolUse("2", "search", {}, '{"q": '))
    made = record(response=CompletionResponse(content=calls, model="m"))

    assert made.has_tool_use
    assert made.tool_count == 1
    assert made.tools_available == ("search",)
    assert b'"arguments":null,"invalid_arguments":"{\\"q\\": "' in encode_line(made)
    again = decode_line(encode_line(made))
    assert isinstance(again, InteractionRecord)
    assert [call.arguments for call in again.tool_calls] == [{"q": "x"}, '{"q": ']
    assert again.tool_calls[0] == ToolCallRecord(tool_name="search", tool_call_id="1", arguments={"q": "x"})


def test_a_failure_is_recorded_from_its_fields() -> None:
    """A provider's status and code; of any other error its type and message; never a traceback."""
    failed = record(
        response=None, status="error", error=RateLimited("slow down", status=429, code="rate", request_id="r")
    )
    crashed = record(response=None, status="error", error=ZeroDivisionError("division by zero"))

    assert msgspec.to_builtins(failed.error) == {
        "type": "RateLimited",
        "status": 429,
        "code": "rate",
        "message": "slow down",
        "retryable": True,
    }
    assert failed.request_id == "r"
    assert msgspec.to_builtins(crashed.error) == {
        "type": "ZeroDivisionError",
        "status": None,
        "code": None,
        "message": "division by zero",
        "retryable": None,
    }


def test_a_partial_answer_is_kept() -> None:
    """What had arrived of a stream is in the record."""
    made = record(
        status="partial", response=CompletionResponse(content=(Text("half"),), model="m"), error=OSError("cut")
    )

    assert made.status == "partial"
    assert written(made)["response_content"] == [{"type": "text", "text": "half"}]


def test_messages_can_be_left_out() -> None:
    """Roles, sizes and hashes stay; no word of the content does."""
    config = InteractionLogConfig(include_messages=False)
    made = record(request=request_with_result("the secret plan"), config=config)

    line = encode_line(made)
    first = msgspec.json.encode(user("hi").content)
    assert b"plan" not in line
    assert b"be good" not in line
    assert [message.role for message in made.messages] == ["system", "user", "user"]
    assert (made.messages[1].size, made.messages[1].sha256) == (len(first), hashlib.sha256(first).hexdigest())
    assert made.system_prompt is None


def test_answers_can_be_left_out() -> None:
    """Block types, sizes and hashes stay; arguments of tool calls go too."""
    answer = CompletionResponse(content=(Text("forty-two"), ToolUse("1", "search", {"q": "forty-two"})), model="m")
    made = record(response=answer, config=InteractionLogConfig(include_responses=False))

    assert b"forty-two" not in encode_line(made)
    assert [block.type for block in made.response_content] == ["text", "tool_use"]
    assert made.tool_calls[0].tool_name == "search"
    assert made.tool_calls[0].arguments is None


def test_long_tool_results_are_cut_in_messages() -> None:
    """The cut is listed with the full length and hash; pictures and other messages stay."""
    config = InteractionLogConfig(truncate_tool_results=5)
    result = ToolResult("t1", (Text("abc"), Image(url="http://x/y"), Text("defgh")), is_error=True)
    request = CompletionRequest(messages=(user("a long question"), Message("user", (Text("so:"), result))))

    made = record(request=request, config=config)

    cut = msgspec.structs.replace(result, content=(Text("abc"), Image(url="http://x/y"), Text("de")))
    kept = [request.messages[0], Message("user", (Text("so:"), cut))]
    assert written(made)["messages"] == msgspec.json.decode(msgspec.json.encode(kept))
    assert list(msgspec.to_builtins(made.truncated)) == [
        {"where": "messages[1].content[1]", "length": 8, "sha256": hashlib.sha256(b"abcdefgh").hexdigest()}
    ]


def test_a_limit_of_zero_keeps_all() -> None:
    """`truncate_tool_results = 0` cuts nothing."""
    made = record(request=request_with_result("x" * 10_000), config=InteractionLogConfig(truncate_tool_results=0))

    assert made.truncated == ()
    assert b"x" * 10_000 in encode_line(made)


def test_secrets_are_taken_out_everywhere() -> None:
    """Whatever a caller, a tool or a provider wrote; a key that the cut would halve, too."""
    key = "gsk_" + "a1B2c3D4" * 4
    made = record(
        request=request_with_result("x " * 15 + key),
        context=CallContext(session_id=f"my-secret-1 {key}", tags={"t": key}),
        error=ValueError(f"bad key {key}"),
        config=InteractionLogConfig(truncate_tool_results=40),
        secrets=["my-secret-1"],
    )

    line = encode_line(made)
    assert key[:10].encode() not in line
    assert b"my-secret-1" not in line
    assert made.redactions == ("secret", "groq")


def test_redaction_can_be_turned_off() -> None:
    """`redact_secrets = false` writes what was said."""
    made = record(
        request=request_with_result("my-secret-1"),
        config=InteractionLogConfig(redact_secrets=False),
        secrets=["my-secret-1"],
    )

    assert b"my-secret-1" in encode_line(made)


def test_a_tool_result_line() -> None:
    """Redacted, cut, and joined by ids."""
    answer = ToolResult("t", (Text("my-secret-1 and much more"),), is_error=True)
    config = InteractionLogConfig(truncate_tool_results=30)
    line = build_tool_result("i", answer, at=NOON, config=config, secrets=Redactor(["my-secret-1"]))

    assert line.content == "[redacted:secret:" + hashlib.sha256(b"my-secret-1").hexdigest()[:8] + "] and"[:5]
    assert (line.success, line.redactions, line.truncated[0].where) == (False, ("secret",), "content")


@pytest.mark.parametrize("where", ["arguments", "tags", "params"])
def test_the_head_is_cut_at_the_right_place(where: str) -> None:
    """A key called `system_prompt` among the scalars does not mislead the reader."""
    trap: dict[str, Any] = {"a": "b", "system_prompt": "trap", "redactions": []}
    answer = CompletionResponse(content=(ToolUse("1", "t", trap),) if where == "arguments" else (), model="m")
    request = CompletionRequest(messages=(user('"system_prompt":'),), extra=trap if where == "params" else {})
    tags = {"a": "b", "system_prompt": "trap"} if where == "tags" else {}
    made = record(request=request, response=answer, context=CallContext(tags=tags))

    head = decode_head(encode_line(made))

    assert msgspec.json.decode(msgspec.json.encode(head)) == {k: v for k, v in written(made).items() if k in KEYS[:-4]}


def test_a_line_without_warnings_is_read() -> None:
    """As they were written before the key was there."""
    made = record()
    line = encode_line(made).replace(b'"warnings":[],', b"")

    assert b"warnings" not in line
    assert decode_line(line) == decode_line(encode_line(made))
    assert decode_head(line) == decode_head(encode_line(made))


def test_the_documentation_lists_every_key_in_order() -> None:
    """The tables of `docs/interaction-log.md` are those of the code."""
    text = (Path(__file__).parents[3] / "docs" / "interaction-log.md").read_text(encoding="utf-8")
    for kind, line in (("interaction", InteractionRecord), ("tool_result", ToolResultLine), ("feedback", FeedbackLine),
                       ("gap", GapLine), ("mark", MarkLine)):  # fmt: skip
        table = text.partition(f"### `{kind}`")[2].partition("###")[0]
        listed = re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)))
        assert listed == ["kind", *line.__struct_fields__]


def test_the_schema_can_be_printed() -> None:
    """One JSON Schema for all kinds of lines."""
    definitions = json_schema()["$defs"]

    assert list(definitions["InteractionRecord"]["properties"]) == KEYS


def test_the_schema_has_no_count_of_tokens_below_0() -> None:
    """A program that makes its types of it may take them for unsigned."""
    values = json_schema()["$defs"]["InteractionRecord"]["properties"]

    counts = [name for name in KEYS if name.endswith("_tokens")]
    assert len(counts) == 6
    assert all(values[name]["anyOf"] == [{"type": "integer", "minimum": 0}, {"type": "null"}] for name in counts)
