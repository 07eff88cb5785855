"""Records and messages as a person reads them."""

from __future__ import annotations

from datetime import UTC
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arawn.cli.output import printable
from arawn.cli.record_page import record_lines
from arawn.cli.record_view import id_length
from arawn.cli.transcript import logged_lines, message_lines
from arawn.interactions.record import InteractionRecord, ToolCallRecord
from arawn.messages import Image, Message, RoutingMetadata, Text, Thinking, ToolResult, ToolUse

RECORD = InteractionRecord(
    id="0197-x",
    timestamp="2026-01-28T10:00:00.000000Z",
    duration_ms=1500,
    ttft_ms=300,
    queue_ms=7,
    status="ok",
    profile="fast",
    provider="custom",
    model_requested="asked",
    model_used="answered",
    stop_reason="tool_use",
    stop_reason_raw="tool_calls",
    workstream="research",
    session_id="s1",
    turn_id=3,
    iteration=1,
    call_id="0197-c",
    attempt=2,
    stream=True,
    input_tokens=5,
    output_tokens=None,
    cache_read_tokens=100,
    cache_write_tokens=0,
    reasoning_tokens=None,
    total_input_tokens=105,
    has_tool_use=True,
    tool_count=1,
    request_id=None,
    error=None,
    routing=RoutingMetadata("fast", "Workstream"),
    tags={"k": "v"},
    params={"temperature": 0.5},
    tools_available=("look",),
    tool_calls=(
        ToolCallRecord(
            tool_name="look", tool_call_id="t1", arguments={"at": "é"}, result_success=True, result_content="a map"
        ),
        ToolCallRecord(tool_name="wait", tool_call_id="t2", arguments={}),
    ),
    truncated=(),
    redactions=(),
    system_prompt="be brief",
    tools=(),
    response_content=({"type": "text", "text": "one\ntwo"}, {"size": 9, "sha256": "00"}),
    messages=(
        {"role": "user", "content": [{"type": "text", "text": "hi"}]},
        {"role": "user", "size": 44, "sha256": ""},
    ),
)


def test_everything_that_a_record_says_is_shown() -> None:
    """Settings, conversation, answer, tool calls with their results; what was not logged is said to be."""
    shown = list(record_lines(RECORD, UTC))

    for line in (
        "id          0197-x",
        "status      ok, attempt 2 of call 0197-c",
        "profile     fast (workstream `research` is bound to it)",
        "model       answered (asked for: asked)",
        "took        1500 ms, waited 7 ms, first token after 300 ms",
        "tokens      105 in (5 new, 100 from the cache), ? out",
        "  be brief",
        "  hi",
        "  (44 bytes, not logged)",
        "  two",
        "  (9 bytes, not logged)",
        "tool look (t1):",
        '  {"at": "é"}',
        "  answered: a map",
        "  (no result in the log: the turn ended at its limit of calls, was cut short, or still goes on)",
    ):
        assert line in shown


def test_settings_that_are_long_are_shortened() -> None:
    """Tools that a record keeps as they were sent are named, whichever dialect they are in."""
    tools = [{"type": "function", "function": {"name": "look"}}, {"name": "wait"}, {"type": "web_search"}, 7]
    params = {"top_p": 0.5, "extra": {"tools": tools, "seed": 7, "format": {"schema": "é" * 300}}}
    shown = line_of("params", params=params)

    assert shown is not None
    assert shown.startswith(
        '{"top_p": 0.5, "extra": {"tools": ["look", "wait", "web_search", "?"], "seed": 7, "format"'
    )
    assert shown.endswith('é… (314 characters)"}}')
    assert len(shown) < 400
    assert line_of("params", params={"stop": ["x" * 300]}) == f'{{"stop": "[\\"{"x" * 198}… (304 characters)"}}'


def line_of(name: str, **changes: object) -> str | None:
    """Return what stands behind `name` among the settings of RECORD with these changes."""
    lines = record_lines(msgspec.structs.replace(RECORD, **changes), UTC)
    return next((line[12:] for line in lines if line.startswith(f"{name} ")), None)


def test_a_rate_is_told_only_where_it_means_something() -> None:
    """Of a few milliseconds it says more of the clock than of the model."""
    assert line_of("took", duration_ms=1300, ttft_ms=300, queue_ms=0, output_tokens=50) == (
        "1300 ms, first token after 300 ms, 50 tokens/s"
    )
    assert line_of("took", duration_ms=4, ttft_ms=0, queue_ms=0, output_tokens=22) == "4 ms, first token after 0 ms"


def test_the_first_call_of_a_turn_with_tools_says_that_more_may_follow() -> None:
    """A turn without tools has one call."""
    assert line_of("turn", tool_count=1) == "3, iteration 1"
    assert line_of("turn", tool_count=1, iteration=2) == "3, iteration 2"
    assert line_of("turn", tool_count=0) == "3"
    assert line_of("turn", turn_id=None) is None


def test_a_model_that_nobody_named_is_not_called_none() -> None:
    """The one that answered stands alone."""
    assert line_of("model", model_requested=None) == "answered"
    assert line_of("model", model_used=None) == "asked"
    assert line_of("model", model_used=None, model_requested=None) is None


def test_features_are_words() -> None:
    """On a line of their own; what was not found is left out."""
    features = {"message_length": 12, "has_tools": True, "has_system_prompt": False, "keyword_signals": ["a b", "c"]}
    routing = RoutingMetadata("fast", "HeuristicRule(code)", 0.9, features)

    assert line_of("profile", routing=routing) == "fast (HeuristicRule(code), confidence 0.90)"
    assert line_of("features", routing=routing) == "message length 12, has tools, keyword signals a b, c"
    assert line_of("features") is None


def test_every_kind_of_block_is_text() -> None:
    """Nothing that was said is left out."""
    blocks = (
        Text("plain"),
        Thinking("hm"),
        Image(url="http://x/y.png"),
        ToolUse("t1", "look", {"at": 1}),
        ToolUse("t2", "look", invalid_arguments="{"),
        ToolResult("t1", (Text("map"),)),
        ToolResult("t2", (), is_error=True),
    )

    shown = "\n".join(message_lines(Message("user", blocks)))

    for part in (
        "plain",
        "hm",
        "y.png",
        '(calls look, t1) {"at": 1}',
        "(calls look, t2) {",
        "of t1) map",
        "(error of t2)",
    ):
        assert part in shown


def test_a_message_that_says_nothing_is_shown() -> None:
    """A turn of the assistant without content is one, and reasoning that a provider hides."""
    record = msgspec.structs.replace(RECORD, messages=({"role": "assistant", "content": []},))

    assert "assistant:" in list(record_lines(record, UTC))


def test_a_logged_message_reads_like_the_message() -> None:
    """The record holds it as plain values."""
    message = Message("assistant", (Text("yes"), ToolUse("t", "look", {})))

    assert list(logged_lines(msgspec.to_builtins(message))) == list(message_lines(message))


@given(st.lists(st.text("01ab", min_size=6, max_size=6), unique=True, max_size=20))
def test_ids_are_cut_where_they_still_differ(ids: list[str]) -> None:
    """The length is enough to tell any two apart, and no shorter one is."""
    length = id_length(ids)

    assert len({one[:length] for one in ids}) == len(ids) or len(ids) < 2
    assert length == 0 or any(one[: length - 1] == other[: length - 1] for one, other in pairwise(sorted(ids)))


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_terminal_gets_nothing_that_it_would_obey(is_terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """No escape sequence, and nothing that turns the order of a line about; a file gets what was logged."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: is_terminal)
    said = "a\x1b[2J\x9b1m\u202eb\u2066c\té\n"

    assert printable(said) == ("a[2J1mbc\té\n" if is_terminal else said)
