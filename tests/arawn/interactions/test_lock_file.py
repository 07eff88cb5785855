"""Whether somebody writes is known without touching the lock, and a second writer is told who does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from arawn.interactions import lock_file
from arawn.interactions.directory import LogInUse
from arawn.interactions.filesystem import Filesystem
from arawn.interactions.lock_file import LOCK, Owner, read_owner, write_owner, writer_is_active
from arawn.interactions.opening import open_day_log
from tests.arawn.interactions.mending_logs import CONFIG


def test_a_writer_is_seen_while_it_has_the_lock(tmp_path: Path) -> None:
    """And not before or after."""
    before = writer_is_active(tmp_path)
    log = open_day_log(tmp_path, CONFIG)
    during = writer_is_active(tmp_path)
    log.close()

    assert (before, during, writer_is_active(tmp_path)) == (False, True, False)


@pytest.mark.parametrize(
    ("device", "pid", "is_active"),
    [("own", 1, True), ("ff:ff", 1, False), ("ff:ff", os.getpid(), True)],
    ids=["this file", "a file of the same number elsewhere", "a file system with a device of its own making"],
)
def test_files_of_other_devices_are_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str, pid: int, *, is_active: bool
) -> None:
    """The kernel's list names files by device and number; the same number alone proves nothing."""
    log = tmp_path / "log"
    open_day_log(log, CONFIG).close()
    found = (log / ".lock").stat()
    own = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}"
    locks = tmp_path / "locks"
    locks.write_text(f"1: FLOCK  ADVISORY  WRITE {pid} {own if device == 'own' else device}:{found.st_ino} 0 EOF\n")
    monkeypatch.setattr(lock_file, "_LOCKS", locks)

    assert writer_is_active(log) is is_active


@pytest.mark.parametrize("data", [b"", b"{", b'{"pid":1,"started":"\xff"}'], ids=["empty", "cut", "no text"])
def test_a_lock_file_that_nobody_can_read_names_nobody(data: bytes, tmp_path: Path) -> None:
    """It is no fault of the log."""
    (tmp_path / LOCK).write_bytes(data)

    assert read_owner(Filesystem(), tmp_path) is None


def test_a_second_writer_is_told_who_writes(tmp_path: Path) -> None:
    """One writer a directory; the second fails at once with the first one's process id."""
    first = open_day_log(tmp_path, CONFIG)
    owner = msgspec.json.decode((tmp_path / ".lock").read_bytes(), type=Owner)
    (tmp_path / ".lock").write_bytes(msgspec.json.encode(msgspec.structs.replace(owner, pid=1)))

    with pytest.raises(LogInUse, match=r"process 1 \(started 2.*\) is writing to it; .* if it is a daemon, name"):
        open_day_log(tmp_path, CONFIG)

    first.close()
    open_day_log(tmp_path, CONFIG).close()


def test_a_second_writer_in_one_process_is_told_that_it_is_this_one(tmp_path: Path) -> None:
    """There is nobody to wait for."""
    first = open_day_log(tmp_path, CONFIG)

    with pytest.raises(
        LogInUse, match=rf"this process \({os.getpid()}\) is writing to it already; one runtime a log"
    ) as said:
        open_day_log(tmp_path, CONFIG)

    assert "wait" not in str(said.value)
    first.close()
    open_day_log(tmp_path, CONFIG).close()


def test_another_process_of_the_same_number_is_not_taken_for_this_one(tmp_path: Path) -> None:
    """As in containers that share a directory, where each daemon has the number 1."""
    code = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX); print(flush=True); input()"
    command = [sys.executable, "-c", code, str(tmp_path / ".lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        write_owner(Filesystem(), tmp_path, Owner(os.getpid(), "2026-01-28T12:00:00.000000Z"))

        with pytest.raises(LogInUse, match=rf"process {os.getpid()} \(started 2.*\) is writing to it; wait"):
            open_day_log(tmp_path, CONFIG)
