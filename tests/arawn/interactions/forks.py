"""Real processes that are forked from the test and end without a trace of it."""

from __future__ import annotations

import os
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["fork", "forked", "in_a_fork", "reaped"]


def fork() -> int:
    """Fork as users do, who are warned by newer versions of Python where the process has threads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def in_a_fork(work: Callable[[], object]) -> None:
    """Run `work` in a forked process, and wait for its end; it must not raise."""
    pid = fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:  # noqa: BLE001  # the process ends here
            traceback.print_exc()
        finally:
            os._exit(code)
    assert reaped(pid) == 0


@contextmanager
def forked() -> Iterator[None]:
    """Have a forked process, which has every open file of this one, for the block."""
    here, there = os.pipe()
    pid = fork()
    if pid == 0:
        os.close(there)
        os.read(here, 1)
        os._exit(0)
    os.close(here)
    try:
        yield
    finally:
        os.close(there)
        assert reaped(pid) == 0


def reaped(pid: int) -> int:
    """Wait for the end of a forked process; return its exit code."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
