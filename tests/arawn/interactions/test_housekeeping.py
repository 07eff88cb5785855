"""Retention and compaction as they run beside the writer: at the start, on each new day, and until the end."""

from __future__ import annotations

import errno
from collections.abc import Generator
from datetime import timedelta
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from arawn.config.schema import InteractionLogConfig
from arawn.interactions import compact
from arawn.interactions.compact import Progress, compact_file
from arawn.interactions.files import DayFile
from arawn.interactions.filesystem import Filesystem
from arawn.interactions.housekeeping import delete_expired, open_housekeeper, plan_deletion
from arawn.interactions.opening import open_day_log
from arawn.interactions.raw_lines import forward_lines
from arawn.interactions.record import LogLine
from arawn.interactions.verify import check_directory
from tests.arawn.interactions.keeping_house import DAY, START, Told, day_file, keeping, present, virtual_time
from tests.arawn.interactions.mending_logs import CONFIG, later, written_log
from tests.arawn.interactions.samples import NOON
from tests.arawn.interactions.simulated_filesystem import os_error
from tests.runtimes import configured, in_place, lines, running


class DiesAtUnlink(Filesystem):
    """Ends its process at the nth removal of a file."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._left = number

    def unlink(self, path: Path) -> None:
        self._left -= 1
        if not self._left:
            raise RuntimeError("killed")
        super().unlink(path)


async def test_it_runs_at_the_start_and_on_every_new_day(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Days are deleted and compressed when their time comes, while the process lives."""
    told = Told()
    old, kept, today = (day_file(tmp_path, days) for days in (4, 2, 0))
    async with keeping(tmp_path, told, retention_days=3, compact_after_days=1):
        await trio.sleep(60)
        first = present(tmp_path)
        day_file(tmp_path, -2)  # the writer goes on in a later file
        await trio.sleep(2 * DAY)
        second = present(tmp_path)

    assert first == [f"{kept}.jsonl.zst", f"{kept}.manifest.json", f"{today}.jsonl"]
    assert second == [f"{today}.jsonl.zst", f"{today}.manifest.json", "interactions-2026-01-30.jsonl"]
    assert [detail["removed"] for detail in told.details("retention")] == [
        [f"{old}.jsonl"],
        [f"{kept}.jsonl.zst", f"{kept}.manifest.json"],
    ]
    assert [detail["file"] for detail in told.details("compaction")] == [f"{kept}.jsonl", f"{today}.jsonl"]


async def test_the_log_says_of_a_deletion_only_what_is_done(tmp_path: Path, autojump_clock: MockClock) -> None:
    """When the mark is written, what it names is gone; what could not be removed is not in it."""
    told, files = Told(), [day_file(tmp_path, days) for days in (9, 8, 0)]
    (tmp_path / "interactions-2020-01-01.jsonl").mkdir()
    at_mark: list[list[str]] = []

    async def tell(line: LogLine) -> None:
        at_mark.append(present(tmp_path))
        await told(line)

    START[0] = trio.current_time()
    config = InteractionLogConfig(retention_days=3, compact_after_days=0)
    async with open_housekeeper(tmp_path, config, tell, clock=virtual_time, run_in_thread=in_place):
        await trio.sleep(60)

    assert told.details("retention") == [
        {"retention_days": 3, "removed": [f"{files[0]}.jsonl", f"{files[1]}.jsonl"]},
    ]
    assert at_mark == [["interactions-2020-01-01.jsonl", f"{files[2]}.jsonl"]]


async def test_a_process_that_ends_at_once_has_deleted_and_said_so(tmp_path: Path, autojump_clock: MockClock) -> None:
    """However short it lives, its mark is true, and the process after it has nothing left to delete or to say."""
    told, today = Told(), None
    day_file(tmp_path, 100)
    for _ in range(2):
        today = day_file(tmp_path, 0)
        async with keeping(tmp_path, told):
            pass

    assert present(tmp_path) == [f"{today}.jsonl"]
    assert len(told.details("retention")) == 1
    assert (tmp_path / ".last-housekeeping").exists()


async def test_a_question_asked_and_gone_keeps_no_day_for_ever(tmp_path: Path) -> None:
    """A runtime that answers one call and closes has removed what is past its time, with one true mark."""
    (tmp_path / "log").mkdir(mode=0o700)
    old = tmp_path / "log" / "interactions-2001-01-01.jsonl"
    old.write_text("{}\n")
    old.chmod(0o600)
    for _ in range(2):
        async with running(configured(tmp_path)) as runtime:
            await runtime.workstream("talk").send("hi")

    removed = [line["detail"]["removed"] for line in lines(tmp_path) if line.get("event") == "retention"]
    assert not old.exists()
    assert removed == [[old.name]]


@pytest.mark.parametrize("sealed", [False, True])
async def test_a_deletion_that_was_cut_short_is_ended_and_told_by_the_next_process(
    tmp_path: Path, autojump_clock: MockClock, *, sealed: bool
) -> None:
    """A process that dies with a file removed and no mark written leaves its note: `verify` finds nothing lost."""
    log, told = written_log(tmp_path / "log", days=4, sealed=sealed), Told()
    config = InteractionLogConfig(retention_days=1, compact_after_days=0)
    filesystem, before = DiesAtUnlink(2), set(present(log))
    at = later() + timedelta(days=1)
    plan = plan_deletion(filesystem, log, at.date(), 1)
    with pytest.raises(RuntimeError):
        delete_expired(filesystem, log, plan)
    gone = sorted(before - set(present(log)))
    clean = check_directory(log)

    async with open_housekeeper(log, config, told, clock=lambda: at, run_in_thread=in_place):
        await trio.sleep(60)

    assert (len(gone), clean.problems) == (1, ())
    assert "retention was removing" in clean.notes[0]
    assert told.details("retention")[0]["removed"] == list(plan.delete)
    writer = open_day_log(log, CONFIG, clock=lambda: at)
    writer.append(list(told))
    writer.close()
    assert check_directory(log).problems == ()


async def test_zero_leaves_everything_as_it_is(tmp_path: Path, autojump_clock: MockClock) -> None:
    """`retention_days = 0` keeps for ever, `compact_after_days = 0` never compresses."""
    for days in (0, 2, 5000):
        day_file(tmp_path, days)
    before = present(tmp_path)

    async with keeping(tmp_path, Told(), retention_days=0, compact_after_days=0):
        await trio.sleep(3 * DAY)

    assert present(tmp_path) == before


async def test_the_newest_file_is_never_compressed(tmp_path: Path, autojump_clock: MockClock) -> None:
    """However old it is, the writer may have it open."""
    newest = day_file(tmp_path, 9)

    async with keeping(tmp_path, Told()):
        await trio.sleep(3 * DAY)

    assert present(tmp_path) == [f"{newest}.jsonl"]


async def test_a_jump_of_the_clock_between_two_runs_deletes_nothing(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """The last run is remembered in the directory; a start with a clock far ahead keeps all, and says so."""
    told = Told()
    day_file(tmp_path, 5)
    async with keeping(tmp_path, told, retention_days=10, compact_after_days=0):
        await trio.sleep(60)

    autojump_clock.jump(400 * DAY)
    kept_start = START[0]
    async with open_housekeeper(
        tmp_path,
        InteractionLogConfig(retention_days=10, compact_after_days=0),
        told,
        clock=lambda: NOON + timedelta(seconds=trio.current_time() - kept_start),
        run_in_thread=in_place,
    ):
        await trio.sleep(2 * DAY)
        during = present(tmp_path)
        await trio.sleep(9 * DAY)

    assert len(during) == 1
    assert present(tmp_path) == []  # the new time has lasted
    assert [detail.get("held_until") for detail in told.details("retention")] == ["2027-03-14", None]
    assert "the clock jumped" in caplog.text


def unreadable_2003(filesystem: Filesystem, directory: Path, file: DayFile) -> Generator[Progress, None, None]:
    if file.day == "2003-01-01":
        raise os_error(errno.EIO)
    return compact_file(filesystem, directory, file)


async def test_the_runtime_keeps_house(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a supervised part of its own, tells the log what it did, and its troubles show in `status`."""
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "interactions-2001-01-01.jsonl").write_text("{}\n")
    (tmp_path / "log" / "interactions-2002-01-01.jsonl").write_text("{}\n")
    (tmp_path / "log" / "interactions-2003-01-01.jsonl").write_text("{}\n")
    monkeypatch.setattr(compact, "compact_file", unreadable_2003)

    async with running(configured(tmp_path, retention_days=0)) as runtime:
        await trio.sleep(60)
        status = runtime.status()

    (part,) = (child for child in status.tree.children if child.name == "housekeeping")
    marks = [line["detail"]["file"] for line in lines(tmp_path) if line.get("event") == "compaction"]
    assert part.restarts == 0
    assert marks[:2] == ["interactions-2001-01-01.jsonl", "interactions-2002-01-01.jsonl"]
    assert "Input/output error" in (status.log.health.reason or "")
    assert [len(list(forward_lines(path))) for path in (tmp_path / "log").glob("*.zst")] == [1, 1]
