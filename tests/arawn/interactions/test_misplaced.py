"""A log whose files, lock or directory are moved while it is open: what is written stays where readers find it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typing_extensions import override

from arawn.errors import LogWriteFailed
from arawn.interactions.day_log import DayLog
from arawn.interactions.directory import LogInUse
from arawn.interactions.filesystem import Filesystem
from arawn.interactions.lock_file import note_unwritten
from tests.arawn.interactions.failing_filesystem import FailingSyncs
from tests.arawn.interactions.moving_files import (
    MOVES,
    Move,
    clear,
    day_file,
    open_log,
    readable_notes,
    removed,
    renamed,
    replaced_by_a_copy,
)
from tests.arawn.interactions.samples import log_files, note, notes_of, whole_lines


def write_on(log: DayLog, number: int) -> str:
    """Write a note after a change outside, as the writer does; return why it had to go to another file."""
    log.append([note(number)])
    with pytest.raises(LogWriteFailed) as failure:
        log.sync()
    log.flush()
    log.sync()
    return str(failure.value)


@pytest.mark.parametrize("move", MOVES)
def test_what_is_not_yet_synced_is_written_where_readers_look(tmp_path: Path, move: Move) -> None:
    """The sync sees that the day's file is not the open one; its lines go to a new file, and the reason names it."""
    log = open_log(tmp_path / "log")
    log.append([note(1)])
    log.sync()
    file = day_file(tmp_path / "log")
    move(file)

    why = write_on(log, 2)

    assert f"`{file.name}` was removed or moved away while it was being written" in why
    clear(file)
    assert 2 in readable_notes(tmp_path / "log")
    log.close()


def test_what_stands_in_the_place_of_a_moved_file_stays(tmp_path: Path) -> None:
    """A file of which nothing was safe is removed once its lines are elsewhere, but never another under its name."""
    log = open_log(tmp_path / "log")
    file = day_file(tmp_path / "log")
    file.rename(tmp_path / "moved")
    file.write_text("of somebody else")

    write_on(log, 1)

    assert file.read_text() == "of somebody else"
    log.close()


@pytest.mark.parametrize("move", [removed, renamed, replaced_by_a_copy])
def test_a_lock_that_nobody_finds_is_taken_anew(tmp_path: Path, move: Move) -> None:
    """No second writer gets in once the next sync has seen it."""
    log = open_log(tmp_path / "log")
    move(tmp_path / "log" / ".lock")

    assert "`.lock`, which keeps other writers out, was removed or moved away" in write_on(log, 1)

    with pytest.raises(LogInUse):
        open_log(tmp_path / "log")
    log.close()
    open_log(tmp_path / "log").close()
    assert readable_notes(tmp_path / "log") == {1}


def test_a_directory_that_is_made_again_is_the_same_log(tmp_path: Path) -> None:
    """It has its lock and its name again, and what was written before the sync."""
    directory = tmp_path / "log"
    log = open_log(directory)
    named = (directory / ".directory-id").read_text()
    shutil.rmtree(directory)
    log.append([note(1)])
    with pytest.raises(LogWriteFailed):
        log.sync()
    with pytest.raises(LogWriteFailed, match="cannot make a new file"):
        log.flush()

    directory.mkdir(0o700)
    log.flush()
    log.sync()

    assert (directory / ".directory-id").read_text() == named
    with pytest.raises(LogInUse):
        open_log(directory)
    log.close()
    assert readable_notes(directory) == {1}


def test_a_directory_that_another_writer_has_taken_meanwhile_is_left_to_it(tmp_path: Path) -> None:
    """Nothing is written beside it; what is to be written waits until it has ended."""
    directory = tmp_path / "log"
    log = open_log(directory)
    (directory / ".lock").unlink()
    other = open_log(directory)
    log.append([note(1)])
    with pytest.raises(LogWriteFailed, match=r"\.lock"):
        log.sync()

    with pytest.raises(LogInUse):
        log.flush()

    assert len(log.pending) > 0
    other.close()
    log.flush()
    log.close()
    assert readable_notes(directory) == {1}


def test_a_file_in_a_directory_that_is_made_again_is_never_removed(tmp_path: Path) -> None:
    """What was worthless in the directory before is nothing to look for in this one."""
    filesystem = FailingSyncs()
    log = open_log(tmp_path / "log", filesystem=filesystem)
    file = day_file(tmp_path / "log")
    filesystem.fails = True
    log.append([note(1)])
    with pytest.raises(LogWriteFailed):
        log.sync()
    filesystem.fails = False
    (tmp_path / "log").rename(tmp_path / "old")
    (tmp_path / "log").mkdir(0o700)
    file.write_text("restored by hand\n")

    log.flush()

    assert file.read_text() == "restored by hand\n"
    log.close()


def test_what_is_on_the_disk_is_not_lost_with_the_lock(tmp_path: Path) -> None:
    """Lines whose sync succeeded stay where they are, once, though another writer has the directory by then."""
    directory = tmp_path / "log"
    log = open_log(directory)
    log.append([note(1)])
    (directory / ".lock").unlink()
    other = open_log(directory)
    with pytest.raises(LogWriteFailed, match=r"\.lock"):
        log.sync()

    assert log.pending.unwritten == 0
    with pytest.raises(LogInUse):
        log.close()
    other.close()
    open_log(directory).close()
    assert notes_of(whole_lines(log_files(directory))) == [1]
    assert b'"kind":"gap"' not in b"".join(log_files(directory).values())


def test_a_gap_is_declared_once(tmp_path: Path) -> None:
    """A lock that is taken anew says nothing of what was declared at the start."""
    open_log(tmp_path).close()
    note_unwritten(Filesystem(), tmp_path, 7, "the disk was full")
    log = open_log(tmp_path)
    (tmp_path / ".lock").unlink()
    write_on(log, 1)
    log.close()
    open_log(tmp_path).close()

    assert b"".join(log_files(tmp_path).values()).count(b'"kind":"gap"') == 1


def test_a_file_that_was_made_too_late_is_not_written_to(tmp_path: Path) -> None:
    """Of two that are made at once, with the lock removed in between, the one under the old lock counts for nothing."""
    log = open_log(tmp_path)
    late = log.create_part(log.newest_day)
    (tmp_path / ".lock").unlink()
    log.adopt_new(log.create_part(log.newest_day))
    log.adopt_new(late)

    with pytest.raises(LogInUse):
        open_log(tmp_path)
    log.append([note(1)])
    log.close()
    open_log(tmp_path).close()
    assert readable_notes(tmp_path) == {1}


def test_a_directory_that_is_made_again_is_made_private(tmp_path: Path) -> None:
    """As one that is opened: no link is followed either."""
    log = open_log(tmp_path / "log")
    (tmp_path / "log").rename(tmp_path / "old")
    log.append([note(1)])
    with pytest.raises(LogWriteFailed):
        log.sync()
    (tmp_path / "other").mkdir()
    (tmp_path / "log").symlink_to("other")
    with pytest.raises(LogWriteFailed, match="symbolic link"):
        log.flush()
    (tmp_path / "log").unlink()
    (tmp_path / "log").mkdir()
    (tmp_path / "log").chmod(0o777)

    log.flush()

    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o700
    log.close()


def test_a_file_system_that_cannot_tell_is_not_looked_at(tmp_path: Path) -> None:
    """Where an open file and the one under its name are never the same, all is written as before."""
    log = open_log(tmp_path, filesystem=Untelling())
    log.append([note(1)])
    log.sync()
    log.close()

    assert readable_notes(tmp_path) == {1}


class Untelling(Filesystem):
    """A file system that numbers its files anew for each look."""

    @override
    def leads_to(self, path: Path, fd: int) -> bool:
        return False
