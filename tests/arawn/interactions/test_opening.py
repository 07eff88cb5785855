"""Opening a log: repair of what a crash left, the day that a line belongs to."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from copy import deepcopy
from datetime import timedelta
from pathlib import Path

import pytest

from arawn.errors import LogWriteFailed
from arawn.interactions.opening import open_day_log
from tests.arawn.interactions.samples import NOON, Clock, log_files, note, notes_of, whole_lines
from tests.arawn.interactions.simulated_filesystem import SimulatedFilesystem, os_error
from tests.arawn.interactions.simulated_log import CONFIG, LOG, on, once, opened


def test_numbers_are_dense_and_the_directory_keeps_its_name() -> None:
    """Every line has the next number of its writer; the writer's first half outlives it."""
    filesystem = SimulatedFilesystem()
    for _ in range(2):
        log = opened(filesystem)
        log.append([note(1), note(2)])
        log.close()

    lines = whole_lines(filesystem.files())
    writers = {line["writer"] for line in lines}

    assert [line["seq"] for line in lines] == [1, 2, 3, 4] * 2
    assert [line.get("event") for line in lines] == ["start", None, None, "stop"] * 2
    assert len({writer.split("-")[0] for writer in writers}) == 1
    assert len(writers) == 2


def test_lines_go_to_the_day_they_belong_to() -> None:
    """A batch over midnight lands in two files."""
    filesystem, tomorrow = SimulatedFilesystem(), NOON + timedelta(days=1)
    log = opened(filesystem)

    log.append([note(1), note(2, tomorrow), note(3)])
    log.close()

    by_file = {name: notes_of(whole_lines({name: data})) for name, data in filesystem.files().items()}
    assert by_file == {"interactions-2026-01-28.jsonl": [1], "interactions-2026-01-29.jsonl": [2, 3]}


@pytest.mark.parametrize("restarts", [False, True])
def test_a_clock_that_steps_back_never_reopens_a_day(restarts: bool) -> None:
    """Lines stay in the newest file, also after a restart."""
    filesystem, clock = SimulatedFilesystem(), Clock()
    log = opened(filesystem, clock)
    clock.step(days=-3)
    if restarts:
        log.close()
        log = opened(filesystem, clock)

    log.append([note(1, clock.at)])
    log.close()

    assert list(filesystem.files()) == ["interactions-2026-01-28.jsonl"]


@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_every_cut_of_the_last_three_records_is_repaired(tmp_path: Path, step: int) -> None:
    """Wherever a crash tears the file, it is whole after the next start, and the torn bytes are kept."""
    log = open_day_log(tmp_path / "whole", CONFIG, clock=Clock())
    log.append([note(number, text="ä" * 5) for number in range(5)])
    log.close()
    (name, content), *_ = log_files(tmp_path / "whole").items()
    lines = content.splitlines(keepends=True)
    first = len(content) - sum(len(line) for line in lines[-4:])

    ends = [place for place in range(first, len(content)) if content[place - 1 : place] == b"\n"]
    for cut in sorted({*range(first, len(content), step), *ends, *(end - 1 for end in ends[1:])}):
        directory = tmp_path / str(cut)
        directory.mkdir()
        (directory / name).write_bytes(content[:cut])
        open_day_log(directory, CONFIG, clock=Clock()).close()
        repaired = whole_lines(log_files(directory))
        kept = content[:cut].count(b"\n")
        torn = b"".join(path.read_bytes() for path in directory.glob("*.torn-*"))
        assert (directory / name).read_bytes()[: cut - len(torn)] + torn == content[:cut]
        recovery = [line["detail"]["torn_bytes"] for line in repaired[kept:] if line["event"] == "recovery"]
        assert recovery == ([len(torn)] if torn else [])


def test_repair_reads_from_the_end_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening costs the same whatever the size of the file."""
    filesystem, read = SimulatedFilesystem(), list[int]()
    log = opened(filesystem)
    log.append([note(number, text="x" * 1000) for number in range(2_000)])
    filesystem.kill()
    pread = filesystem.pread

    def counted(fd: int, count: int, offset: int) -> bytes:
        data = pread(fd, count, offset)
        read.append(len(data))
        return data

    monkeypatch.setattr(filesystem, "pread", counted)
    opened(filesystem).close()

    assert 0 < len(read) <= 3
    assert sum(read) <= 3 * 65_536


def test_the_boot_after_a_crash_keeps_a_file_of_garbage_apart() -> None:
    """A file that holds no line at all becomes a torn file; the day begins anew."""
    filesystem = SimulatedFilesystem()
    opened(filesystem).close()
    filesystem.nodes[LOG / "interactions-2026-01-28.jsonl"].data[:] = b"\0" * 200_000

    opened(filesystem).close()

    assert [line["event"] for line in whole_lines(filesystem.files())] == ["recovery", "start", "stop"]
    assert [len(data) for data in filesystem.files("*.torn-*").values()] == [200_000]


def test_a_power_loss_during_repair_loses_no_byte() -> None:
    """Whichever operation of the start was the last: what was in the file is in it, or in the torn file."""
    crashed = SimulatedFilesystem()
    log = opened(crashed)
    log.append([note(1), note(2)])
    log.sync()
    del crashed.nodes[LOG / "interactions-2026-01-28.jsonl"].data[-30:]
    original = bytes(crashed.nodes[LOG / "interactions-2026-01-28.jsonl"].data)

    for number in range(1, 60):
        filesystem = deepcopy(crashed)
        filesystem.kill()
        filesystem.nodes[LOG / "interactions-2026-01-28.jsonl"].durable = original
        filesystem.fault = once(len(filesystem.operations) + number, os_error(errno.EACCES))
        with contextlib.suppress(LogWriteFailed):
            opened(filesystem)
        filesystem.power_loss()
        torn = b"".join(filesystem.files("*.torn-*").values())
        left = filesystem.files()["interactions-2026-01-28.jsonl"]
        kept = left == original or (left[: original.rindex(b"\n") + 1] + torn).startswith(original)
        assert kept, f"operation {number}"


def test_lines_of_a_killed_writer_are_synced_at_the_next_start() -> None:
    """The first power loss after a restart does not take what a kill had spared."""
    filesystem = SimulatedFilesystem()
    opened(filesystem).append([note(1)])
    filesystem.kill()

    opened(filesystem)
    filesystem.power_loss()

    assert notes_of(whole_lines(filesystem.files())) == [1]


def test_lines_from_both_sides_of_midnight_are_synced_at_the_next_start() -> None:
    """A writer that was killed just after it had turned to a new day leaves two files unsynced."""
    filesystem, clock = SimulatedFilesystem(), Clock(NOON.replace(hour=23, minute=59, second=59))
    log = opened(filesystem, clock)
    log.append([note(1, clock.at)])
    clock.step(seconds=2)
    log.append([note(2, clock.at)])
    filesystem.kill()

    opened(filesystem, clock)
    filesystem.power_loss()

    assert notes_of(whole_lines(filesystem.files())) == [1, 2]


def test_starts_on_a_full_disk_leave_nothing_behind() -> None:
    """However often the daemon tries, no copy of a torn tail piles up; the tail itself stays where it is."""
    filesystem, clock = SimulatedFilesystem(), Clock()
    opened(filesystem, clock).append([note(1)])
    filesystem.nodes[LOG / "interactions-2026-01-28.jsonl"].data += b'{"kind":"interaction'
    filesystem.limit = lambda data, _: os_error(errno.ENOSPC) if b'"interaction' in bytes(data) else None

    for _ in range(3):
        filesystem.kill()
        clock.step(seconds=5)
        with pytest.raises(LogWriteFailed, match="No space left on device; make room on that disk, or set "):
            opened(filesystem, clock)

    assert filesystem.files("*.torn-*") == {}
    assert filesystem.descriptors == {}
    assert filesystem.files()["interactions-2026-01-28.jsonl"].endswith(b'{"kind":"interaction')


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
@pytest.mark.parametrize("day", ["2026-01-20", "2026-01-28", "2999-01-01"])
def test_what_is_no_file_is_passed_over(tmp_path: Path, day: str, make: Callable[[Path], None]) -> None:
    """Older than today's, in its place or newer, a directory with the name of a day holds up no writer."""
    make(tmp_path / f"interactions-{day}.jsonl")

    for _ in range(2):
        log = open_day_log(tmp_path, CONFIG, clock=Clock())
        log.append([note(1)])
        log.close()

    files = {path.name: path.read_bytes() for path in tmp_path.glob("*.jsonl") if path.is_file()}
    assert notes_of(whole_lines(files)) == [1, 1]


def test_a_compressed_day_is_followed_by_a_part() -> None:
    """Neither that day nor an earlier one is opened again."""
    filesystem = SimulatedFilesystem()
    opened(filesystem).close()
    path = LOG / "interactions-2026-01-28.jsonl"
    filesystem.nodes[LOG / "interactions-2026-01-30.jsonl.zst"] = filesystem.nodes.pop(path)

    log = opened(filesystem)
    log.append([note(1)])
    log.close()

    assert list(filesystem.files()) == ["interactions-2026-01-30.part2.jsonl"]


def test_a_file_on_a_bad_disk_is_left_alone() -> None:
    """The log goes on in a new part when the newest file cannot even be read."""
    filesystem = SimulatedFilesystem()
    opened(filesystem).close()
    filesystem.fault = on("pread", os_error(errno.EIO))
    (filesystem.nodes[LOG / ".directory-id"]).data[:] = b""

    with pytest.raises(LogWriteFailed):  # the directory's own name cannot be read either
        opened(filesystem)

    reads = [None, None, os_error(errno.EIO)]  # of the lock file, of the directory's name
    filesystem.fault = lambda _, name: reads.pop(0) if name == "pread" and reads else None
    opened(filesystem).close()
    assert list(filesystem.files()) == ["interactions-2026-01-28.jsonl", "interactions-2026-01-28.part2.jsonl"]
