"""The files that tell which daemons run."""

from __future__ import annotations

from pathlib import Path

import pytest

from arawn.running_daemons import RunningDaemon, announced, running_daemons

ONE = RunningDaemon(1, "/run/one.sock", ("/etc/one.toml",))
TWO = RunningDaemon(2, None, ())


def test_daemons_are_found_while_they_live(tmp_path: Path) -> None:
    """All of one runtime directory, and nothing afterwards."""
    directory = tmp_path / "run"
    assert running_daemons(directory) == []
    with announced(directory, ONE):
        with announced(directory, TWO):
            assert running_daemons(directory) == [ONE, TWO]
        assert running_daemons(directory) == [ONE]
    assert list(directory.iterdir()) == []


def test_a_file_that_nobody_holds_tells_of_no_daemon(tmp_path: Path) -> None:
    """It is removed; what is held and says nothing is passed over."""
    left = tmp_path / "daemon-7.json"
    left.write_text('{"pid": 7, "socket": null, "files": []}')

    assert running_daemons(tmp_path) == []
    assert not left.exists()


def test_a_daemon_that_cannot_tell_runs_all_the_same(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With a warning that says what is missing."""
    (tmp_path / "file").write_text("")
    with announced(tmp_path / "file" / "run", ONE):
        assert "cannot be written" in caplog.text
