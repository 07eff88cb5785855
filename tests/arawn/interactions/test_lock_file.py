"""Whether somebody writes is known without touching the lock."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from arawn.interactions import lock_file
from arawn.interactions.filesystem import Filesystem
from arawn.interactions.lock_file import LOCK, read_owner, writer_is_active
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
