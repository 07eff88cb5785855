"""What happens when the disk says no: nothing acknowledged is lost, nothing is spliced."""

from __future__ import annotations

import contextlib
import errno
from datetime import timedelta
from pathlib import Path

import pytest

from arawn.config.schema import InteractionLogConfig
from arawn.errors import LogWriteFailed
from arawn.interactions.opening import open_day_log
from arawn.interactions.sync_jobs import run_sync_jobs
from tests.arawn.interactions.samples import NOON, note, notes_of, whole_lines
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
