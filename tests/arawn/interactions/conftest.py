"""Logs that several files of tests read, copy and damage."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tests.arawn.interactions.mending_logs import written_log


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written_log(tmp_path_factory.mktemp("whole") / "log")


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written_log(tmp_path_factory.mktemp("sealed") / "log", sealed=True)


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
