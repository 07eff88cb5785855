"""What holds for every test: nothing is timed, and `gc.collect` passes over what was imported to collect them."""

from __future__ import annotations

import gc

import pytest
from hypothesis import settings

settings.register_profile("untimed", deadline=None)  # a busy machine makes no test fail
settings.load_profile("untimed")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Half a million objects of pandas, PyArrow and the tests themselves cost each `gc.collect()` 0.1 s otherwise."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Give everything back, so that extension modules find nothing left over."""
    gc.unfreeze()
