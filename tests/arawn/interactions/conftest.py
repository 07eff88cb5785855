"""Logs that several files of tests read, copy and damage."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tests.arawn.interactions.logs_ahead import FAR, days, write
from tests.arawn.interactions.mending_logs import written_log
from tests.arawn.interactions.samples import NOON


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written_log(tmp_path_factory.mktemp("whole") / "log")


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written_log(tmp_path_factory.mktemp("sealed") / "log", sealed=True)


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)


@pytest.fixture
def pinned(tmp_path: Path) -> Path:
    """A call, one in 2038, and then calls of that day and of the two after it."""
    log = tmp_path / "log"
    write(log, NOON, FAR, *days(0.1, 1, 1.1, 2))
    return log
