"""The read side: whole lines, once each, from either end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arawn.errors import BadInput, RateLimited
from arawn.interactions.day_log import DayLog
from arawn.interactions.encode import encode_line
from arawn.interactions.filters import Filters
from arawn.interactions.follow import Follower
from arawn.interactions.line_numbers import SeenLines
from arawn.interactions.opening import open_day_log
from arawn.interactions.reader import Damage, Entry, LogReader
from arawn.interactions.record import ToolResultLine
from arawn.interactions.redact import Redactor
from arawn.interactions.tool_results import build_tool_result
from arawn.messages import CallContext, CompletionResponse, Text, ToolResult, ToolUse
from tests.arawn.interactions.samples import CONFIG, NOON, Clock, record


@pytest.fixture
def log(tmp_path: Path) -> Iterator[DayLog]:
    opened = open_day_log(tmp_path, CONFIG, clock=Clock())
    yield opened
    opened.close()


@pytest.fixture
def damages() -> list[Damage]:
    return []


@pytest.fixture
def reader(tmp_path: Path, damages: list[Damage]) -> LogReader:
    return LogReader(tmp_path, on_damage=damages.append)


def calls(entries: Iterator[Entry]) -> list[str]:
    return [entry.head.call_id for entry in entries]


def result(interaction_id: str, call: str, content: str = "found") -> ToolResultLine:
    answer = ToolResult(call, (Text(content),))
    return build_tool_result(interaction_id, answer, at=NOON, config=CONFIG, secrets=Redactor())


TOOL_USE = CompletionResponse(content=(ToolUse("t1", "search"), ToolUse("t2", "fetch")), model="llama")


def test_both_directions_show_every_interaction_once(log: DayLog, reader: LogReader, damages: list[Damage]) -> None:
    """Over several days; marks and results are no interactions."""
    log.append([record(n, NOON + timedelta(hours=8 * n)) for n in range(1, 9)])

    forwards = calls(reader.oldest_first(Filters()))

    assert forwards == [f"call-{n}" for n in range(1, 9)]
    assert calls(reader.newest_first(Filters())) == forwards[::-1]
    assert damages == []


def test_a_line_being_written_is_not_shown(
    tmp_path: Path, log: DayLog, reader: LogReader, damages: list[Damage]
) -> None:
    """Half a line is no line, and no damage while a writer may be at work."""
    log.append([record(1)])
    with next(tmp_path.glob("*.jsonl")).open("ab") as file:
        file.write(encode_line(record(2))[:-5])

    assert calls(reader.newest_first(Filters())) == ["call-1"]
    assert calls(reader.oldest_first(Filters())) == ["call-1"]
    assert damages == []


def test_damage_is_reported_and_skipped(tmp_path: Path, log: DayLog, reader: LogReader, damages: list[Damage]) -> None:
    """File, line and reason of each; the others are shown."""
    log.append([record(1), record(2), record(3)])
    path = next(tmp_path.glob("*.jsonl"))
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = b"\xff\x00 garbage\n"
    path.write_bytes(b"".join(lines))
    (tmp_path / "interactions-2026-01-27.jsonl").write_bytes(b'{"kind":"inter')

    assert calls(reader.newest_first(Filters())) == ["call-3", "call-1"]
    assert [(damage.file[-8:], damage.line) for damage in damages] == [("28.jsonl", 3), ("27.jsonl", 1)]
    assert damages[1].why == "the line has no end"


def test_a_line_written_twice_is_shown_once(tmp_path: Path, log: DayLog, reader: LogReader) -> None:
    """A rewritten part repeats lines of the part before it, and may hold ones that the first has lost."""
    log.append([record(1), record(2), record(3)])
    first = next(tmp_path.glob("*.jsonl"))
    lines = first.read_bytes().splitlines(keepends=True)
    first.write_bytes(b"".join([lines[0], lines[1], b"\0\0\0\n", lines[3]]))
    (tmp_path / "interactions-2026-01-28.part2.jsonl").write_bytes(b"".join(lines[1:]))

    assert sorted(calls(reader.oldest_first(Filters()))) == ["call-1", "call-2", "call-3"]
    assert sorted(calls(reader.newest_first(Filters()))) == ["call-1", "call-2", "call-3"]


@pytest.mark.parametrize("direction", ["oldest_first", "newest_first"])
def test_tool_results_are_joined(log: DayLog, reader: LogReader, direction: str) -> None:
    """Also when they come much later, and on the next day; the first result of a call stays."""
    tomorrow = NOON + timedelta(days=1)
    asked, other = record(1, response=TOOL_USE), record(2)
    log.append([asked, other, result(asked.id, "t1"), record(3, tomorrow), result(asked.id, "t2", "late")])
    log.append([result(asked.id, "t2", "again")])

    entries = {entry.head.id: entry for entry in getattr(reader, direction)(Filters())}

    joined = entries[asked.id].head.tool_calls
    assert [(call.result_success, call.result_content) for call in joined] == [(True, "found"), (True, "late")]
    assert entries[asked.id].record().tool_calls == joined
    assert len(entries) == 3


def test_the_order_of_calls_holds_while_results_are_waited_for(log: DayLog, reader: LogReader) -> None:
    """A call whose result never comes delays nothing for ever."""
    log.append([record(1, response=TOOL_USE), *(record(n) for n in range(2, 1_500))])

    assert calls(reader.oldest_first(Filters())) == [f"call-{n}" for n in range(1, 1_500)]


def test_an_entry_gives_the_whole_record(log: DayLog, reader: LogReader) -> None:
    """Bodies are read when asked for."""
    log.append([record(1)])

    entry = next(reader.newest_first(Filters()))

    assert msgspec.json.encode(entry.record().messages) == msgspec.json.encode(record(1).messages)
    assert entry.raw().endswith(b"\n")


def test_filters_choose(log: DayLog, reader: LogReader) -> None:
    """Each filter alone, and the limit."""
    special = record(
        7,
        NOON + timedelta(hours=1),
        context=CallContext(workstream="w", session_id="s-7", tags={"k": "v"}),
        profile="big",
        status="error",
        duration_ms=5_000.0,
        response=msgspec.structs.replace(TOOL_USE, model="gpt"),
        error=RateLimited("no"),
    )
    log.append([record(1), special, record(2, NOON + timedelta(hours=2))])
    chosen = [
        Filters(workstream="w"), Filters(session="s-7"), Filters(profile="big"), Filters(model="gpt"),
        Filters(status="error"), Filters(tool="fetch"), Filters(tags={"k": "v"}), Filters(min_duration_ms=5_000),
        Filters(has_error=True), Filters(start="2026-01-28T13:00:00.000000Z", end="2026-01-28T14:00:00.000000Z"),
    ]  # fmt: skip

    assert [calls(reader.newest_first(wanted)) for wanted in chosen] == [["call-7"]] * len(chosen)
    assert calls(reader.newest_first(Filters(limit=2))) == ["call-2", "call-7"]
    assert calls(reader.oldest_first(Filters(limit=1))) == ["call-1"]


def test_a_late_record_of_the_day_before_is_found(log: DayLog, reader: LogReader) -> None:
    """A call over midnight stands in the next day's file under its own day."""
    log.append([record(1, NOON + timedelta(days=1)), record(2, NOON)])

    for end in ("2026-01-28T18:00:00.000000Z", "2026-01-29T00:00:00.000000Z"):
        window = Filters(start="2026-01-28T00:00:00.000000Z", end=end)

        assert calls(reader.newest_first(window)) == ["call-2"]


def test_find_takes_an_id_or_a_prefix_of_one(log: DayLog, reader: LogReader) -> None:
    """A prefix that fits several or none is refused with what would help."""
    log.append([record(1), record(2)])

    assert reader.find(record(2).id).head.call_id == "call-2"
    assert reader.find(record(1).id[:-1] + "1").head.call_id == "call-1"
    with pytest.raises(BadInput, match=r"2 interactions .* give more of it"):
        reader.find(record(1).id[:20])
    with pytest.raises(BadInput, match="no interaction has an id that begins with `ffff`"):
        reader.find("ffff")
    log.append([record(number) for number in range(3, 9)])
    with pytest.raises(BadInput, match=r"more than 5 interactions .*`, such as (`[0-9a-f-]{36}`,? ?){5}; give more"):
        reader.find(record(1).id[:20])


def test_results_that_come_thousands_of_calls_later_are_joined(log: DayLog, reader: LogReader) -> None:
    """Reading forwards keeps calls back by their bytes, not by their number."""
    asked = record(1, response=TOOL_USE)
    log.append([asked, *(record(n) for n in range(2, 3_000)), result(asked.id, "t1"), result(asked.id, "t2")])

    first, *rest = reader.oldest_first(Filters())

    assert [call.result_content for call in first.head.tool_calls] == ["found", "found"]
    assert len(rest) == 2_998


def test_what_is_kept_back_is_bounded(log: DayLog, reader: LogReader, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call whose results never come is given up for room, in order, long before the end of the log."""
    monkeypatch.setattr("arawn.interactions.reader._HELD_BYTES", 10_000)
    given_: list[str] = []
    log.append([record(1, response=TOOL_USE), *(record(n) for n in range(2, 60))])
    entries = reader.oldest_first(Filters())

    given_.append(next(entries).head.call_id)
    log.append([record(60)])
    given_ += [entry.head.call_id for entry in entries]

    assert given_[-1] == "call-60"
    assert given_ == [f"call-{n}" for n in range(1, 61)]


def test_find_joins_the_results_of_later_days(log: DayLog, reader: LogReader, tmp_path: Path) -> None:
    """All of them, and reads no more files than it needs to."""
    asked = record(1, response=TOOL_USE)
    days = [record(n, NOON + timedelta(days=n)) for n in (1, 2)]
    log.append([asked, result(asked.id, "t1"), days[0], result(asked.id, "t2", "late"), days[1]])

    found = reader.find(asked.id[:20]).head

    assert [call.result_content for call in found.tool_calls] == ["found", "late"]


async def test_follow_shows_what_is_written_from_now_on(
    tmp_path: Path, log: DayLog, damages: list[Damage], autojump_clock: object
) -> None:
    """Also on the next day; nothing older, nothing half."""
    log.append([record(1)])
    following = Follower(tmp_path, Filters(), on_damage=damages.append)
    log.append([record(2), record(3, NOON + timedelta(days=1))])
    path = tmp_path / "interactions-2026-01-29.jsonl"

    seen = [(await anext(following)).head.call_id for _ in range(2)]
    whole = path.read_bytes()
    path.write_bytes(whole + encode_line(record(4))[:50])
    following._read_on()
    path.write_bytes(whole + encode_line(record(4)))
    seen.append((await anext(following)).head.call_id)

    assert seen == ["call-2", "call-3", "call-4"]
    assert damages == []


@given(st.lists(st.integers(1, 30)))
def test_a_number_is_new_once(numbers: list[int]) -> None:
    """The ranges agree with a plain set, in any order."""
    ranges, plain = SeenLines(), set[int]()

    for number in numbers:
        assert ranges.is_new("w", number) == (number not in plain)
        plain.add(number)


def test_dense_numbers_take_no_room() -> None:
    """A million lines are one range, forwards and backwards."""
    for order in (range(1, 10_000), range(10_000, 0, -1)):
        seen = SeenLines()
        assert all(seen.is_new("w", number) for number in order)
        assert [(run.first, run.last) for run in seen.runs["w"]] == [(1, len(order))]


async def test_follow_begins_with_an_empty_directory(
    tmp_path: Path, damages: list[Damage], autojump_clock: object
) -> None:
    """What is wanted is shown, damage is reported once, the rest is passed over."""
    following = Follower(tmp_path, Filters(profile="big"), on_damage=damages.append)
    with open_for_a_test(tmp_path) as log:
        log.append([record(1), record(2, profile="big")])
        with (tmp_path / "interactions-2026-01-28.jsonl").open("ab") as file:
            file.write(b"garbage\n")
        log.append([record(3, profile="big")])

        assert [(await anext(aiter(following))).head.call_id for _ in range(2)] == ["call-2", "call-3"]
        assert [(damage.line, damage.file[-8:]) for damage in damages] == [(4, "28.jsonl")]


@contextmanager
def open_for_a_test(directory: Path) -> Iterator[DayLog]:
    opened = open_day_log(directory, CONFIG, clock=Clock())
    yield opened
    opened.close()
