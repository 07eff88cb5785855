"""A runtime that ends on a full disk: the next start declares as many records as this one said were lost."""

from __future__ import annotations

import logging
import re
import shutil
from collections import namedtuple
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from arawn.config.schema import InteractionLogConfig
from arawn.errors import LogWriteFailed
from arawn.interactions import last_word, writer
from arawn.interactions.health import LogHealth
from arawn.interactions.journal import Journal
from arawn.interactions.last_word import telling_losses
from arawn.interactions.opening import open_day_log
from arawn.interactions.patience import Patience
from arawn.interactions.verify import check_directory
from arawn.messages import CompletionRequest, user
from tests.arawn.interactions.failing_filesystem import FullDisk
from tests.runtimes import configured, in_place, lines, records, running

LONG = CompletionRequest(messages=(user("x" * 8_000),))


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> FullDisk:
    found = FullDisk()
    monkeypatch.setattr(writer, "Filesystem", lambda: found)
    monkeypatch.setattr(last_word, "Filesystem", lambda: found)
    return found


async def lose(directory: Path, disk: FullDisk, count: int) -> str:
    """Have `count` records lost at a stop; return what is said of it."""
    disk.is_full = False
    with pytest.raises(LogWriteFailed) as failure:
        async with running(configured(directory, answer_wait_ms=100)) as runtime:
            await runtime.complete(LONG)
            disk.is_full = True
            for _ in range(count):
                await runtime.complete(LONG)
    disk.is_full = False
    return str(failure.value)


@pytest.mark.parametrize("count", [1, 2, 6])
async def test_all_that_was_reported_is_declared(
    autojump_clock: MockClock, tmp_path: Path, disk: FullDisk, count: int
) -> None:
    """Also what the writer never came to: `verify` says it at once, and a gap once there is room."""
    said = await lose(tmp_path, disk, count)
    found = check_directory(tmp_path / "log")
    async with running(configured(tmp_path)):
        pass

    words = "1 record is" if count == 1 else f"{count} records are"
    assert said.startswith(f"{words} not in the interaction log: ")
    assert re.findall(r"(\d+) records? never written", " ".join(map(str, found.problems))) == [str(count)]
    assert [line["count"] for line in lines(tmp_path) if line["kind"] == "gap"] == [count]
    assert len(records(tmp_path)) == 1
    assert check_directory(tmp_path / "log").problems == ()


async def test_the_cause_is_the_disk(autojump_clock: MockClock, tmp_path: Path, disk: FullDisk) -> None:
    """Not that the writer has stopped: that is what it came to."""
    said = await lose(tmp_path, disk, 3)
    async with running(configured(tmp_path)):
        pass
    (gap,) = [line for line in lines(tmp_path) if line["kind"] == "gap"]

    for reason in (said, gap["reason"]):
        assert "No space left on device" in reason
        assert ("has stopped" in reason, "tried again" in reason) == (False, False)


async def test_a_cancelled_runtime_declares_it_too(autojump_clock: MockClock, tmp_path: Path, disk: FullDisk) -> None:
    """Whoever leaves the block by a cancellation or an error leaves the same word."""
    with trio.move_on_after(60):
        async with running(configured(tmp_path, answer_wait_ms=100)) as runtime:
            disk.is_full = True
            for _ in range(4):
                await runtime.complete(LONG)
            await trio.sleep_forever()
    disk.is_full = False
    async with running(configured(tmp_path)):
        pass

    assert [line["count"] for line in lines(tmp_path) if line["kind"] == "gap"] == [4]


async def test_losses_of_several_ends_are_each_declared(
    autojump_clock: MockClock, tmp_path: Path, disk: FullDisk
) -> None:
    """A start between them declares what the end before it said, and nothing twice."""
    for count in (2, 3):
        await lose(tmp_path, disk, count)
    async with running(configured(tmp_path)):
        pass

    assert [line["count"] for line in lines(tmp_path) if line["kind"] == "gap"] == [2, 3]


async def test_a_note_that_cannot_be_left_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    """Where the directory is gone, or another process writes there by now; the loss itself is told in any case."""
    journal = Journal(None, patience=Patience(1), writer_health=LogHealth)
    journal.lose("the disk fell asleep")
    writing = open_day_log(tmp_path / "log", InteractionLogConfig())

    for directory in (tmp_path / "log", tmp_path / "gone"):
        with pytest.raises(LogWriteFailed, match="1 record is not in the interaction log: the disk fell asleep"):
            async with telling_losses(directory, lambda: journal, in_place):
                pass
    writing.close()

    said = [one.getMessage() for one in caplog.records if "will not declare" in one.getMessage()]
    assert ["is writing to it" in said[0], "has no lock file" in said[1]] == [True, True]
    assert not (tmp_path / "gone").exists()


async def test_a_start_on_a_full_disk_warns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The words to look for stand beside `ready`; with room nothing is said."""
    usage = namedtuple("usage", "total used free")  # noqa: PYI024  # as `shutil` has it
    said = []
    for free in (1 << 40, 0):
        monkeypatch.setattr(shutil, "disk_usage", lambda _path, free=free: usage(1 << 41, 0, free))
        with caplog.at_level(logging.WARNING, "arawn.log"):
            async with running(configured(tmp_path)):
                pass
        said.append([one.getMessage() for one in caplog.records if "nearly full" in one.getMessage()])

    assert [len(messages) for messages in said] == [0, 1]
    assert f"the disk of `{tmp_path / 'log'}` is nearly full, 0 MiB are free" in said[1][0]
