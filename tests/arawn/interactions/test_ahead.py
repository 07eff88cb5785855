"""A clock that was ahead for a moment: the log says so, and `repair` brings its lines back to their days."""

from __future__ import annotations

import contextlib
import errno
import logging
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock
from typing_extensions import override

from arawn.config.schema import InteractionLogConfig
from arawn.interactions.ahead import files_ahead
from arawn.interactions.files import day_files
from arawn.interactions.filesystem import Filesystem
from arawn.interactions.filters import Filters
from arawn.interactions.follow import Follower
from arawn.interactions.housekeeping import open_housekeeper
from arawn.interactions.opening import open_day_log
from arawn.interactions.raw_lines import forward_lines
from arawn.interactions.record import LogLine
from arawn.interactions.repair import Repaired, repair
from arawn.interactions.verify import check_directory
from arawn.interactions.writer import open_writer
from tests.arawn.interactions.failing_filesystem import Died, DyingFilesystem
from tests.arawn.interactions.mending_logs import CONFIG, LAST_OPERATIONS, seal
from tests.arawn.interactions.samples import NOON, Clock, note, record
from tests.runtimes import in_place

BOOT = datetime(1970, 1, 1, tzinfo=UTC)
FAR = datetime(2038, 1, 19, 3, tzinfo=UTC)
AHEAD = "interactions-2038-01-19.jsonl"


def write(log: Path, *times: datetime) -> None:
    """Have a process for each time write a call at it."""
    for at in times:
        one = open_day_log(log, CONFIG, clock=Clock(at))
        one.append([record(1, at)])
        one.close()


def days(*offsets: float) -> list[datetime]:
    return [NOON + timedelta(days=offset) for offset in offsets]


def mended(log: Path, at: datetime) -> Repaired:
    return repair(log, CONFIG, today=at.date(), clock=lambda: at)


def names(log: Path) -> list[str]:
    return [file.name.removeprefix("interactions-") for file in day_files(path.name for path in log.iterdir())]


def lines_of(log: Path) -> list[bytes]:
    return [line for name in names(log) for _, line in forward_lines(log / f"interactions-{name}")]


def calls_by_file(log: Path) -> dict[str, list[str]]:
    return {
        name: [
            line.split(b'"timestamp":"')[1][:10].decode()
            for _, line in forward_lines(log / f"interactions-{name}")
            if line.startswith(b'{"kind":"interaction"')
        ]
        for name in names(log)
    }


async def _tell(_: LogLine) -> None:
    pass


@pytest.fixture
def pinned(tmp_path: Path) -> Path:
    """A call, one in 2038, and then calls of that day and of the two after it."""
    log = tmp_path / "log"
    write(log, NOON, FAR, *days(0.1, 1, 1.1, 2))
    return log


def test_repair_moves_lines_to_their_days(pinned: Path) -> None:
    """Every line as it was, behind a mark a file; the log is clean, and goes on with the file of today."""
    before = lines_of(pinned)
    repaired = mended(pinned, NOON + timedelta(days=2.1))
    after = lines_of(pinned)

    parts = ["2026-01-28.jsonl", "2026-01-28.part2.jsonl", "2026-01-29.jsonl", "2026-01-30.jsonl"]
    assert [(moved.file, list(moved.into)) for moved in repaired.moved] == [
        (AHEAD, [f"interactions-{name}" for name in parts[1:]])
    ]
    assert (repaired.left, repaired.files, repaired.lost) == ((), (), ())
    assert calls_by_file(pinned) == dict(
        zip(
            parts,
            [["2026-01-28"], ["2038-01-19", "2026-01-28"], ["2026-01-29"] * 2, ["2026-01-30"]],
            strict=True,
        )
    )
    assert [line for line in after if line in set(before)] == before
    assert check_directory(pinned).clean
    write(pinned, *days(2.2, 3))
    assert names(pinned) == [*parts, "2026-01-31.jsonl"]
    assert check_directory(pinned).clean


async def test_who_follows_the_log_goes_on_after_it(pinned: Path, autojump_clock: MockClock) -> None:
    """The file at whose end they stood is gone; what is written later is shown, once, and nothing from before."""
    follower = Follower(pinned, Filters(), on_damage=lambda damage: pytest.fail(str(damage)))
    with trio.move_on_after(1):
        await anext(follower)
    mended(pinned, NOON + timedelta(days=2.1))
    with trio.move_on_after(1):
        pytest.fail(str(await anext(follower)))
    write(pinned, *days(2.2, 3))

    with trio.fail_after(1):
        assert [(await anext(follower)).head.timestamp[:10] for _ in range(2)] == ["2026-01-30", "2026-01-31"]


def test_what_was_moved_is_compressed_and_repaired_as_any_other(pinned: Path) -> None:
    """The mark travels with the lines: a compressed part is clean, and damage beside them costs no line."""
    mended(pinned, NOON + timedelta(days=2.1))
    part = pinned / "interactions-2026-01-28.part2.jsonl"
    text = part.read_bytes()
    part.write_bytes(text + b"{half\n")
    mended(pinned, NOON + timedelta(days=2.2))
    mended_text = part.read_bytes()
    seal(pinned, part.name)

    assert mended_text == text
    assert check_directory(pinned).clean


def test_a_line_of_a_later_day_is_damage_elsewhere(pinned: Path) -> None:
    """As a flipped bit makes one: no mark says that it comes from a file of that day."""
    (pinned / AHEAD).rename(pinned / "interactions-2026-01-30.jsonl")

    assert any("a later day than its file's" in str(problem) for problem in check_directory(pinned).problems)


@pytest.mark.parametrize(
    "times",
    [days(0), [*days(0), BOOT], [BOOT, *days(0), BOOT, *days(1), BOOT, *days(2)]],
    ids=["one day", "and a start", "a start a day"],
)
def test_a_clock_that_is_behind_moves_nothing(tmp_path: Path, times: list[datetime]) -> None:
    """As of a machine that starts in 1970 each time: retention would delete its calls once the clock is right."""
    write(tmp_path, *times)
    before = names(tmp_path)
    repaired = repair(tmp_path, CONFIG, clock=lambda: BOOT + timedelta(hours=1))

    assert (repaired.moved, names(tmp_path)) == ((), before)
    assert check_directory(tmp_path).clean


def test_days_ahead_without_a_line_of_today_are_moved_too(tmp_path: Path) -> None:
    """A clock that was ahead over midnight has made two files, the first of which has only lines of its own day."""
    write(tmp_path, NOON, FAR, FAR + timedelta(days=1), *days(0.1, 1))
    repaired = mended(tmp_path, NOON + timedelta(days=1.1))

    assert (len(repaired.moved), repaired.left) == (2, ())
    assert all(name < "2026-01-30" for name in names(tmp_path))
    assert check_directory(tmp_path).clean


def test_what_is_no_file_is_not_moved(pinned: Path, tmp_path: Path) -> None:
    """A link in its place stays, with what it leads to; the rest of the repair is done."""
    (pinned / AHEAD).rename(tmp_path / "elsewhere")
    (pinned / AHEAD).symlink_to(tmp_path / "elsewhere")
    before = (tmp_path / "elsewhere").read_bytes()
    repaired = mended(pinned, NOON + timedelta(days=2.1))

    assert (repaired.moved, (tmp_path / "elsewhere").read_bytes()) == ((), before)
    assert any("symbolic link" in text for text in repaired.left)


class FullAtTheLastDay(Filesystem):
    """Has room for the first parts."""

    @override
    def open(self, path: Path, flags: int, mode: int) -> int:
        if "2026-01-30" in path.name:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().open(path, flags, mode)


def test_a_disk_that_is_full_half_way_has_no_copies(pinned: Path) -> None:
    """What was made until then is gone again; with room, all lines go to their days, once."""
    before, at = names(pinned), NOON + timedelta(days=2.1)
    for _ in range(2):
        repaired = repair(pinned, CONFIG, today=at.date(), clock=lambda: at, filesystem=FullAtTheLastDay())
        assert "No space left" in repaired.left[0]
        assert names(pinned) == before
    mended(pinned, at)

    report = check_directory(pinned)
    assert (report.clean, report.doubles) == (True, 0)


@LAST_OPERATIONS
def test_a_crash_loses_no_line(tmp_path: Path, operations: slice) -> None:
    """Wherever it comes: the next repair ends the work, and every line is there."""
    at = NOON + timedelta(days=2.1)
    counting = DyingFilesystem()
    write(tmp_path / "count", NOON, FAR, *days(1, 2))
    repair(tmp_path / "count", CONFIG, today=at.date(), clock=lambda: at, filesystem=counting)

    for last in range(counting.count)[operations]:
        log = tmp_path / str(last)
        write(log, NOON, FAR, *days(1, 2))
        before = set(lines_of(log))
        with contextlib.suppress(Died):  # but for what the system does for a dead process
            repair(log, CONFIG, today=at.date(), clock=lambda: at, filesystem=DyingFilesystem(last))
        mended(log, at)
        assert before <= set(lines_of(log)), last
        assert check_directory(log).clean, last
        assert files_ahead((path.name for path in log.iterdir()), at.date()) == []


@settings(max_examples=40)
@given(st.lists(st.integers(0, 5) | st.just(None), max_size=8))
def test_any_walk_of_the_clock_is_mended(tmp_path_factory: pytest.TempPathFactory, walk: list[int | None]) -> None:
    """None stands for a moment in 2038: each line is kept once, in a file of its day or a later one, or of 2038."""
    log = tmp_path_factory.mktemp("walk") / "log"
    write(log, NOON, *[FAR if day is None else NOON + timedelta(days=day) for day in walk])
    before = lines_of(log)
    mended(log, NOON + timedelta(days=6))

    after = lines_of(log)
    assert [line for line in after if line in set(before)] == before
    assert check_directory(log).clean
    assert all(name < "2026-02-04" for name in names(log))


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


def test_notes_go_with_their_calls(tmp_path: Path) -> None:
    """Other kinds of lines are moved by their dates as well."""
    log = open_day_log(tmp_path, CONFIG, clock=lambda: FAR)
    log.append([note(1, FAR), note(2, NOON), note(3, NOON + timedelta(days=1))])
    log.close()
    mended(tmp_path, NOON + timedelta(days=1))

    assert names(tmp_path) == ["2026-01-28.jsonl", "2026-01-29.jsonl"]
    assert [
        sum(b'"feedback"' in line for _, line in forward_lines(path)) for path in sorted(tmp_path.glob("*.jsonl"))
    ] == [2, 1]
