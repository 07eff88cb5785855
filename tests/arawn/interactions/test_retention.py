"""Which days are closed, and which are past their time."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arawn.interactions.compact import closed_files
from arawn.interactions.files import DayFile, day_files, day_of_name, is_unfinished, next_part, parse_name
from arawn.interactions.retention import LastRun, expired, judge

TODAY = date(2026, 1, 28)
OLD = "interactions-2025-01-01.jsonl"
days = st.dates(date(2000, 1, 1), date(2100, 1, 1))


def test_whole_days_go_with_all_that_belongs_to_them() -> None:
    """Parts, compressed days, manifests, torn tails and unfinished files; other files stay."""
    old = "interactions-2025-10-01"
    names = [
        f"{old}.jsonl.zst",
        f"{old}.part2.jsonl",
        f"{old}.jsonl.torn-20251001T000000.000000Z",
        f"{old}.manifest.json",
        f"{old}.jsonl.zst.new",
    ]

    assert expired([*names, ".lock", "notes.txt", "interactions-x.jsonl"], TODAY, 90) == sorted(names)


@given(st.lists(days), st.integers(1, 400))
def test_today_and_the_days_kept_never_go(drawn: list[date], retention: int) -> None:
    """Only the date in the name counts."""
    gone = {day_of_name(name) for name in expired([DayFile(str(day)).name for day in drawn], TODAY, retention)}

    assert gone == {day for day in drawn if day < TODAY - timedelta(days=retention)}


def test_zero_keeps_for_ever() -> None:
    """`retention_days = 0` deletes nothing, whenever it last ran."""
    for before in (None, LastRun(TODAY), LastRun(date.min), LastRun(TODAY, TODAY)):
        assert judge([OLD], TODAY, 0, before).delete == []


def test_a_clock_that_jumped_ahead_deletes_nothing() -> None:
    """More than `retention_days` since the last run means a wrong clock."""
    jumped = judge([OLD], TODAY, 30, LastRun(TODAY - timedelta(days=31)))
    in_time = judge([OLD], TODAY, 30, LastRun(TODAY - timedelta(days=30)))

    assert (jumped.delete, jumped.jumped) == ([], True)
    assert (in_time.delete, in_time.jumped) == ([OLD], False)


def test_the_run_after_a_jump_deletes_nothing_either() -> None:
    """A wrong clock is believed only once it has lasted for `retention_days`."""
    state, deleted = LastRun(TODAY - timedelta(days=31)), []
    for number in range(31):
        verdict = judge([OLD], TODAY + timedelta(days=number), 30, state)
        state = verdict.last_run
        deleted.append(verdict.delete)

    assert deleted == [*[[]] * 30, [OLD]]


def test_a_clock_that_is_put_right_again_ends_the_wait() -> None:
    """After a jump and back, days are deleted by the right date."""
    jumped = judge([OLD], TODAY + timedelta(days=4000), 30, LastRun(TODAY))

    back = judge([OLD], TODAY, 30, jumped.last_run)

    assert (jumped.delete, back.delete) == ([], [OLD])
    assert back.last_run == LastRun(TODAY)


@given(st.lists(st.integers(-500, 500), max_size=30), st.integers(1, 60))
def test_no_walk_of_the_clock_deletes_what_is_young(steps: list[int], retention: int) -> None:
    """A run that finds a jump deletes nothing; any other deletes only what is old by its clock."""
    state, today = LastRun(TODAY), TODAY
    names = [DayFile(str(TODAY + timedelta(days=number))).name for number in range(-900, 900, 7)]
    for step in steps:
        today += timedelta(days=step)

        verdict = judge(names, today, retention, state)

        state = verdict.last_run
        oldest = today if step > retention else today - timedelta(days=retention)
        assert all((day_of_name(name) or today) < oldest for name in verdict.delete)
        assert verdict.jumped == (step > retention)
        assert not (verdict.jumped and verdict.delete)


@given(days, st.integers(1, 999_999), st.booleans())
def test_names_and_what_they_say_are_inverse(day: date, part: int, compressed: bool) -> None:
    """Every name parses to what it was made from."""
    file = DayFile(str(day), part, compressed)

    assert parse_name(file.name) == file


def test_only_exact_names_are_day_files() -> None:
    """No other spelling, no impossible day, no torn tail, nothing unfinished."""
    names = [
        "interactions-2026-02-30.jsonl",
        "interactions-2026-01-01.part1.jsonl",
        "interactions-2026-01-01.jsonl.torn-1",
        "interactions-2026-01-01.part02.jsonl",
        "x-interactions-2026-01-01.jsonl",
        "interactions-2026-01-01.jsonl.zst.new",
    ]

    assert day_files(names) == []
    assert [name for name in names if is_unfinished(name)] == names[-1:]
    assert next_part([DayFile("2026-01-01", 3, compressed=True)], "2026-01-01") == DayFile("2026-01-01", 4)


def test_a_part_that_is_there_twice_is_read_once() -> None:
    """The plain file counts while its compressed form may be unfinished, in any order of names."""
    plain, sealed = DayFile("2026-01-01"), DayFile("2026-01-01", compressed=True)
    other = DayFile("2026-01-01", 2, compressed=True)

    assert day_files([plain.name, sealed.name, other.name]) == [plain, other]
    assert day_files([other.name, sealed.name, plain.name]) == [plain, other]


@pytest.mark.parametrize(
    ("today", "days", "open_day", "closed"),
    [
        ("2026-01-21", 1, "2026-01-21", []),
        ("2026-01-22", 1, "2026-01-22", ["2026-01-20"]),
        ("2026-01-22", 0, "2026-01-22", ["2026-01-20", "2026-01-21"]),
        ("2026-01-25", 1, "2026-01-21", ["2026-01-20"]),
        ("2026-01-20", 0, "2026-01-22", []),
        ("2026-01-25", 30, "2026-01-25", []),
    ],
)
def test_what_is_closed(today: str, days: int, open_day: str, closed: list[str]) -> None:
    """Older than so many full days, older than the newest file that a writer has open, never today's."""
    files = [DayFile(f"2026-01-{day}") for day in (20, 21, 22)] + [DayFile("2026-01-10", compressed=True)]

    found = closed_files([file.name for file in files], date.fromisoformat(today), days, open_day)

    assert [file.day for file in found] == closed
