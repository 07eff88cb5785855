"""A clock that was ahead for a moment: `repair` brings the lines of its log back to their days."""

from __future__ import annotations

import contextlib
import errno
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock
from typing_extensions import override

from arawn.interactions.ahead import files_ahead
from arawn.interactions.files import day_files
from arawn.interactions.filesystem import Filesystem
from arawn.interactions.filters import Filters
from arawn.interactions.follow import Follower
from arawn.interactions.opening import open_day_log
from arawn.interactions.raw_lines import forward_lines
from arawn.interactions.repair import repair
from arawn.interactions.verify import check_directory
from tests.arawn.interactions.failing_filesystem import Died, DyingFilesystem
from tests.arawn.interactions.logs_ahead import AHEAD, FAR, days, mended, write
from tests.arawn.interactions.mending_logs import CONFIG, LAST_OPERATIONS, seal
from tests.arawn.interactions.samples import NOON, note

BOOT = datetime(1970, 1, 1, tzinfo=UTC)


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
