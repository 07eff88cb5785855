"""What is said of directories that this user may not use: each place is named, with what lets the user in."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from arawn.owners import way_in
from tests.system.unprivileged import Unprivileged


@pytest.mark.slow
def test_a_log_that_is_closed_to_us_hides_nothing_else(bound: Unprivileged) -> None:
    """Doctor has a row that says what to do, and looks at all the rest; so do the commands that read the log."""
    bound.log.chmod(0)

    done = bound.run("doctor", "--json")
    readers = [bound.run("interactions", command) for command in ("list", "stats", "verify")]

    right = f"`{bound.log}`: Permission denied; run `chmod u+rwX {bound.log}`"
    rows = [(one["what"], one["ok"], one["found"]) for one in json.loads(done.stdout)]
    bound.log.chmod(0o700)
    assert (done.returncode, done.stderr) == (1, "")
    assert ("log", False, f"cannot be read: {right}") in rows
    assert {what for what, ok, _ in rows if ok} >= {"workstreams", "daemon", "address", "profile default"}
    assert [(each.returncode, each.stderr) for each in readers] == [(1, f"arawn: {right}\n")] * 3


@pytest.mark.slow
def test_a_directory_that_is_there_is_to_be_made_writable(bound: Unprivileged) -> None:
    """Another path would tear the log apart, and lose the conversations; for one still to be made it is well enough."""
    other = bound.directory / "other"
    text = f'[llm]\nbackend = "scripted"\n[server]\nlisten = "127.0.0.1:0"\nsocket = "{other}/new/a.sock"\n'
    bound.configure(text)
    assert bound.run("ask", "-q", "hi").returncode == 0
    other.mkdir()
    state = bound.directory / "state"
    for directory, mode in ((bound.log, 0o500), (state, 0), (other, 0o500)):
        directory.chmod(mode)

    rows = json.loads(bound.run("doctor", "--json").stdout)

    for directory in (bound.log, state, other):
        directory.chmod(0o700)
    found = [one["found"] for one in rows if one["what"] == "files"]
    remedies = [text.rpartition(";")[2].strip() for text in found]
    writable = [f"make it writable (run `chmod u+rwX {path}`)" for path in (bound.log, state, other, state)]
    writable[2] += ", or give another path"
    assert remedies == writable


def test_a_place_of_another_user_is_left_to_that_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is told to change the modes of what is not theirs; where nothing is refused, nothing is said."""
    owner = tmp_path.stat().st_uid
    assert way_in(tmp_path / "log" / ".lock") is None

    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    monkeypatch.setattr(os, "access", lambda *_: False)

    assert (way_in(tmp_path / "log" / ".lock") or "").startswith(f"`{tmp_path}` belongs to ")
