"""What the SDK tests share: clients that are closed when the test is over, and time for those that start slowly."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests import serving

PATIENCE = 60.0  # seconds: a client on node or a real model is a process that has to start


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    """Closes what is entered into it."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "PATIENCE", PATIENCE)
