"""What holds for every test: nothing is timed, no authority is trusted, and what was imported is collected once."""

from __future__ import annotations

import gc
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

EXAMPLES = int(os.environ.get("TEST_EXAMPLES", "60"))  # of each property that names no number; CI tries more
settings.register_profile("untimed", deadline=None, max_examples=EXAMPLES)  # a busy machine makes no test fail
settings.load_profile("untimed")

ROOTS = Path(__file__).with_name("no_roots.pem")  # each client of httpx reads the roots it trusts: all take 20 ms
os.environ["SSL_CERT_FILE"] = str(ROOTS)


MEMORY = Path("/dev/shm")  # whose files need no disk: two thirds of a fast test are syncs otherwise
MEMORY_BYTES = 2 << 30  # many times what the fast tests have there at once


def pytest_configure(config: pytest.Config) -> None:
    """Keep the files of the fast tests in memory, where there is room; those of the slow ones are on a real disk."""
    is_roomy = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= MEMORY_BYTES
    if config.option.markexpr == "not slow" and is_roomy:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Half a million objects of pandas, PyArrow and the tests themselves cost each `gc.collect()` 0.1 s otherwise."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Give everything back, so that extension modules find nothing left over."""
    gc.unfreeze()
