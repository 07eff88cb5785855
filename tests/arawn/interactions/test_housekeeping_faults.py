"""What housekeeping does when things go wrong: full and hung disks, damaged files, crashes."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from arawn.config.schema import InteractionLogConfig
from arawn.interactions import housekeeping
from arawn.interactions.filesystem import Filesystem
from arawn.interactions.housekeeping import open_housekeeper
from arawn.interactions.record import LogLine
from tests.arawn.interactions.keeping_house import DAY, Told, day_file, keeping, present
from tests.arawn.interactions.samples import NOON
from tests.arawn.interactions.simulated_filesystem import os_error
from tests.runtimes import configured, in_place, running


class FullDisk(Filesystem):
    """Has no room for compressed files."""

    full = True

    def write(self, fd: int, pieces: Sequence[bytes | memoryview]) -> int:
        if self.full and bytes(pieces[0][:4]) == b"\x28\xb5\x2f\xfd":
            raise os_error(errno.ENOSPC)
        return super().write(fd, pieces)


class NoRoomAtAll(Filesystem):
    """Takes no byte."""

    def write(self, fd: int, pieces: Sequence[bytes | memoryview]) -> int:
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


@pytest.mark.parametrize("gone_s", [-1.0, 5.0], ids=["from the start", "before it compresses"])
async def test_a_directory_that_is_gone_is_a_failure_of_that_round(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture, gone_s: float
) -> None:
    """Nothing crashes: the state names it, once; when it is back, what was due is done within a minute."""
    log, elsewhere = tmp_path / "log", tmp_path / "elsewhere"
    elsewhere.mkdir()
    old, closed = day_file(elsewhere, 100), day_file(elsewhere, 3)
    day_file(elsewhere, -1)
    if gone_s > 0:
        elsewhere.rename(log)
    async with keeping(log, Told()) as keeper:
        if gone_s > 0:
            await trio.sleep(gone_s)
            log.rename(elsewhere)
        await trio.sleep(200)
        gone = keeper.health
        elsewhere.rename(log)
        await trio.sleep(75)

        assert (gone.state, keeper.health.state) == ("degraded", "ok")
    assert f"`{log}`: No such file or directory; `{log}` must be a directory that this user may" in (gone.reason or "")
    assert len(caplog.records) == 1
    assert f"{old}.jsonl" not in present(log)
    assert f"{closed}.jsonl.zst" in present(log)


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
