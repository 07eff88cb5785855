"""A log whose files, lock or directory are moved while it is open: what is written stays where readers find it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest
import trio
from trio.testing import MockClock

from arawn.config.schema import InteractionLogConfig
from arawn.errors import LogWriteFailed
from arawn.interactions.day_log import DayLog
from arawn.interactions.directory import LogInUse
from arawn.interactions.opening import open_day_log
from arawn.interactions.writer import Writer, open_writer
from tests.arawn.interactions.samples import Clock, log_files, note, notes_of, whole_lines


def removed(path: Path) -> None:
    path.unlink()


def renamed(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))


def replaced_by_a_directory(path: Path) -> None:
    renamed(path)
    path.mkdir()


def replaced_by_a_link(path: Path) -> None:
    renamed(path)
    path.symlink_to("elsewhere")


def replaced_by_a_copy(path: Path) -> None:
    shutil.copy(path, path.with_name("copy"))
    path.with_name("copy").replace(path)


def removed_with_another_name_left(path: Path) -> None:
    path.with_name("snapshot").hardlink_to(path)
    path.unlink()


T = TypeVar("T")
MOVES = [
    removed,
    renamed,
    replaced_by_a_directory,
    replaced_by_a_link,
    replaced_by_a_copy,
    removed_with_another_name_left,
]
Move = Callable[[Path], None]
open_log = partial(open_day_log, config=InteractionLogConfig(), clock=Clock())


def day_file(directory: Path) -> Path:
    return max(directory.glob("interactions-*.jsonl"))


def readable_notes(directory: Path) -> set[int]:
    return set(notes_of(whole_lines(log_files(directory))))


def clear(path: Path) -> None:
    """Remove a directory, which is no file for readers."""
    if path.is_dir():
        path.rmdir()


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


async def here(work: Callable[[], T]) -> T:
    return work()


def test_the_lock_is_looked_after_while_nothing_is_written(tmp_path: Path) -> None:
    """A second after it was removed it is there again, and keeps other writers out."""

    async def main() -> None:
        async with open_writer(InteractionLogConfig(), tmp_path, clock=Clock(), run_in_thread=here):
            (tmp_path / ".lock").unlink()
            await trio.sleep(1.1)
            with pytest.raises(LogInUse):
                open_log(tmp_path)

    trio.run(main, clock=MockClock(autojump_threshold=0))


@pytest.mark.parametrize("move", MOVES)
def test_without_syncs_it_is_seen_within_a_second(tmp_path: Path, move: Move) -> None:
    """With `sync = "off"` too the state says so, and what is written from then on is found."""
    directory = tmp_path / "log"
    states: list[str] = []

    async def watch(writer: Writer) -> None:
        async for health in writer.health.eventual_values():
            states.append(f"{health.state} {health.reason}")

    async def main() -> None:
        config = InteractionLogConfig(sync="off")
        opened = open_writer(config, directory, clock=Clock(), run_in_thread=here)
        async with opened as writer, trio.open_nursery() as nursery:
            nursery.start_soon(watch, writer)
            await writer.handle([note(1)])
            file = day_file(directory)
            move(file)
            await trio.sleep(1.1)
            clear(file)
            await writer.handle([note(2)])
            nursery.cancel_scope.cancel()

    trio.run(main, clock=MockClock(autojump_threshold=0))

    assert "was removed or moved away" in states[1]
    assert states[-1] == "ok None"
    assert 2 in readable_notes(directory)
