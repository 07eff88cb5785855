"""The directory of a log is its owner's alone: its modes, and what is refused in its place."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from arawn.errors import LogWriteFailed
from arawn.interactions.opening import open_day_log
from tests.arawn.interactions.simulated_filesystem import SimulatedFilesystem, os_error
from tests.arawn.interactions.simulated_log import CONFIG, on, opened


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_modes_hold_under_any_umask(tmp_path: Path, umask: int) -> None:
    """Directory 0700, files 0600, set explicitly."""
    before = os.umask(umask)
    try:
        open_day_log(tmp_path / "log", CONFIG).close()
    finally:
        os.umask(before)

    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "log").iterdir()} == {0o600}


def test_an_open_directory_is_closed_to_others(tmp_path: Path) -> None:
    """A directory that was there with a wider mode becomes private."""
    (tmp_path / "log").mkdir(mode=0o755)

    open_day_log(tmp_path / "log", CONFIG).close()

    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "log" / ".gitignore").read_text() == "*\n"


def test_no_mode_changes_of_what_is_not_of_the_log(tmp_path: Path) -> None:
    """The path of some project, given by mistake: its directory, its files and its `.gitignore` stay as they are."""
    project = tmp_path / "project"
    (project / ".git").mkdir(parents=True, mode=0o755)
    (project / "README").touch(0o644)
    (project / ".gitignore").touch(0o644)
    project.chmod(0o755)

    open_day_log(project, CONFIG).close()

    modes = {path.name: path.stat().st_mode & 0o777 for path in [project, *project.iterdir()]}
    assert [modes.pop(name) for name in ("project", ".git", "README", ".gitignore")] == [0o755, 0o755, 0o644, 0o644]
    assert len(modes) == 3
    assert set(modes.values()) == {0o600}


def test_a_symbolic_link_as_directory_is_refused(tmp_path: Path) -> None:
    """The log never follows a link that somebody else could have laid."""
    (tmp_path / "real").mkdir()
    (tmp_path / "log").symlink_to(tmp_path / "real")

    with pytest.raises(LogWriteFailed, match="symbolic link"):
        open_day_log(tmp_path / "log", CONFIG)


def test_a_symbolic_link_as_day_file_is_refused(tmp_path: Path) -> None:
    """Nor does it write through a link in the place of a day's file."""
    (tmp_path / "victim").write_text("precious")
    log = tmp_path / "log"
    log.mkdir()
    (log / "interactions-2099-01-01.jsonl").symlink_to(tmp_path / "victim")

    with pytest.raises(LogWriteFailed, match=r"`.*/interactions-2099-01-01.jsonl` is a symbolic link.*move the link"):
        open_day_log(log, CONFIG)

    assert (tmp_path / "victim").read_text() == "precious"


def test_a_file_in_the_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    """The message names the path and says what would be right."""
    (tmp_path / "log").write_text("")

    with pytest.raises(LogWriteFailed, match="not a directory; move it away"):
        open_day_log(tmp_path / "log", CONFIG)


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS])
def test_a_directory_without_permission_says_what_to_do(code: int) -> None:
    """One sentence: what was done, what was found, what would be right."""
    with pytest.raises(LogWriteFailed, match="make it a directory that this user may write to, or set `logging"):
        opened(SimulatedFilesystem(on("open", os_error(code))))
