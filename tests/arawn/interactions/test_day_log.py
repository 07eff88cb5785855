"""What happens when the disk says no: nothing acknowledged is lost, nothing is spliced."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arawn.config.schema import InteractionLogConfig
from arawn.errors import LogWriteFailed
from arawn.interactions.day_log import DayLog
from arawn.interactions.opening import open_day_log
from arawn.interactions.sync_jobs import run_sync_jobs
from tests.arawn.interactions.samples import (
    NOON,
    Clock,
    note,
    notes_of,
    whole_lines,
)
from tests.arawn.interactions.simulated_filesystem import SimulatedFilesystem, no_fault, os_error
from tests.arawn.interactions.simulated_log import on, once, opened


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("short", [0, 1, 7, 100])
def test_a_full_disk_splices_nothing(code: int, short: int) -> None:
    """After a short write and a refusal the file ends where it did; the retry writes the whole line once."""
    filesystem = SimulatedFilesystem()
    log = opened(filesystem)
    before = filesystem.files()
    verdicts: list[OSError | int] = [short, os_error(code)] if short else [os_error(code)]
    filesystem.fault = lambda _, name: verdicts.pop(0) if name == "write" and verdicts else None

    with pytest.raises(LogWriteFailed, match="free space or check the disk"):
        log.append([note(1)])

    assert filesystem.files() == before
    log.flush()
    log.close()
    assert notes_of(whole_lines(filesystem.files())) == [1]


def test_short_writes_of_every_length_are_completed() -> None:
    """A write that takes fewer bytes goes on with the rest."""
    for short in range(1, 60):
        filesystem = SimulatedFilesystem()
        log = opened(filesystem)
        filesystem.fault = on("write", short)
        log.append([note(1), note(2)])
        filesystem.fault = no_fault
        log.close()
        assert notes_of(whole_lines(filesystem.files())) == [1, 2]


def test_a_cut_that_fails_opens_a_new_part() -> None:
    """The torn part is left behind; its lines are whole in the next part."""
    filesystem = SimulatedFilesystem()
    log = opened(filesystem)
    log.append([note(1)])
    log.sync()
    verdicts: list[OSError | int] = [9, os_error(errno.ENOSPC)]

    def fault(_: int, name: str) -> OSError | int | None:
        if name == "ftruncate":
            return os_error(errno.EIO)
        return verdicts.pop(0) if name == "write" and verdicts else None

    filesystem.fault = fault
    log.append([note(2)])
    filesystem.fault = no_fault
    log.close()

    assert list(filesystem.files()) == ["interactions-2026-01-28.jsonl", "interactions-2026-01-28.part2.jsonl"]
    opened(filesystem).close()
    assert notes_of(whole_lines(filesystem.files())) == [1, 2]


def test_a_failed_sync_is_never_tried_again_on_the_same_file() -> None:
    """What the kernel has dropped is written again to a new part, and survives a power loss there."""
    filesystem = SimulatedFilesystem()
    log = opened(filesystem)
    log.append([note(1)])
    log.sync()
    log.append([note(2), note(3)])
    filesystem.fault = on("fdatasync", os_error(errno.EIO))

    with pytest.raises(LogWriteFailed):
        log.sync()
    filesystem.fault = no_fault
    log.flush()
    log.sync()
    filesystem.power_loss()

    opened(filesystem).close()
    lines = whole_lines(filesystem.files())
    assert notes_of(lines) == [1, 2, 3]
    assert [line["detail"]["rewritten"] for line in lines if line.get("event") == "new_part"] == [2]


def test_a_file_size_limit_goes_on_in_a_new_part() -> None:
    """EFBIG concerns one file: the next one has room."""
    filesystem = SimulatedFilesystem()
    log = opened(filesystem)
    filesystem.fault = once(len(filesystem.operations) + 1, os_error(errno.EFBIG))

    log.append([note(1)])
    log.close()

    assert notes_of(whole_lines(filesystem.files())) == [1]
    assert len(filesystem.files()) == 2


def test_a_batch_longer_than_any_file_may_be_is_split() -> None:
    """Lines that were not yet synced when the limit struck stay where they are."""
    filesystem = SimulatedFilesystem()
    log = opened(filesystem)
    too_long = os_error(errno.EFBIG)

    def limited(data: bytes | memoryview, size: int) -> OSError | None:
        return too_long if size + len(data) > 1_000 else None

    filesystem.limit = limited
    for first in range(0, 60, 20):
        log.append([note(number, text="x" * 100) for number in range(first, first + 20)])
    log.close()

    assert sorted(notes_of(whole_lines(filesystem.files()))) == list(range(60))
    assert max(len(data) for data in filesystem.files().values()) <= 1_000


def test_what_was_synced_survives_a_power_loss() -> None:
    """Bytes, and the names of the files that hold them."""
    filesystem, tomorrow = SimulatedFilesystem(), NOON + timedelta(days=1)
    log = opened(filesystem)
    log.append([note(1), note(2, tomorrow)])
    log.sync()
    log.append([note(3, tomorrow)])

    filesystem.power_loss()

    assert notes_of(whole_lines(filesystem.files())) == [1, 2]


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


def test_closing_a_log_that_cannot_write_says_how_many_lines_are_lost() -> None:
    """Nothing is dropped in silence, and the directory is let go all the same."""
    filesystem = SimulatedFilesystem()
    log = opened(filesystem)
    filesystem.fault = on("write", os_error(errno.ENOSPC))
    log.take([note(1)])

    with pytest.raises(LogWriteFailed, match="free space or check the disk"):
        log.close()
    assert log.pending.unwritten == 1

    filesystem.fault = no_fault
    assert not filesystem.descriptors
    opened(filesystem).close()


def test_a_sync_makes_safe_only_what_was_written_before_it() -> None:
    """Lines written while a sync runs stay in memory for a rewrite."""
    filesystem = SimulatedFilesystem()
    log = opened(filesystem)
    log.append([note(1)])
    jobs = log.sync_jobs()
    outcomes = run_sync_jobs(filesystem, jobs)

    log.append([note(2)])
    log.finish_sync(outcomes)

    assert log.unsynced_bytes > 0
    filesystem.fault = on("fdatasync", os_error(errno.EIO))
    with pytest.raises(LogWriteFailed):
        log.sync()
    filesystem.fault = no_fault
    log.close()
    filesystem.power_loss()
    assert notes_of(whole_lines(filesystem.files()))[-1] == 2


def test_a_sync_that_fails_at_the_end_is_made_good() -> None:
    """Closing writes the lines anew and syncs again, and gives up only after several parts."""
    for failing, rescued in ((1, True), (99, False)):
        filesystem = SimulatedFilesystem()
        log = opened(filesystem)
        log.append([note(1)])
        verdicts = [os_error(errno.EIO)] * failing

        def fault(_: int, name: str, verdicts: list[OSError] = verdicts) -> OSError | None:
            return verdicts.pop() if name == "fdatasync" and verdicts else None

        filesystem.fault = fault
        with contextlib.nullcontext() if rescued else pytest.raises(LogWriteFailed):
            log.close()
        filesystem.power_loss()
        assert (1 in notes_of(whole_lines(filesystem.files()))) == rescued
        assert not filesystem.descriptors


def test_a_directory_is_made_narrower_and_never_wider(tmp_path: Path) -> None:
    """Others lose their access; what the owner has taken away from himself stays away."""
    modes = {}
    for before in (0o755, 0o555, 0o700):
        directory = tmp_path / oct(before)
        directory.mkdir()
        directory.chmod(before)
        with contextlib.suppress(LogWriteFailed):  # whoever is not root cannot write to the second
            open_day_log(directory, InteractionLogConfig()).close()
        modes[before] = directory.stat().st_mode & 0o777

    assert modes == {0o755: 0o700, 0o555: 0o500, 0o700: 0o700}
