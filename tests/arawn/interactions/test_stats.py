"""Figures over the log."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, get_args
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arawn.errors import Overloaded
from arawn.interactions.filters import Filters
from arawn.interactions.record import InteractionRecord
from arawn.interactions.stats import DIMENSIONS, Dimension, NamedReport, Percentiles, Stats
from arawn.messages import CallContext, CompletionResponse, Text, ToolUse, Usage
from tests.arawn.interactions.samples import NOON, record
from tests.arawn.interactions.test_reader import TOOL_USE, result

UTC = ZoneInfo("UTC")


def counted(*lines: Any, by: tuple[Dimension, ...] = ("model",), wanted: Filters | None = None) -> NamedReport:
    stats = Stats(by, wanted or Filters(), UTC)
    for line in lines:
        stats.add(line)
    return stats.report()


def failed(number: int) -> InteractionRecord:
    return record(number, status="error", response=None, error=Overloaded("busy"))


def test_calls_tokens_and_errors_are_summed() -> None:
    """By group and in all; a failed call stands with those that succeeded, under the model asked for."""
    usage = Usage(5, 7, 100, 3, 2)
    answered = record(2, response=CompletionResponse(content=(Text("a"),), model="llama", usage=usage), ttft_ms=4.0)

    report = counted(record(1), answered, failed(3))

    assert [(tuple(row.by.values()), row.calls, row.errors, row.error_rate) for row in report.rows] == [
        (("llama-default",), 3, 1, 1 / 3),
    ]
    total = report.total
    assert (total.calls, total.total_input_tokens, total.output_tokens) == (3, 5 + 1 + 108, 14)
    assert (total.cache_read_tokens, total.cache_write_tokens, total.reasoning_tokens) == (101, 3, 2)
    assert total.ttft_ms == Percentiles(4, 4, 4)


@pytest.mark.parametrize(
    ("dimension", "keys"),
    [
        ("day", ["2026-01-28", "2026-01-29"]),
        ("profile", ["big", "fast"]),
        ("provider", ["groq"]),
        ("model", ["llama-default"]),
        ("workstream", [None, "research"]),
        ("session", [None, "s-1"]),
        ("status", ["ok", "partial"]),
    ],
)
def test_calls_are_grouped_by_what_is_asked_for(dimension: Dimension, keys: list[str | None]) -> None:
    """A call without one is in the group of nothing."""
    other = record(2, NOON + timedelta(days=1), profile="big", context=CallContext(), status="partial")

    report = counted(record(1), other, by=(dimension,))

    assert [tuple(row.by.values()) for row in report.rows] == [(key,) for key in keys]
    assert sum(row.calls for row in report.rows) == report.total.calls == 2


def test_days_begin_where_the_zone_says() -> None:
    """Noon of UTC is the next day in Auckland."""
    stats = Stats(("day",), Filters(), ZoneInfo("Pacific/Auckland"))
    stats.add(record(1))

    assert [tuple(row.by.values()) for row in stats.report().rows] == [("2026-01-29",)]


def test_tools_are_counted_with_the_results_that_failed() -> None:
    """A call of two tools counts for both; results of calls that are not wanted count nowhere."""
    asked, other = record(1, response=TOOL_USE), record(2, response=TOOL_USE, profile="big")
    bad = {"success": False}
    lines = [asked, other, *(_changed(result(one.id, call), **bad) for one in (asked, other) for call in ("t1", "t9"))]

    report = counted(*lines, by=("tool",), wanted=Filters(profile="fast"))

    assert [(tuple(row.by.values()), row.calls, row.errors) for row in report.rows] == [
        (("fetch",), 1, 0),
        (("search",), 1, 1),
    ]
    assert (report.total.calls, report.total.errors) == (2, 1)


def test_a_tool_call_without_a_result_is_no_success() -> None:
    """It is counted apart, and the rate is of those that have one; calls with one id each have their own."""
    uses = tuple(ToolUse("t1", "search", {}) for _ in range(3))
    asked = record(1, response=msgspec.structs.replace(TOOL_USE, content=uses))
    bad = _changed(result(asked.id, "t1_2"), success=False)

    report = counted(asked, result(asked.id, "t1"), bad, by=("tool",))

    assert [(row.calls, row.errors, row.unanswered, row.error_rate) for row in (*report.rows, report.total)] == [
        (3, 1, 1, 0.5),
        (3, 1, 1, 0.5),
    ]
    assert counted(asked).total.unanswered is None


def test_grouped_by_tool_a_record_counts_once_in_each_row() -> None:
    """Its tokens and its time are its own, however many tools it called, and however often; so in the row of all."""
    usage = Usage(1_000, 50)
    uses = (*(ToolUse(f"u{number}", "search", {}) for number in range(3)), ToolUse("u3", "fetch", {}))
    answer = msgspec.structs.replace(TOOL_USE, content=uses, usage=usage)
    lines = [record(1, response=answer), record(2, response=answer), record(3)]

    report = counted(*lines, by=("tool",))

    figures = [
        (tuple(row.by.values()), row.calls, row.total_input_tokens, row.output_tokens)
        for row in (*report.rows, report.total)
    ]
    assert figures == [(("fetch",), 2, 2_000, 100), (("search",), 6, 2_000, 100), ((), 8, 2_000, 100)]


def _changed(line: Any, **changes: Any) -> Any:
    import msgspec

    return msgspec.structs.replace(line, **changes)


def test_nothing_is_nothing() -> None:
    """No division by it either."""
    report = counted()

    assert report.rows == ()
    assert (report.total.calls, report.total.error_rate, report.total.duration_ms.p99) == (0, None, None)


@given(st.lists(st.integers(0, 10_000_000), min_size=1, max_size=300))
def test_percentiles_are_right_to_a_thousandth(durations: list[int]) -> None:
    """Against the sorted list; exact below two seconds."""
    report = counted(*(record(1, duration_ms=float(one)) for one in durations))

    ordered = sorted(durations)
    for percent, given_ in zip((50, 95, 99), _values(report.total.duration_ms), strict=True):
        exact = ordered[-(-len(ordered) * percent // 100) - 1]
        assert given_ is not None
        assert exact * (1 - 1 / 1_024) <= given_ <= exact
        assert given_ == exact or exact >= 2_048


def _values(one: Percentiles) -> tuple[int | None, ...]:
    return one.p50, one.p95, one.p99


def test_every_dimension_is_offered() -> None:
    """The list and the type say the same."""
    assert get_args(Dimension) == DIMENSIONS
