"""Whichever operation of the disk fails, and however many do: no line that was acknowledged is lost or spliced."""

from __future__ import annotations

import errno
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arawn.errors import LogWriteFailed
from arawn.interactions.day_log import DayLog
from tests.arawn.interactions.samples import NOON, Clock, note, notes_of, whole_lines
from tests.arawn.interactions.simulated_filesystem import SimulatedFilesystem, no_fault, os_error
from tests.arawn.interactions.simulated_log import once, opened


def program(filesystem: SimulatedFilesystem) -> tuple[set[int], set[int]]:
    """Open, write four batches over two days with syncs between; return the lines acknowledged and those synced."""
    log = reopened_until_it_works(filesystem)
    acknowledged: set[int] = set()
    synced: set[int] = set()
    for batch in range(4):
        numbers = [batch * 2, batch * 2 + 1]
        log.take([note(number, NOON + timedelta(days=batch // 2)) for number in numbers])
        until_it_works(log.flush)
        acknowledged.update(numbers)
        until_it_works(partial(flush_and_sync, log))
        synced.update(acknowledged)
    log.take([note(8, NOON + timedelta(days=1))])
    until_it_works(log.flush)
    return acknowledged | {8}, synced


def from_then_on(first: int, verdicts: list[OSError | int], number: int, name: str) -> OSError | int | None:
    """Give the writes from operation `first` on each a verdict, the last one first."""
    return verdicts.pop() if number >= first and name == "write" and verdicts else None


def flush_and_sync(log: DayLog) -> None:
    log.flush()
    log.sync()


def until_it_works(step: Callable[[], object]) -> None:
    for _ in range(3):
        try:
            step()
        except LogWriteFailed:
            continue
        return
    raise AssertionError("the fault did not go away")


def reopened_until_it_works(filesystem: SimulatedFilesystem) -> DayLog:
    try:
        return opened(filesystem)
    except LogWriteFailed:
        assert not filesystem.descriptors, "a failed open leaves descriptors"
        return opened(filesystem)


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EINTR, errno.EDQUOT, errno.EFBIG])
@pytest.mark.parametrize("ending", ["kill", "power_loss"])
def test_no_single_failure_loses_an_acknowledged_line(code: int, ending: str) -> None:
    """Operation N fails, for every N; then the process dies or the power goes; then the log is opened again."""
    clean = SimulatedFilesystem()
    program(clean)
    assert len(clean.operations) > 40

    for number in range(1, len(clean.operations) + 1):
        filesystem = SimulatedFilesystem(once(number, os_error(code)))
        acknowledged, synced = program(filesystem)
        getattr(filesystem, ending)()
        opened(filesystem, Clock(NOON + timedelta(days=1))).close()
        found = notes_of(whole_lines(filesystem.files()))
        assert set(found) >= (acknowledged if ending == "kill" else synced), f"operation {number}"
        assert len(found) == len(set(found)), f"operation {number}: a double"


@pytest.mark.parametrize("short", range(1, 400, 19))
def test_no_short_write_splices_a_line(short: int) -> None:
    """Operation N takes only so many bytes, and the next write finds no room, for every N."""
    clean = SimulatedFilesystem()
    program(clean)

    for number in range(1, len(clean.operations) + 1):
        filesystem = SimulatedFilesystem()
        verdicts: list[OSError | int] = [os_error(errno.ENOSPC), short]

        filesystem.fault = partial(from_then_on, number, verdicts)
        acknowledged, _ = program(filesystem)
        filesystem.fault = no_fault
        filesystem.kill()
        opened(filesystem, Clock(NOON + timedelta(days=1))).close()
        assert notes_of(whole_lines(filesystem.files())) == sorted(acknowledged), f"operation {number}"


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_series_of_failures_loses_an_acknowledged_line(data: st.DataObject) -> None:
    """Random operations fail at random while lines are written and synced; a model list says what must be there."""
    plan = data.draw(st.lists(st.sampled_from(["write", "sync", "reopen"]), min_size=1, max_size=12))
    verdicts = st.one_of(
        st.none(), st.integers(1, 40), st.sampled_from([errno.EIO, errno.ENOSPC, errno.EFBIG]).map(os_error)
    )
    tape = data.draw(st.lists(verdicts, max_size=60))[::-1]
    filesystem, expected = SimulatedFilesystem(), list[int]()
    log = opened(filesystem)

    def fault(_: int, name: str) -> OSError | int | None:
        verdict = tape.pop() if tape and name in ("write", "fdatasync", "ftruncate", "open") else None
        return verdict if name == "write" or isinstance(verdict, OSError) else None

    for number, step in enumerate(plan):
        filesystem.fault = fault
        if step == "reopen":
            filesystem.fault = no_fault
            filesystem.kill()
            log = opened(filesystem)
            continue
        if step == "write":
            log.take([note(number)])
            expected.append(number)
        while not finished(log, step):
            pass
    filesystem.fault = no_fault
    filesystem.kill()
    opened(filesystem).close()

    assert sorted(notes_of(whole_lines(filesystem.files()))) == expected


def finished(log: DayLog, step: str) -> bool:
    try:
        log.flush()
        if step == "sync":
            log.sync()
    except LogWriteFailed:
        return False
    return not log.pending
