"""What `interactions list` shows on terminals that are too narrow for all of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from arawn.cli.record_view import HEADERS, call_table
from arawn.cli.table_fit import fitted
from arawn.errors import BadRequest
from arawn.interactions.record import InteractionHead
from tests.arawn.interactions.samples import NOON, record

NOW = NOON + timedelta(hours=1)


def shown(heads: list[InteractionHead], columns: int, now: datetime = NOW) -> tuple[list[dict[str, str]], int]:
    """Return the rows as they are cut, by header, and how many columns they take."""
    rows, elastic = call_table(heads, UTC, columns, now=now)
    headers, kept, widths = fitted(HEADERS, rows, columns, elastic)
    cells = [[cell[:width] for cell, width in zip(line, widths, strict=True)] for line in kept]
    return [dict(zip(headers, line, strict=True)) for line in cells], sum(widths) + 2 * (len(widths) - 1)


@pytest.fixture
def heads() -> list[InteractionHead]:
    """An answer and a failure, a minute apart."""
    failed = record(2, NOON + timedelta(minutes=1), status="error", error=BadRequest("no"))
    return [record(1, NOON), failed]


def test_a_failure_never_looks_like_an_answer(heads: list[InteractionHead]) -> None:
    """Profile and status stay, however narrow the terminal; ids stay apart."""
    for columns in range(45, 200):
        rows, width = shown(heads, columns)

        assert width <= columns
        assert [row["status"][:5] for row in rows] == ["ok", "error"]
        assert [row["profile"][:4] for row in rows] == ["fast", "fast"]
        assert len({row["id"] for row in rows}) == 2


@pytest.mark.parametrize(
    ("now", "time"),
    [
        (NOW, "12:00:00"),
        (NOON + timedelta(days=3), "01-28 12:00"),
        (NOON + timedelta(days=400), "2026-01-28"),
    ],
)
def test_the_day_goes_first(heads: list[InteractionHead], now: datetime, time: str) -> None:
    """Of today only the time is needed; a wide terminal has all of it."""
    narrow, _ = shown(heads, 60, now)
    wide, _ = shown(heads, 200, now)

    assert narrow[0]["time"] == time
    assert narrow[1]["status"] == "error BadRequest"
    assert wide[0]["time"] == "2026-01-28 12:00:00"
    assert len(wide[0]["id"]) == 23
