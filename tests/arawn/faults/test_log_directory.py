"""A log whose directory is removed under it, before anything in it was synced."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from arawn.config.schema import InteractionLogConfig
from arawn.errors import LogWriteFailed
from arawn.interactions.filesystem import Filesystem
from arawn.interactions.opening import now_utc, open_day_log
from tests.arawn.interactions.samples import note, notes_of


def test_the_file_that_replaces_a_removed_one_stays(tmp_path: Path) -> None:
    """With the directory back, every line is in it."""
    directory = tmp_path / "log"
    log = open_day_log(directory, InteractionLogConfig(), filesystem=Filesystem(), clock=now_utc)
    log.append([note(1)])
    shutil.rmtree(directory)
    with pytest.raises(LogWriteFailed):
        log.sync()

    directory.mkdir(mode=0o700)
    log.append([note(2)])
    log.close()

    lines = [json.loads(line) for file in directory.glob("*.jsonl") for line in file.read_bytes().splitlines()]
    assert notes_of(lines) == [1, 2]
