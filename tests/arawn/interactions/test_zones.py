"""The zone of this machine, beside the same zone by its name."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arawn.errors import BadInput
from arawn.interactions.filters import time_window
from arawn.interactions.zones import LocalZone

ZONES = {
    "Europe/Berlin": "CET-1CEST,M3.5.0,M10.5.0/3",
    "Australia/Lord_Howe": "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",  # half an hour
    "America/Santiago": "<-04>4<-03>,M9.1.6/24,M4.1.6/24",  # at midnight: a day without its first hour
    "Asia/Kathmandu": "<+0545>-5:45",
}
MOMENTS = st.datetimes(datetime(2024, 1, 1), datetime(2037, 12, 30))  # noqa: DTZ001  # read as UTC
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)

Here = Callable[[str], tzinfo]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[Here]:
    """Put this process where the zone of that name holds, and return its local zone."""

    def go(name: str) -> tzinfo:
        monkeypatch.setenv("TZ", ZONES[name])
        time.tzset()
        return LocalZone()

    yield go
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("zone", ["UTC+24", "UTC-24:30", "AAA-23BBB-24,M3.5.0,M10.5.0"])
def test_clocks_a_day_from_utc_are_no_clocks(zone: str, here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    """`TZ` may say so; the message names it."""
    monkeypatch.setitem(ZONES, "wrong", zone)

    with pytest.raises(BadInput, match=f"`TZ` is `{re.escape(zone)}`"):
        NOW.astimezone(here("wrong"))
    with pytest.raises(BadInput, match="`TZ`"):
        NOW.replace(tzinfo=LocalZone()).utcoffset()


@pytest.mark.parametrize("name", ZONES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moment=MOMENTS)
def test_clocks_show_what_they_show_in_the_zone_of_that_name(here: Here, name: str, moment: datetime) -> None:
    """From UTC and back, the hour that comes twice included."""
    zone, known = here(name), ZoneInfo(name)
    local, expected = (moment.replace(tzinfo=UTC).astimezone(each) for each in (zone, known))

    assert (local.replace(tzinfo=None), local.fold) == (expected.replace(tzinfo=None), expected.fold)
    assert local.utcoffset() == expected.utcoffset()
    assert local.astimezone(UTC) == moment.replace(tzinfo=UTC)


@pytest.mark.parametrize("name", ZONES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_time_parts_what_clocks_show_before_it_and_from_it_on(here: Here, name: str, data: st.DataObject) -> None:
    """Also near a change, where some times come twice and others never: nothing is in both, nothing in neither."""
    zone = here(name)
    year = data.draw(st.integers(2024, 2037))
    near = datetime.combine(data.draw(st.sampled_from(_changes(zone, year) or [date(year, 1, 1)])), datetime.min.time())
    typed = near + timedelta(minutes=data.draw(st.integers(-180, 1_620)))
    start, end = (time_window(**{way: f"{typed:%Y-%m-%d %H:%M}"}, zone=zone, now=NOW) for way in ("since", "until"))

    assert start[0] == end[1]
    assert start[0] is not None
    first = datetime.fromisoformat(start[0]).astimezone(zone).replace(tzinfo=None)
    before = (datetime.fromisoformat(start[0]) - timedelta(seconds=1)).astimezone(zone).replace(tzinfo=None)
    assert before < typed <= first


def _changes(zone: tzinfo, year: int) -> list[date]:
    """Return the days of a year on which clocks are set."""
    days = [date(year, 1, 1) + timedelta(days=number) for number in range(364)]
    noons = [datetime.combine(day, datetime.min.time(), zone) for day in days]
    return [
        day for day, noon in zip(days, noons, strict=True) if noon.utcoffset() != (noon + timedelta(days=1)).utcoffset()
    ]


def test_a_day_that_begins_at_one_begins_when_it_begins(here: Here) -> None:
    """Where clocks are set at midnight."""
    assert time_window(on="2026-09-06", zone=here("America/Santiago"), now=NOW) == (
        "2026-09-06T04:00:00.000000Z",
        "2026-09-07T03:00:00.000000Z",
    )


@pytest.mark.parametrize("name", ZONES)
@pytest.mark.parametrize("day", ["0001-01-01", "0001-01-02", "9999-12-31"])
def test_the_ends_of_the_calendar_are_days_or_refused(here: Here, name: str, day: str) -> None:
    """In words, as any other zone does it."""
    zone = here(name)
    try:
        since, _ = time_window(since=day, zone=zone, now=NOW)
    except BadInput as error:
        assert "the year 1 or after the year 9999" in str(error)  # noqa: PT017  # either may be
    else:
        assert since is not None
