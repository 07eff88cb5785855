"""Real file systems: one that is full, one whose power goes; two processes that want the same directory."""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from arawn.config.schema import InteractionLogConfig
from arawn.errors import LogWriteFailed
from arawn.interactions.opening import open_day_log
from arawn.interactions.verify import check_directory
from arawn.interactions.writer import open_writer
from tests.arawn.interactions.samples import log_files, note, notes_of, whole_lines
from tests.arawn.interactions.test_kill import start_child

_EXT4_IOC_SHUTDOWN = 0x8004587D
_NO_LOG_FLUSH = 2
pytestmark = pytest.mark.slow


def run(*command: str) -> None:
    """Run a command of the system, or skip the test where that is not allowed."""
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"not allowed here: {' '.join(command)}: {error}")


@contextlib.contextmanager
def mounted(at: Path, *arguments: str) -> Iterator[Path]:
    at.mkdir(exist_ok=True)
    run("mount", *arguments, str(at))
    try:
        yield at
    finally:
        subprocess.run(["umount", str(at)], check=True, capture_output=True)


def test_a_small_disk_that_is_full_loses_and_splices_nothing(tmp_path: Path) -> None:
    """Calls wait while a real ENOSPC lasts; what was acknowledged is whole, and the rest follows once there is room."""
    acknowledged: list[int] = []

    async def main(disk: Path) -> None:
        ballast = disk / "ballast"
        async with open_writer(InteractionLogConfig(), disk / "log") as writer:
            ballast.write_bytes(b"x" * 300_000)

            async def write() -> None:
                for number in range(200):
                    await writer.handle([note(number, text="y" * 4_000)])
                    acknowledged.append(number)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(write)
                await writer.health.wait_value(lambda health: health.state == "degraded")
                before = len(acknowledged)
                assert notes_of(whole_lines(log_files(disk / "log"))) == list(range(before))
                ballast.unlink()
                await writer.health.wait_value(lambda health: health.state == "ok")

    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=1M", "tmpfs") as disk:
        trio.run(main, disk)

        found = notes_of(whole_lines(log_files(disk / "log")))
    assert found == acknowledged == list(range(200))


def test_what_a_full_disk_lost_is_declared_once_there_is_room(tmp_path: Path) -> None:
    """A writer that ends on a real ENOSPC leaves word of it, which the next one makes a gap of."""
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=1M", "tmpfs") as disk:
        log = open_day_log(disk / "log", InteractionLogConfig())
        ballast = disk / "ballast"
        with contextlib.suppress(OSError):
            ballast.write_bytes(b"x" * (2 << 20))
        log.take([note(1, text="y" * 8_000)])
        with pytest.raises(LogWriteFailed):
            log.close()
        before = check_directory(disk / "log")
        ballast.unlink()
        open_day_log(disk / "log", InteractionLogConfig()).close()
        after = check_directory(disk / "log")

    assert [problem.file for problem in before.problems] == [".lock"]
    assert ([loss.count for loss in after.declared], after.problems) == ([1], ())


@contextlib.contextmanager
def power_cut(disk: Path) -> Iterator[None]:
    """Cut the power of the file system at `disk` when the block ends: what is not on its device is gone."""
    yield
    handle = os.open(disk, os.O_RDONLY)
    try:
        fcntl.ioctl(handle, _EXT4_IOC_SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
    except OSError as error:
        pytest.skip(f"this kernel cannot shut a file system down: {error}")
    finally:
        os.close(handle)


@pytest.mark.parametrize("seed", range(5))
def test_a_power_loss_takes_nothing_that_was_synced(tmp_path: Path, seed: int) -> None:
    """On a real ext4: every line synced before is there, every line that is there is whole, but for a torn tail."""
    rng, image, synced = random.Random(seed), tmp_path / "image", set[int]()
    with image.open("wb") as file:
        file.truncate(32 << 20)
    run("mkfs.ext4", "-q", str(image))

    with mounted(tmp_path / "disk", "-o", "loop", str(image)) as disk, power_cut(disk):
        log = open_day_log(disk / "log", InteractionLogConfig())
        written = set[int]()
        for number in range(rng.randrange(1, 60)):
            log.append([note(number, text="z" * rng.choice((10, 5_000)))])
            written.add(number)
            if rng.random() < 0.3:
                log.sync()
                synced |= written
        log.release_files()
        os.close(log._directory.lock)
    with mounted(tmp_path / "disk", "-o", "loop", str(image)) as disk:
        open_day_log(disk / "log", InteractionLogConfig()).close()
        found = notes_of(whole_lines(log_files(disk / "log")))

    assert synced <= set(found) <= written
    assert found == sorted(found)


def test_a_power_loss_takes_nothing_acknowledged_under_always(tmp_path: Path) -> None:
    """On a real ext4, under the real writer: an acknowledgement means that the line is on the device."""
    image, acknowledged = tmp_path / "image", list[int]()
    with image.open("wb") as file:
        file.truncate(32 << 20)
    run("mkfs.ext4", "-q", str(image))

    async def main(disk: Path) -> None:
        async with open_writer(InteractionLogConfig(sync="always"), disk / "log") as writer:
            for number in range(30):
                await writer.handle([note(number, text="z" * 1_000)])
                acknowledged.append(number)
            with power_cut(disk):
                pass

    with mounted(tmp_path / "disk", "-o", "loop", str(image)) as disk:
        with contextlib.suppress(LogWriteFailed):  # it cannot write its last mark any more
            trio.run(main, disk)
    with mounted(tmp_path / "disk", "-o", "loop", str(image)) as disk:
        open_day_log(disk / "log", InteractionLogConfig()).close()
        found = notes_of(whole_lines(log_files(disk / "log")))

    assert acknowledged == found == list(range(30))


def test_of_many_writers_that_start_at_once_one_writes(tmp_path: Path) -> None:
    """The others end at once, each naming the process that holds the directory."""
    children = [start_child(tmp_path, number * 1_000_000, 10) for number in range(4)]
    try:
        outputs = {child.pid: (child.stdout, child) for child in children if child.stdout is not None}
        winners = [child.pid for stdout, child in outputs.values() if stdout.readline()]
        losers = [child for child in children if child.pid not in winners]
        assert len(winners) == 1
        assert all(child.wait() == 1 for child in losers)
    finally:
        for child in children:
            child.kill()
            child.wait()
            assert child.stdout is not None
            child.stdout.close()
    open_day_log(tmp_path, InteractionLogConfig()).close()
    writers = {line["writer"] for line in whole_lines(log_files(tmp_path)) if line["kind"] == "feedback"}

    assert len(writers) == 1
