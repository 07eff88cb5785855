"""A log with lines of a day to come says so, at its start and in its state, as long as they are there."""

from __future__ import annotations

import errno
import logging
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock
from typing_extensions import override

from arawn.config.schema import InteractionLogConfig
from arawn.interactions.ahead import files_ahead
from arawn.interactions.filesystem import Filesystem
from arawn.interactions.housekeeping import open_housekeeper
from arawn.interactions.record import LogLine
from arawn.interactions.writer import open_writer
from tests.arawn.interactions.logs_ahead import AHEAD, days, mended, write
from tests.arawn.interactions.mending_logs import CONFIG
from tests.arawn.interactions.samples import NOON, Clock
from tests.runtimes import in_place


async def _tell(_: LogLine) -> None:
    pass


async def test_a_writer_says_what_is_ahead(pinned: Path, caplog: pytest.LogCaptureFixture) -> None:
    """In one line, with the remedy; it says nothing where all is well, nor of tomorrow's file."""
    clock = Clock(NOON + timedelta(days=2.1))
    async with open_writer(InteractionLogConfig(), pinned, clock=clock, run_in_thread=in_place):
        pass
    said = [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]
    caplog.clear()
    mended(pinned, clock.at)
    clock.at -= timedelta(days=1)
    async with open_writer(InteractionLogConfig(), pinned, clock=clock, run_in_thread=in_place):
        pass

    assert len(said) == 1
    assert said[0].startswith(f"{AHEAD} is of a day to come, today being 2026-01-30 (UTC)")
    assert "if the clock is right by now, stop Arawn and run `arawn interactions repair --today`" in said[0]
    assert caplog.records == []


class ListedOnce(Filesystem):
    """Has no descriptor left to list a directory once the log is open."""

    listed = 0

    @override
    def names(self, path: Path) -> list[str]:
        self.listed += 1
        if self.listed > 3:
            raise OSError(errno.EMFILE, "Too many open files")
        return super().names(path)


async def test_a_writer_needs_no_more_than_the_open_log_to_say_so(
    pinned: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A directory that cannot be listed just then neither ends the start nor leaves the log locked."""
    for _ in range(2):
        async with open_writer(
            CONFIG, pinned, filesystem=ListedOnce(), clock=Clock(NOON + timedelta(days=2.1)), run_in_thread=in_place
        ):
            pass

    assert sum(AHEAD in one.getMessage() for one in caplog.records) == 2


async def test_the_state_of_the_log_names_what_is_ahead(
    pinned: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """As long as it is there: neither compaction nor retention takes it, which nobody saw before."""
    states = []
    for _ in range(2):
        async with open_housekeeper(
            pinned, InteractionLogConfig(), _tell, clock=lambda: days(2.1)[0], run_in_thread=in_place
        ) as keeper:
            await keeper.first_day_done.wait()
            await trio.sleep(60)
            states.append((keeper.health.state, (keeper.health.reason or "").split(" ", maxsplit=1)[0]))
        mended(pinned, days(2.1)[0])

    assert states == [("degraded", AHEAD), ("ok", "")]


async def test_a_clock_that_is_set_right_ends_it(tmp_path: Path, autojump_clock: MockClock) -> None:
    """A machine without a battery begins in 1970 and knows better a minute later; so does the state of its log."""
    write(tmp_path, NOON)
    clock = Clock(datetime(1970, 1, 1, tzinfo=UTC))
    async with open_housekeeper(tmp_path, InteractionLogConfig(), _tell, clock=clock, run_in_thread=in_place) as keeper:
        await trio.sleep(30)
        before, clock.at = keeper.health.state, NOON
        await trio.sleep(120)

        assert (before, keeper.health.state) == ("degraded", "ok")


def test_tomorrow_is_not_ahead() -> None:
    """A clock that steps back over midnight is right again within a day."""
    found = files_ahead([f"interactions-2026-01-{day}.jsonl" for day in (28, 29, 30)], date(2026, 1, 28))

    assert [file.day for file in found] == ["2026-01-30"]
