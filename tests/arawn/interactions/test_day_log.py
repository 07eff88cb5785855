"""The files: opening, repairing, rolling, and what happens when the disk says no."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arawn.config.schema import InteractionLogConfig
from arawn.errors import LogWriteFailed
from arawn.interactions.day_log import DayLog
from arawn.interactions.opening import open_day_log
from tests.arawn.interactions.samples import (
    NOON,
    Clock,
    log_files,
    note,
    notes_of,
    whole_lines,
)
from tests.arawn.interactions.simulated_filesystem import Fault, SimulatedFilesystem, no_fault, os_error

LOG = Path("/logs/interactions")
CONFIG = InteractionLogConfig()


def opened(filesystem: SimulatedFilesystem, clock: Clock | None = None, config: InteractionLogConfig = CONFIG) -> DayLog:
    return open_day_log(LOG, config, filesystem=filesystem, clock=clock or Clock(), token=filesystem.token)


def once(number: int, verdict: OSError | int) -> Fault:
    return lambda current, _: verdict if current == number else None


def on(name: str, verdict: OSError | int) -> Fault:
    return lambda _, current: verdict if current == name else None


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_modes_hold_under_any_umask(tmp_path: Path, umask: int) -> None:
    """Directory 0700, files 0600, set explicitly."""
    before = os.umask(umask)
    try:
        open_day_log(tmp_path / "log", CONFIG).close()
    finally:
        os.umask(before)

    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "log").iterdir()} == {0o600}


def test_an_open_directory_is_closed_to_others(tmp_path: Path) -> None:
    """A directory that was there with a wider mode becomes private."""
    (tmp_path / "log").mkdir(mode=0o755)

    open_day_log(tmp_path / "log", CONFIG).close()

    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "log" / ".gitignore").read_text() == "*\n"


def test_a_second_writer_is_told_who_writes(tmp_path: Path) -> None:
    """One writer a directory; the second fails at once with the first one's process id."""
    first = open_day_log(tmp_path, CONFIG)

    with pytest.raises(LogWriteFailed, match=f"process {os.getpid()} .started 2.* is writing to it"):
        open_day_log(tmp_path, CONFIG)

    first.close()
    open_day_log(tmp_path, CONFIG).close()


def test_a_symbolic_link_as_directory_is_refused(tmp_path: Path) -> None:
    """The log never follows a link that somebody else could have laid."""
    (tmp_path / "real").mkdir()
    (tmp_path / "log").symlink_to(tmp_path / "real")

    with pytest.raises(LogWriteFailed, match="symbolic link"):
        open_day_log(tmp_path / "log", CONFIG)


def test_a_symbolic_link_as_day_file_is_refused(tmp_path: Path) -> None:
    """Nor does it write through a link in the place of a day's file."""
    (tmp_path / "victim").write_text("precious")
    log = tmp_path / "log"
    log.mkdir()
    (log / "interactions-2099-01-01.jsonl").symlink_to(tmp_path / "victim")

    with pytest.raises(LogWriteFailed):
        open_day_log(log, CONFIG)

    assert (tmp_path / "victim").read_text() == "precious"


def test_a_file_in_the_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    """The message names the path and says what would be right."""
    (tmp_path / "log").write_text("")

    with pytest.raises(LogWriteFailed, match="not a directory; move it away"):
        open_day_log(tmp_path / "log", CONFIG)


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS])
def test_a_directory_without_permission_says_what_to_do(code: int) -> None:
    """One sentence: what was done, what was found, what would be right."""
    with pytest.raises(LogWriteFailed, match="make it a directory that this user may write to, or set `logging"):
        opened(SimulatedFilesystem(on("open", os_error(code))))


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


def test_every_cut_of_the_last_three_records_is_repaired(tmp_path: Path) -> None:
    """Wherever a crash tears the file, it is whole after the next start, and the torn bytes are kept."""
    log = open_day_log(tmp_path / "whole", CONFIG, clock=Clock())
    log.append([note(number, text="ä" * 5) for number in range(5)])
    log.close()
    (name, content), *_ = log_files(tmp_path / "whole").items()
    lines = content.splitlines(keepends=True)
    first = len(content) - sum(len(line) for line in lines[-4:])

    for cut in range(first, len(content)):
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


def test_repair_reads_from_the_end_only() -> None:
    """Opening costs the same whatever the size of the file."""
    filesystem = SimulatedFilesystem()
    log = opened(filesystem)
    log.append([note(number, text="x" * 1000) for number in range(2_000)])
    filesystem.kill()
    filesystem.operations.clear()

    opened(filesystem).close()

    assert filesystem.operations.count("pread") <= 3


def test_the_boot_after_a_crash_keeps_a_file_of_garbage_apart() -> None:
    """A file that holds no line at all becomes a torn file; the day begins anew."""
    filesystem = SimulatedFilesystem()
    opened(filesystem).close()
    filesystem.nodes[LOG / "interactions-2026-01-28.jsonl"].data[:] = b"\0" * 200_000

    opened(filesystem).close()

    assert [line["event"] for line in whole_lines(filesystem.files())] == ["recovery", "start", "stop"]
    assert [len(data) for data in filesystem.files("*.torn-*").values()] == [200_000]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("short", [0, 1, 7, 100])
def test_a_full_disk_splices_nothing(code: int, short: int) -> None:
    """After a short write and a refusal the file ends where it did; the retry writes the whole line once."""
    filesystem = SimulatedFilesystem()
    log = opened(filesystem)
    before = filesystem.files()
    verdicts: list[OSError | int] = [short, os_error(code)] if short else [os_error(code)]
    filesystem.fault = lambda _, name: verdicts.pop(0) if name == "write" and verdicts else None

    with pytest.raises(LogWriteFailed, match="1 lines are kept in memory"):
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
        until_it_works(lambda: (log.flush(), log.sync()))
        synced.update(acknowledged)
    log.take([note(8, NOON + timedelta(days=1))])
    until_it_works(log.flush)
    return acknowledged | {8}, synced


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
    return log.pending == 0


def test_closing_a_log_that_cannot_write_says_how_many_lines_are_lost() -> None:
    """Nothing is dropped in silence, and the directory is let go all the same."""
    filesystem = SimulatedFilesystem()
    log = opened(filesystem)
    filesystem.fault = on("write", os_error(errno.ENOSPC))
    log.take([note(1)])

    with pytest.raises(LogWriteFailed, match="2 lines"):
        log.close()

    filesystem.fault = no_fault
    assert not filesystem.descriptors
    opened(filesystem).close()
