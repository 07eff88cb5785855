"""Which days are past their time."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from arawn.interactions.files import DayFile, day_files, day_of_name, next_part, parse_name
from arawn.interactions.retention import expired

TODAY = date(2026, 1, 28)
days = st.dates(date(2000, 1, 1), date(2100, 1, 1))


def test_whole_days_go_with_all_that_belongs_to_them() -> None:
    """Parts, compressed days, manifests and torn tails; other files stay."""
    old = "interactions-2025-10-01"
    names = [
        f"{old}.jsonl.zst",
        f"{old}.part2.jsonl",
        f"{old}.jsonl.torn-20251001T000000.000000Z",
        f"{old}.manifest.json",
    ]

    assert expired([*names, ".lock", "notes.txt", "interactions-x.jsonl"], TODAY, 90, None) == sorted(names)


@given(st.lists(days), st.integers(1, 400))
def test_today_and_the_days_kept_never_go(drawn: list[date], retention: int) -> None:
    """Only the date in the name counts."""
    gone = {day_of_name(name) for name in expired([DayFile(str(day)).name for day in drawn], TODAY, retention, None)}

    assert gone == {day for day in drawn if day < TODAY - timedelta(days=retention)}


def test_zero_keeps_for_ever() -> None:
    """`retention_days = 0` deletes nothing."""
    assert expired(["interactions-2000-01-01.jsonl"], TODAY, 0, None) == []


def test_a_clock_that_jumped_ahead_deletes_nothing() -> None:
    """More than `retention_days` since the last run means a wrong clock."""
    names = ["interactions-2025-01-01.jsonl"]

    assert expired(names, TODAY, 30, TODAY - timedelta(days=31)) == []
    assert expired(names, TODAY, 30, TODAY - timedelta(days=30)) == names


@given(days, st.integers(1, 999_999), st.booleans())
def test_names_and_what_they_say_are_inverse(day: date, part: int, compressed: bool) -> None:
    """Every name parses to what it was made from."""
    file = DayFile(str(day), part, compressed)

    assert parse_name(file.name) == file


def test_only_exact_names_are_day_files() -> None:
    """No other spelling, no impossible day, no torn tail."""
    names = [
        "interactions-2026-02-30.jsonl",
        "interactions-2026-01-01.part1.jsonl",
        "interactions-2026-01-01.jsonl.torn-1",
        "interactions-2026-01-01.part02.jsonl",
        "x-interactions-2026-01-01.jsonl",
    ]

    assert day_files(names) == []
    assert next_part([DayFile("2026-01-01", 3, compressed=True)], "2026-01-01") == DayFile("2026-01-01", 4)
