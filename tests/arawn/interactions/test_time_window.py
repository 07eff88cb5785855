"""Days and times as people type them, in the zone that they ask for."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from arawn.errors import BadInput
from arawn.interactions.filters import time_window
from tests.arawn.interactions.samples import NOON

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("typed", "start", "end"),
    [
        ({"on": "2026-01-28"}, "2026-01-27T23:00", "2026-01-28T23:00"),
        ({"on": "today"}, "2026-01-27T23:00", "2026-01-28T23:00"),
        ({"on": "yesterday"}, "2026-01-26T23:00", "2026-01-27T23:00"),
        ({"on": "2026-03-29"}, "2026-03-28T23:00", "2026-03-29T22:00"),  # the day that summer time begins
        ({"since": "2h"}, "2026-01-28T10:00", None),
        ({"since": "2026-01-28T08:30", "until": "2026-01-28"}, "2026-01-28T07:30", "2026-01-28T23:00"),
        ({"until": "2026-01-28T08:30+00:00"}, None, "2026-01-28T08:30"),
        ({"on": "today", "since": "1h"}, "2026-01-28T11:00", "2026-01-28T23:00"),
        ({"since": "yesterday", "until": "Today"}, "2026-01-26T23:00", "2026-01-28T23:00"),
        ({"since": "1.5h", "until": "now"}, "2026-01-28T10:30", "2026-01-28T12:00"),
        ({"since": "2H", "until": "30M"}, "2026-01-28T10:00", "2026-01-28T11:30"),
        ({"since": "120s"}, "2026-01-28T11:58", None),
        ({"since": "1w", "until": "1d"}, "2026-01-21T12:00", "2026-01-27T12:00"),
        (
            {"since": "2026-01-28 08:30:00", "until": "2026-01-28T09:30:00.000000Z"},
            "2026-01-28T07:30",
            "2026-01-28T09:30",
        ),
        ({}, None, None),
    ],
)
def test_times_are_read_in_the_zone_asked_for(typed: dict[str, str], start: str | None, end: str | None) -> None:
    """Days begin at local midnight and may have 23 hours."""
    window = time_window(**typed, zone=BERLIN, now=NOON)

    assert window == (start and f"{start}:00.000000Z", end and f"{end}:00.000000Z")


@pytest.mark.parametrize(
    "typed",
    [
        {"on": "tomorrow"},
        {"since": "noon"},
        {"until": "2026-13-01"},
        *({"on": text} for text in ("20260128", "2026-W05-3", "now", "2h", "٢٠٢٦-01-28")),
        *({"since": text} for text in ("20260128", "20260128T1430", "2026-W05-3", "2026-01-28T14", "2026-01-28x14:30")),
        *({"since": text} for text in ("1.h", ".5h", "1e3s", "-2h", "2y", "2026-01-28T14:30+1", "2026-01-28T25:00")),
    ],
    ids=str,
)
def test_other_words_for_times_are_refused(typed: dict[str, str]) -> None:
    """The message shows what would be right."""
    with pytest.raises(BadInput, match="write it as `2026-01-28`"):
        time_window(**typed, zone=UTC, now=datetime.combine(date(2026, 1, 28), NOON.timetz()))
