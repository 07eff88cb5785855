"""What `verify` says of single lines and of the numbers that they have."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arawn.interactions.encode import encode_line
from arawn.interactions.line_check import NewerLine, check_line
from arawn.interactions.line_numbers import LineNumbers, Place, ranges_of, without
from arawn.interactions.manifest import read_manifest
from arawn.interactions.opening import open_day_log
from arawn.interactions.record import GapLine, timestamp_text
from arawn.interactions.verify import check_directory
from tests.arawn.interactions.mending_logs import (
    CONFIG,
    FIRST,
    fresh_copy,
    problems,
    seal,
    written_log,
)
from tests.arawn.interactions.samples import NOON, Clock, note, record


def test_a_gap_line_declares_the_numbers_before_it(tmp_path: Path) -> None:
    """Missing numbers that a gap line accounts for are a declared loss; more than it says are not."""
    log = open_day_log(tmp_path, CONFIG, clock=Clock())
    log.append([note(1)])
    gap = GapLine(count=2, reason="no room", timestamp=timestamp_text(NOON))
    log.append([note(2), note(3), gap, note(4)])
    log.close()
    lines = (tmp_path / FIRST).read_bytes().splitlines(keepends=True)
    (tmp_path / FIRST).write_bytes(b"".join(lines[:2] + lines[4:]))
    declared = check_directory(tmp_path)
    (tmp_path / FIRST).write_bytes(b"".join(lines[:1] + lines[4:]))

    assert (declared.clean, [(loss.count, loss.why) for loss in declared.declared]) == (True, [(2, "no room")])
    assert [(gap.first, gap.last) for gap in check_directory(tmp_path).missing] == [(2, 4)]


def test_doubles_in_two_files_are_counted_and_in_one_file_are_damage(whole: Path, tmp_path: Path) -> None:
    """A line written again to a new part is how a bad disk is survived; twice in one file nobody writes."""
    log = fresh_copy(whole, tmp_path / "log")
    lines = (log / FIRST).read_bytes().splitlines(keepends=True)
    part = log / "interactions-2026-01-28.part2.jsonl"
    part.write_bytes(b"".join(lines[3:5]))
    part.chmod(0o600)

    assert (check_directory(log).doubles, check_directory(log).clean) == (2, True)
    part.write_bytes(lines[3] * 2)
    assert problems(check_directory(log))[0].startswith(f"{part.name}:2: number 4 of writer")


def test_a_line_of_a_later_day_than_its_file_is_damage(whole: Path, tmp_path: Path) -> None:
    """A call over midnight stands in a later file, never in an earlier one."""
    log = fresh_copy(whole, tmp_path / "log")
    data = (log / FIRST).read_bytes().replace(b'"timestamp":"2026-01-28T12:00:03', b'"timestamp":"2026-02-28T12:00:03')
    (log / FIRST).write_bytes(data)

    assert "it is of 2026-02-28, a later day than its file's" in problems(check_directory(log))[0]


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        (b'"v":1', b'"v":0', "version 0"),
        (b',"seq"', b', "seq"', "bytes between"),
        (b'"kind":"interaction"', b'"kind":"interactioo"', "cannot be read"),
        (b'"stream":false', b'"stream":0', "cannot be read"),
        (b"question", b"quest\0on", "NUL"),
        (b"question", b"quest\xffon", "cannot be read"),
        (b'"seq":3', b'"seq":0', "its number is 0"),
        (b'"seq":3', b'"seq":null', "no number"),
        (b"2026-01-28T", b"2026-01-32T", "no timestamp"),
        (b"}\n", b"}", "no end"),
        (b'"workstream"', b'"worksteam"', "cannot be read"),
    ],
)
def test_what_is_wrong_with_a_line_is_said(before: bytes, after: bytes, why: str) -> None:
    """Each rule of the format has its words."""
    line = encode_line(msgspec.structs.replace(record(), writer="w", seq=3))

    found = check_line(line.replace(before, after))

    assert isinstance(found, str)
    assert why in found


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        (b'"v":1', b'"v":2', "version 2"),
        (b'"v":1,"id"', b'"v":2,"key"', "version 2"),
        (b'"kind":"interaction"', b'"kind":"embedding"', "kind `embedding`"),
        (b'"messages":', b'"budget":1,"messages":', "key `budget`"),
    ],
)
def test_a_line_of_a_newer_arawn_is_told_from_damage(before: bytes, after: bytes, why: str) -> None:
    """A later version, a kind or a key that is unknown here; its number counts."""
    line = encode_line(msgspec.structs.replace(record(), writer="w", seq=3))
    assert before in line

    newer = check_line(line.replace(before, after))

    assert isinstance(newer, NewerLine)
    assert (newer.why, newer.writer, newer.seq) == (why, "w", 3)


def test_lines_of_a_newer_arawn_are_named_as_such(whole: Path, tmp_path: Path) -> None:
    """Not damaged and not lost; where one has no number, nothing is called lost that may be it."""
    log = fresh_copy(whole, tmp_path / "log")
    lines = (log / FIRST).read_bytes().splitlines(keepends=True)
    lines[2:4] = (line.replace(b'"v":1', b'"v":2') for line in lines[2:4])
    (log / FIRST).write_bytes(b"".join(lines))
    numbered = check_directory(log)
    (log / FIRST).write_bytes(b"".join([*lines[:4], lines[4].replace(b'"v":1', b'"v":3').replace(b'"seq"', b'"no"')]))
    (log / "interactions-2026-01-29.jsonl").unlink()
    unnumbered = check_directory(log)

    assert [(problem.kind, problem.lines) for problem in numbered.problems] == [("newer", 2)]
    assert "written by a newer Arawn (version 2)" in str(numbered.problems[0])
    assert [problem.kind for problem in unnumbered.problems] == ["newer", "unreadable"]
    assert unnumbered.missing == ()


def test_keys_out_of_order_are_damage() -> None:
    """The order is part of the format: readers cut lines by it."""
    line = encode_line(msgspec.structs.replace(note(1), writer="w", seq=1))

    swapped = line.replace(b'"label":"good","value":null', b'"value":null,"label":"good"')

    assert check_line(swapped) == "its keys are not those of its kind, in their order"


@given(st.binary(max_size=300))
def test_no_bytes_break_the_check(data: bytes) -> None:
    """Whatever stands in a file, checking it gives an answer."""
    assert isinstance(check_line(data + b"\n"), str)


@given(st.permutations(range(1, 15)), st.sets(st.integers(1, 14)))
def test_missing_numbers_are_those_not_seen(order: list[int], gone: set[int]) -> None:
    """In whatever order lines come: missing are exactly the numbers below the highest that none has."""
    numbers = LineNumbers()
    seen = [number for number in order if number not in gone]

    assert all(numbers.is_new("w", number, Place("f", number)) for number in seen)
    assert not any(numbers.is_new("w", number, Place("f", number)) for number in seen)
    found = {number for gap in numbers.missing() for number in range(gap.first, gap.last + 1)}
    assert found == {number for number in range(1, max(seen, default=0)) if number in gone}
    assert all(gap.place.line == gap.last + 1 for gap in numbers.missing())


@given(st.sets(st.integers(1, 30)), st.sets(st.integers(1, 30)))
def test_ranges_are_sets(wanted: set[int], taken: set[int]) -> None:
    """Ranges made of numbers, and ranges taken away, are what sets are."""
    ranges = [(first, last) for _, first, last in ranges_of(("w", number) for number in taken)]
    left = [number for first, last in without(1, 30, ranges) for number in range(first, last + 1)]

    assert set(left) == set(range(1, 31)) - taken
    assert all(one[1] + 1 < other[0] for one, other in pairwise(ranges))


def test_lines_with_the_same_damage_are_one_problem(whole: Path, tmp_path: Path) -> None:
    """A file that an editor saved with other line ends has one line of report, not one a line."""
    log = fresh_copy(whole, tmp_path / "log")
    (log / FIRST).write_bytes((whole / FIRST).read_bytes().replace(b"\n", b"\r\n"))

    (problem,) = [problem for problem in check_directory(log).problems if problem.kind == "damaged"]

    assert (problem.line, problem.lines) == (1, 15)
    assert str(problem).startswith(f"{FIRST}:1 to 15, 15 lines: ")


def test_an_empty_line_is_called_so(whole: Path, tmp_path: Path) -> None:
    """Nothing was truncated there."""
    log = fresh_copy(whole, tmp_path / "log")
    (log / FIRST).write_bytes((whole / FIRST).read_bytes() + b"\n\n")

    assert problems(check_directory(log)) == [f"{FIRST}:16 to 17, 2 lines: it is empty"]


def test_a_manifest_counts_the_lines_of_a_newer_arawn_as_that_one_does(tmp_path: Path) -> None:
    """Both say the same of a sealed day, so neither finds the other's manifest wrong."""
    log = written_log(tmp_path)
    (log / FIRST).write_bytes((log / FIRST).read_bytes().replace(b'"kind":"feedback"', b'"kind":"rating"'))
    seal(log, FIRST)

    made = read_manifest(log / "interactions-2026-01-28.manifest.json")

    assert (made.damaged, made.kinds["rating"]) == (0, 1)
    assert [span.lines for span in made.writers.values()] == [made.lines]
