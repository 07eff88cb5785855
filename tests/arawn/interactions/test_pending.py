"""Lines that wait: what is kept of them in memory, and what they count for at any time."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Iterable

import pytest

from arawn.interactions.pending import Line, Numbering, Pending
from arawn.interactions.record import GapLine, InteractionRecord, LogLine, MarkLine
from arawn.interactions.redact import Redactor
from arawn.messages import CallContext, CompletionRequest, CompletionResponse, Text, Thinking, user
from tests.arawn.interactions.samples import NOON, note, record

AT = "2026-01-28T12:00:00.000000Z"


def kept(lines: Callable[[Numbering], Iterable[Line]]) -> float:
    """Return how many bytes of memory the lines take once they are written, for each byte of theirs."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        waiting = list(lines(Numbering("w")))
        for line in waiting:
            line.keep()
        gc.collect()
        return (tracemalloc.get_traced_memory()[0] - before) / sum(line.size for line in waiting)
    finally:
        tracemalloc.stop()


def said(text: str) -> InteractionRecord:
    return record(response=CompletionResponse(content=(Text(text), Thinking(text[:1])), model="m"))


LINES: dict[str, Callable[[int], LogLine]] = {
    "ASCII": lambda number: said(f"{number}" + "x" * 20_000),
    "one emoji": lambda number: said(f"\U0001f600{number}" + "x" * 20_000),
    "one line end that JSON escapes": lambda number: said(f"\u2028{number}" + "x" * 20_000),
    "small": record,
    "tiny": note,
    "many tags": lambda number: record(context=CallContext(tags={f"{at}": f"{at + number}" for at in range(200)})),
    "many warnings": lambda number: record(
        response=CompletionResponse(content=(), model="m", warnings=tuple(f"{number}{at}" for at in range(300)))
    ),
    "many messages": lambda number: record(
        request=CompletionRequest(messages=tuple(user(f"{at}-{number}") for at in range(300)))
    ),
}


@pytest.mark.parametrize("kind", LINES)
def test_what_waits_for_its_sync_takes_at_most_about_twice_its_length(kind: str) -> None:
    """One emoji makes four bytes of each letter in memory, and each small thing takes some hundred of its own."""
    assert kept(lambda numbering: [numbering.line(LINES[kind](number)) for number in range(60)]) < 2.3


@pytest.mark.parametrize("letter", ["a", "é"])
def test_what_waits_shares_its_messages_with_all_records_of_the_conversation(letter: str) -> None:
    """A conversation is in every record of it: a hundred of them take little more than one."""
    redactor = Redactor()
    request = CompletionRequest(messages=tuple(user(letter * 1_000) for _ in range(30)))
    record(request=request, secrets=redactor)  # its messages are remembered from here on

    assert kept(lambda own: [own.line(record(at, request=request, secrets=redactor)) for at in range(100)]) < 0.2


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
