"""Ways in which the file of a day goes from its place, and what readers still find of its log."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from arawn.config.schema import InteractionLogConfig
from arawn.interactions.opening import open_day_log
from tests.arawn.interactions.samples import Clock, log_files, notes_of, whole_lines


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
