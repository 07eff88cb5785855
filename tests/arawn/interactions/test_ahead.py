"""A clock that was ahead for a moment: the log says so, and `repair` brings its lines back to their days."""

from __future__ import annotations

import contextlib
import logging
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from arawn.config.schema import InteractionLogConfig
from arawn.interactions.ahead import files_ahead
from arawn.interactions.files import day_files
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
    return repair(log, CONFIG, clock=lambda: at)


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


def test_a_clock_that_is_behind_moves_nothing(tmp_path: Path) -> None:
    """As of a machine that starts in 2020 each time: the files before the newest one have no lines of that time."""
    behind = datetime(2020, 1, 1, tzinfo=UTC)
    write(tmp_path, *days(0, 1), behind)
    repaired = mended(tmp_path, behind + timedelta(hours=1))

    assert repaired.moved == ()
    assert names(tmp_path) == ["2026-01-28.jsonl", "2026-01-29.jsonl"]
    assert check_directory(tmp_path).clean


def test_what_is_no_file_is_not_moved(pinned: Path, tmp_path: Path) -> None:
    """A link in its place stays, with what it leads to; the rest of the repair is done."""
    (pinned / AHEAD).rename(tmp_path / "elsewhere")
    (pinned / AHEAD).symlink_to(tmp_path / "elsewhere")
    before = (tmp_path / "elsewhere").read_bytes()
    repaired = mended(pinned, NOON + timedelta(days=2.1))

    assert (repaired.moved, (tmp_path / "elsewhere").read_bytes()) == ((), before)
    assert any("symbolic link" in text for text in repaired.left)


@LAST_OPERATIONS
def test_a_crash_loses_no_line(tmp_path: Path, operations: slice) -> None:
    """Wherever it comes: the next repair ends the work, and every line is there."""
    at = NOON + timedelta(days=2.1)
    counting = DyingFilesystem()
    write(tmp_path / "count", NOON, FAR, *days(1, 2))
    repair(tmp_path / "count", CONFIG, clock=lambda: at, filesystem=counting)

    for last in range(counting.count)[operations]:
        log = tmp_path / str(last)
        write(log, NOON, FAR, *days(1, 2))
        before = set(lines_of(log))
        with contextlib.suppress(Died):  # but for what the system does for a dead process
            repair(log, CONFIG, clock=lambda: at, filesystem=DyingFilesystem(last))
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
    assert "if the clock is right by now, stop Arawn and run `arawn interactions repair`" in said[0]
    assert caplog.records == []


async def test_the_state_of_the_log_names_what_is_ahead(
    pinned: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """As long as it is there: neither compaction nor retention takes it, which nobody saw before."""
    states = []
    for _ in range(2):
        async with open_housekeeper(
            pinned, InteractionLogConfig(), _tell, clock=lambda: days(2.1)[0], run_in_thread=in_place
        ) as keeper:
            await keeper.wait_first_deletion()
            await trio.sleep(60)
            states.append((keeper.health.state, (keeper.health.reason or "").split(" ", maxsplit=1)[0]))
        mended(pinned, days(2.1)[0])

    assert states == [("degraded", AHEAD), ("ok", "")]


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
