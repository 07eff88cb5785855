"""What `repair` leaves alone: a log in use, a file that the disk refuses, names that are not its own."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from arawn.errors import LogWriteFailed
from arawn.interactions.filesystem import Filesystem
from arawn.interactions.opening import open_day_log
from arawn.interactions.repair import repair
from arawn.interactions.verify import check_directory
from tests.arawn.interactions.mending_logs import (
    CONFIG,
    FIRST,
    SECOND,
    fresh_copy,
    later,
    mended,
)

pytestmark = pytest.mark.usefixtures("quiet")


def test_modes_are_narrowed_and_names_are_left(whole: Path, tmp_path: Path) -> None:
    """What others could read they cannot any more; what is not ours to rename is named still."""
    log = fresh_copy(whole, tmp_path / "log")
    log.chmod(0o755)
    (log / FIRST).chmod(0o644)
    (log / "interactions-2026-99-01.jsonl").write_bytes(b"")

    repaired = mended(log)

    assert (log / FIRST).stat().st_mode & 0o777 == 0o600
    assert log.stat().st_mode & 0o777 == 0o700
    assert repaired.modes[0] == "."
    assert FIRST in repaired.modes
    assert len(repaired.left) == 1


def test_a_running_daemon_keeps_repair_out(tmp_path: Path) -> None:
    """Whoever rewrites files takes the lock."""
    log = open_day_log(tmp_path, CONFIG)
    try:
        with pytest.raises(LogWriteFailed, match=rf"this process \({os.getpid()}\) is writing to it"):
            mended(tmp_path)
    finally:
        log.close()


def test_a_file_that_the_disk_refuses_keeps_repair_from_nothing_else(whole: Path, tmp_path: Path) -> None:
    """It is named with the reason and stays as it is, nothing of it is declared as lost, and the rest is mended."""
    log = fresh_copy(whole, tmp_path / "log")
    lines = (log / FIRST).read_bytes().splitlines(keepends=True)
    damaged = b"".join(lines[:4]) + b"\0" * 500 + b"\n" + b"".join(lines[5:])
    (log / FIRST).write_bytes(damaged)
    (log / SECOND).write_bytes(b"\0\0\0\n" + (log / SECOND).read_bytes())

    class Refusing(Filesystem):
        def rename(self, source: Path, target: Path) -> None:
            if target.name == FIRST:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            super().rename(source, target)

    repaired = repair(log, CONFIG, filesystem=Refusing(), clock=later)

    assert [file.file for file in repaired.files] == [SECOND]
    assert repaired.left[0] == f"{FIRST}: cannot be mended: Input/output error"
    assert (repaired.lost, check_directory(log).declared) == ((), ())
    assert (log / FIRST).read_bytes() == damaged
    assert (log / SECOND).read_bytes() == (whole / SECOND).read_bytes()
    assert (mended(log).left, check_directory(log).clean) == ((), True)


def test_nobody_is_told_to_kill_a_process_that_does_not_hold_the_log(whole: Path, tmp_path: Path) -> None:
    """The number in the lock file can be one of another container that shares the directory: here, of somebody else."""
    log = fresh_copy(whole, tmp_path / "log")
    bystander = os.getppid()
    lock = log / ".lock"
    lock.write_bytes(b'{"pid":%d,"started":"2026-01-28T00:00:00.000000Z"}' % bystander)

    with lock.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(LogWriteFailed) as refused:
            mended(log)

    assert f"process {bystander} (started 2026-01-28" in str(refused.value)
    assert "`kill " not in str(refused.value)
