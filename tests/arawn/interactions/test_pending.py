"""Lines that wait: what is kept of them in memory, and what they count for at any time."""

from __future__ import annotations

import tracemalloc

import pytest

from arawn.interactions.pending import Numbering, Pending
from arawn.interactions.record import GapLine, MarkLine
from tests.arawn.interactions.samples import NOON, note, record

AT = "2026-01-28T12:00:00.000000Z"


@pytest.mark.parametrize("letter", ["a", "é", "ж", "\U0001f600"])
def test_what_waits_for_its_sync_takes_about_its_own_length(letter: str) -> None:
    """One emoji in a text makes four bytes of each letter in memory: its line is kept as JSON then."""
    numbering, before = Numbering("w"), 0
    tracemalloc.start()
    try:
        lines = [numbering.line(note(number, text=letter + "x" * 50_000)) for number in range(20)]
        before = tracemalloc.get_traced_memory()[0]
        for line in lines:
            line.keep()
        kept = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()

    assert kept < before
    assert kept < 1.6 * sum(line.size for line in lines)


def test_marks_and_gaps_are_told_apart_whatever_is_kept() -> None:
    """What the end says of lost lines counts records, and what gaps stand for, but not the log's own words."""
    numbering, pending = Numbering("w"), Pending()
    lines = [
        numbering.line(line)
        for line in (
            MarkLine(event="repair", detail={"file": "é"}, timestamp=AT),
            GapLine(count=7, reason="voilà", timestamp=AT),
            note(1, text="é"),
            record(2),
        )
    ]
    for line in lines:
        line.keep()
    pending.put_back(numbering.behind_new_part_mark(lines, after="a", reason="é", at=NOON))

    assert (pending.unwritten, pending.undeclared) == (2, 9)
    assert pending.total_bytes == sum(len(line.json) for line in pending.head("2026-01-28", 1_000_000))


def test_one_mark_says_that_lines_move_on() -> None:
    """Also when they move again, and were kept in between."""
    numbering = Numbering("w")
    first = numbering.behind_new_part_mark([numbering.line(note(1))], after="a", reason="r", at=NOON)
    for line in first:
        line.keep()

    assert numbering.behind_new_part_mark(first, after="b", reason="r", at=NOON) is first
