"""Local days and times on both sides of both changes of a year, without `--tz`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import datetime

import pytest

from arawn.interactions.opening import open_day_log
from tests.arawn.cli.conftest import Command
from tests.arawn.cli.place import Place
from tests.arawn.interactions.mending_logs import CONFIG, Tokens
from tests.arawn.interactions.samples import Clock, record

BERLIN = "CET-1CEST,M3.5.0,M10.5.0/3"  # as `Europe/Berlin`, on a machine without a table of zones too
SHOWN = {  # when calls begin, in UTC, and what a clock in Berlin shows then
    "2026-03-28T22:59Z": "2026-03-28 23:59:00",
    "2026-03-28T23:00Z": "2026-03-29 00:00:00",
    "2026-03-29T00:59Z": "2026-03-29 01:59:00",
    "2026-03-29T01:00Z": "2026-03-29 03:00:00",
    "2026-03-29T21:59Z": "2026-03-29 23:59:00",
    "2026-03-29T22:00Z": "2026-03-30 00:00:00",
    "2026-10-24T21:59Z": "2026-10-24 23:59:00",
    "2026-10-24T22:00Z": "2026-10-25 00:00:00",
    "2026-10-25T00:30Z": "2026-10-25 02:30:00",
    "2026-10-25T01:30Z": "2026-10-25 02:30:00",
    "2026-10-25T22:59Z": "2026-10-25 23:59:00",
    "2026-10-25T23:00Z": "2026-10-26 00:00:00",
}
TIMES = list(SHOWN.values())


@pytest.fixture
def calls(place: Place) -> None:
    """There is a call at each of those moments."""
    clock, tokens = Clock(), Tokens()
    for number, moment in enumerate(SHOWN):
        clock.at = datetime.fromisoformat(moment)
        log = open_day_log(place.log, CONFIG, clock=clock, token=tokens)
        log.append([record(number, clock.at)])
        log.close()


@pytest.fixture
def berlin(calls: None, command: Command, monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """The command, whose clock shows the time of Berlin."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", BERLIN)
        time.tzset()
        yield command
    time.tzset()


def times(text: str) -> list[str]:
    """Return the times at the beginning of the rows of a listing."""
    return [line[:19] for line in text.splitlines() if line[:2] == "20"]


@pytest.mark.parametrize("arguments", [["list", "-n", "99"], ["tail", "-n", "99"], ["search", "question"]])
def test_calls_are_shown_at_the_time_of_then(berlin: Command, arguments: list[str]) -> None:
    """In winter and in summer, whenever one looks."""
    assert sorted(times(berlin("interactions", *arguments).out)) == TIMES


def test_a_call_is_shown_with_the_zone_of_then(berlin: Command) -> None:
    """Two calls that began at the same time of the clock are told apart by its name."""
    ids = [head["id"] for head in json.loads(berlin("interactions", "list", "--json", "-n", "99").out)]
    twice = [berlin("interactions", "show", ids[place]).out for place in (8, 9)]

    assert "2026-10-25 02:30:00.000000 CEST" in twice[0]
    assert "2026-10-25 02:30:00.000000 CET" in twice[1]


@pytest.mark.parametrize(
    ("window", "first", "last"),
    [
        (["--date", "2026-03-28"], 0, 1),
        (["--date", "2026-03-29"], 1, 5),
        (["--date", "2026-10-24"], 6, 7),
        (["--date", "2026-10-25"], 7, 11),
        (["--since", "2026-10-25 02:30"], 8, 12),  # twice that night: from the first
        (["--since", "2026-10-25 02:31"], 9, 12),
        (["--since", "2026-10-25 02:30+01:00"], 9, 12),
        (["--until", "2026-10-25 02:30"], 0, 8),
        (["--since", "2026-03-29 02:30"], 3, 12),  # never that night: from when clocks were set past it
        (["--until", "2026-03-29 02:30"], 0, 3),
        (["--since", "2026-03-29", "--until", "2026-03-29"], 1, 5),
    ],
    ids=str,
)
def test_days_and_times_are_those_of_then(berlin: Command, window: list[str], first: int, last: int) -> None:
    """A time that was twice is the first; one that never was is the moment of the change."""
    assert times(berlin("interactions", "list", "-n", "99", *window).out) == TIMES[first:last]


def test_a_process_of_its_own_takes_the_zone_from_its_environment(calls: None, place: Place) -> None:
    """As a user has it."""
    place.environ["TZ"] = BERLIN

    assert sorted(times(place.run("interactions", "list", "-n", "99").stdout)) == TIMES


def test_conversations_are_listed_at_local_times(berlin: Command) -> None:
    """As calls are; JSON has the time in UTC, as it is stored."""
    berlin("workstreams", "new", "x")

    (stored,) = json.loads(berlin("workstreams", "list", "--json").out)
    _, row = berlin("workstreams", "list").out.splitlines()

    changed = datetime.fromisoformat(stored["updated"])
    assert stored["updated"].endswith("+00:00")
    assert row.split(maxsplit=2)[2] == f"{changed.astimezone():%Y-%m-%d %H:%M:%S}"


def test_calls_are_counted_in_the_day_of_then(berlin: Command) -> None:
    """A day has 23 hours, and another one 25."""
    counted = json.loads(berlin("interactions", "stats", "--by", "day", "--json").out)["rows"]

    assert {row["by"]["day"]: row["calls"] for row in counted} == {
        "2026-03-28": 1,
        "2026-03-29": 4,
        "2026-03-30": 1,
        "2026-10-24": 1,
        "2026-10-25": 4,
        "2026-10-26": 1,
    }


def test_a_day_is_exported_and_removed_as_it_is_listed(berlin: Command) -> None:
    """The same calls, and no others."""
    day = ("--date", "2026-10-25")
    listed = [head["timestamp"] for head in json.loads(berlin("interactions", "list", "--json", *day).out)]
    exported = berlin("interactions", "export", "-f", "jsonl", "-o", "-", "-q", *day).out
    removed = berlin("interactions", "rm", "--yes", *day)

    assert [json.loads(line)["timestamp"] for line in exported.splitlines()] == listed
    assert (len(listed), removed.code) == (4, 0)
    left = times(berlin("interactions", "list", "-n", "99").out)
    assert left == [time for time in TIMES if not time.startswith("2026-10-25")]
