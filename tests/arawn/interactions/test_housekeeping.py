"""Retention and compaction as they run beside the writer: at the start, on each new day, and when things go wrong."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from arawn.config.schema import InteractionLogConfig
from arawn.interactions import compact, housekeeping
from arawn.interactions.compact import Progress, compact_file
from arawn.interactions.files import DayFile
from arawn.interactions.filesystem import Filesystem
from arawn.interactions.housekeeping import Housekeeper, delete_expired, open_housekeeper, plan_deletion
from arawn.interactions.opening import open_day_log
from arawn.interactions.raw_lines import forward_lines
from arawn.interactions.record import LogLine, MarkLine
from arawn.interactions.verify import check_directory
from tests.arawn.interactions.mending_logs import CONFIG, later, written_log
from tests.arawn.interactions.samples import NOON
from tests.arawn.interactions.simulated_filesystem import os_error
from tests.runtimes import configured, in_place, lines, running

DAY = 86_400.0


class Told(list[MarkLine]):
    """Takes marks in the place of the writer."""

    async def __call__(self, line: LogLine) -> None:
        assert isinstance(line, MarkLine)
        self.append(line)

    def details(self, event: str) -> list[dict[str, Any]]:
        return [line.detail for line in self if line.event == event]


class FullDisk(Filesystem):
    """Has no room for compressed files."""

    full = True

    def write(self, fd: int, data: bytes | memoryview) -> int:
        if self.full and bytes(data[:4]) == b"\x28\xb5\x2f\xfd":
            raise os_error(errno.ENOSPC)
        return super().write(fd, data)


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


class NoRoomAtAll(Filesystem):
    """Takes no byte."""

    def write(self, fd: int, data: bytes | memoryview) -> int:
        raise os_error(errno.ENOSPC)


class HungDisk(Filesystem):
    """Does not come back from a sync of what is written aside until it is told to answer."""

    def __init__(self) -> None:
        super().__init__()
        self.hangs = threading.Event()
        self.answers = threading.Event()
        self.over = threading.Event()

    def fdatasync(self, fd: int) -> None:
        if os.fstat(fd).st_size > 0 and os.pread(fd, 4, 0) == b"\x28\xb5\x2f\xfd":
            self.hangs.set()
            self.answers.wait()
        super().fdatasync(fd)

    def unlink(self, path: Path) -> None:
        super().unlink(path)
        if path.suffix == ".new":
            self.over.set()


def virtual_time() -> datetime:
    """A time of day that goes with the virtual clock."""
    return NOON + timedelta(seconds=trio.current_time() - START[0])


START = [0.0]


@asynccontextmanager
async def keeping(directory: Path, told: Told, **settings: Any) -> AsyncIterator[Housekeeper]:
    START[0] = trio.current_time()
    filesystem = settings.pop("filesystem", None)
    async with open_housekeeper(
        directory,
        InteractionLogConfig(**settings),
        told,
        clock=virtual_time,
        run_in_thread=in_place,
        filesystem=filesystem,
    ) as keeper:
        yield keeper


def day_file(directory: Path, days_ago: int, content: str = '{"kind":"x"}\n') -> str:
    """Write the file of so many days before the start; return its name without endings."""
    stem = f"interactions-{NOON - timedelta(days=days_ago):%Y-%m-%d}"
    (directory / f"{stem}.jsonl").write_text(content)
    return stem


def present(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir() if not path.name.startswith("."))


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


async def test_without_room_for_its_note_it_still_makes_room(tmp_path: Path, autojump_clock: MockClock) -> None:
    """On a full disk days are deleted all the same, and told."""
    told, old = Told(), day_file(tmp_path, 100)

    async with keeping(tmp_path, told, filesystem=NoRoomAtAll()) as keeper:
        await trio.sleep(60)
        health = keeper.health

    assert told.details("retention")[0]["removed"] == [f"{old}.jsonl"]
    assert "cannot write `.last-housekeeping`" in (health.reason or "")


async def test_a_hung_disk_does_not_hold_up_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The step under way is left behind; whether or not it ends after that, its source is still there."""
    monkeypatch.setattr(housekeeping, "_SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(housekeeping, "_HUNG_SECONDS", 0.2)
    stem, disk = day_file(tmp_path, 3), HungDisk()
    day_file(tmp_path, 0)

    with trio.fail_after(5):
        async with open_housekeeper(
            tmp_path, InteractionLogConfig(), Told(), filesystem=disk, clock=lambda: NOON
        ) as keeper:
            await trio.to_thread.run_sync(disk.hangs.wait)
    disk.answers.set()
    await trio.to_thread.run_sync(disk.over.wait)

    assert keeper.health.state == "ok"
    assert f"{stem}.jsonl" in present(tmp_path)


async def test_other_threads_do_not_hold_it_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many threads of the process wait for something, it has one of its own."""
    monkeypatch.setattr(housekeeping, "_SETTLE_SECONDS", 0.0)
    stem, go_on = day_file(tmp_path, 3), threading.Event()
    day_file(tmp_path, 0)
    done = trio.Event()

    async def tell(_: LogLine) -> None:
        await trio.lowlevel.checkpoint()
        done.set()

    async with trio.open_nursery() as nursery:
        for _ in range(int(trio.to_thread.current_default_thread_limiter().total_tokens)):
            nursery.start_soon(partial(trio.to_thread.run_sync, go_on.wait))
        with trio.fail_after(5):
            async with open_housekeeper(tmp_path, InteractionLogConfig(), tell, clock=lambda: NOON):
                await done.wait()
        go_on.set()

    assert f"{stem}.jsonl.zst" in present(tmp_path)


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


async def test_a_damaged_memory_of_the_last_run_deletes_nothing(tmp_path: Path, autojump_clock: MockClock) -> None:
    """When it cannot be known that the clock is right, it is taken to have jumped."""
    stem = day_file(tmp_path, 500)
    (tmp_path / ".last-housekeeping").write_text("{")

    async with keeping(tmp_path, Told(), compact_after_days=0):
        await trio.sleep(60)

    assert present(tmp_path) == [f"{stem}.jsonl"]
    assert (tmp_path / ".last-housekeeping").stat().st_mode & 0o777 == 0o600


async def test_what_a_crash_left_is_removed(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Unfinished files of another life are of no use; other files are nobody's business."""
    for name in ("interactions-2026-01-01.jsonl.zst.new", "interactions-2026-01-01.manifest.json.new", "notes.new"):
        (tmp_path / name).write_bytes(b"half")

    async with keeping(tmp_path, Told()):
        await trio.sleep(60)

    assert present(tmp_path) == ["notes.new"]


async def test_a_full_disk_is_said_and_tried_again(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """The state, a mark and the logs tell of it; nothing is lost; the next day it works."""
    told, disk = Told(), FullDisk()
    stem = day_file(tmp_path, 3)
    day_file(tmp_path, -1)
    async with keeping(tmp_path, told, filesystem=disk) as keeper:
        await trio.sleep(60)
        full, files = keeper.health, present(tmp_path)
        disk.full = False
        await trio.sleep(DAY)
        after = keeper.health

    assert full.state == "degraded"
    assert "No space left on device; nothing is lost" in (full.reason or "")
    assert files == [f"{stem}.jsonl", "interactions-2026-01-29.jsonl"]
    assert after.state == "ok"
    assert [("error" in detail) for detail in told.details("compaction")] == [True, False]
    assert "degraded" in caplog.text
    assert present(tmp_path)[0] == f"{stem}.jsonl.zst"


async def test_what_cannot_be_read_or_removed_holds_up_nothing(tmp_path: Path, autojump_clock: MockClock) -> None:
    """A directory with the name of a day, a link: named, and the other days are done."""
    good = day_file(tmp_path, 3)
    day_file(tmp_path, -1)
    (tmp_path / "interactions-2026-01-20.jsonl").mkdir()
    (tmp_path / "interactions-2026-01-21.jsonl").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "interactions-2020-01-01.jsonl").mkdir()

    async with keeping(tmp_path, Told()) as keeper:
        await trio.sleep(60)

    assert f"{good}.jsonl.zst" in present(tmp_path)
    for day in ("2026-01-20", "2026-01-21", "2020-01-01"):
        assert f"interactions-{day}.jsonl" in (keeper.health.reason or "")


async def test_stopping_ends_a_compaction_between_two_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The part stays as it was, and what was written aside is gone."""
    stem = day_file(tmp_path, 3, '{"kind":"x"}\n' * 1000)
    newest = day_file(tmp_path, 0)
    monkeypatch.setattr("arawn.interactions.housekeeping._SETTLE_SECONDS", 0.0)
    begun = trio.Event()

    async def noticing(sync_fn: Any) -> Any:
        result = await in_place(sync_fn)
        if (tmp_path / f"{stem}.jsonl.zst.new").exists():
            begun.set()
        return result

    async with open_housekeeper(tmp_path, InteractionLogConfig(), Told(), clock=lambda: NOON, run_in_thread=noticing):
        await begun.wait()

    assert present(tmp_path) == [f"{stem}.jsonl", f"{newest}.jsonl"]


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


async def test_a_crash_of_housekeeping_is_survived(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is restarted with back-off, and calls go on."""
    crashes = []

    def crash(*_: object) -> None:
        crashes.append(trio.current_time())
        raise RuntimeError("planted")

    monkeypatch.setattr("arawn.interactions.housekeeping.remove_unfinished", crash)
    async with running(configured(tmp_path)) as runtime:
        await trio.sleep(300)
        await runtime.workstream("talk").send("one")
        (part,) = (child for child in runtime.status().tree.children if child.name == "housekeeping")

    assert len(crashes) - 1 <= part.restarts <= len(crashes) < 12
    assert "planted" in (part.last_crash or "")
    waits = [later - earlier for earlier, later in pairwise(crashes)]
    assert waits == sorted(waits)
