"""What `arawn doctor` says of the place of the log: what a start would refuse, and that the log is off."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from arawn.cli.checkup import look_around
from arawn.config.paths import interactions_dir
from arawn.config.schema import Config, InteractionLogConfig, LoggingConfig
from arawn.errors import LogWriteFailed
from arawn.interactions.opening import open_day_log
from tests.runtimes import configured

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def of_log(tmp_path: Path, config: Config) -> list[tuple[bool, str]]:
    found = look_around(config, {"HOME": str(tmp_path)}, NOW)
    return [(one.ok, one.found) for one in found if one.what == "log"]


@pytest.mark.parametrize("linked", ["", "interactions-2026-11-22.jsonl"], ids=["directory", "file"])
def test_a_link_that_start_refuses_is_found_in_its_words(tmp_path: Path, linked: str) -> None:
    """In place of the directory, or of a day's file."""
    config = configured(tmp_path)
    log, elsewhere = interactions_dir(config, {}), tmp_path / "elsewhere"
    if linked:
        log.mkdir()
        elsewhere.touch()
    else:
        elsewhere.mkdir()
    (log / linked).symlink_to(elsewhere)

    found = [text for ok, text in of_log(tmp_path, config) if not ok]

    with pytest.raises(LogWriteFailed, match="is a symbolic link") as refused:
        open_day_log(log, config.logging.interactions)
    assert found == [str(refused.value)]


def test_a_place_that_can_be_no_directory_is_not_said_to_have_room(tmp_path: Path) -> None:
    """The disk of the plain file above it may have any."""
    config = configured(tmp_path)
    (tmp_path / "file").touch()
    below = LoggingConfig(InteractionLogConfig(path=str(tmp_path / "file" / "log")))

    found = of_log(tmp_path, msgspec.structs.replace(config, logging=below))

    assert found == [
        (False, f"`{tmp_path}/file/log` cannot be a directory, since `{tmp_path}/file` is none"),
    ]


def test_a_log_that_is_off_has_a_row_that_says_so(tmp_path: Path) -> None:
    """It is as the user wants it."""
    ((ok, found),) = of_log(tmp_path, configured(tmp_path, enabled=False))

    assert (ok, found) == (True, "off: calls leave no record (`logging.interactions.enabled = false`)")
