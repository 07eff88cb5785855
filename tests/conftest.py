"""What holds for every test: what was imported to collect them is not walked again by each test's collections."""

from __future__ import annotations

import gc

import pytest


def pytest_collection_finish(session: pytest.Session) -> None:
    """Half a million objects of pandas, PyArrow and the tests themselves cost each `gc.collect()` 0.1 s otherwise."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Give everything back, so that extension modules find nothing left over."""
    gc.unfreeze()
