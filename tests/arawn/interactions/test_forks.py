"""A process that was forked while a log was open changes nothing of it, and does not keep it locked."""

from __future__ import annotations

import os
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
import trio

from arawn.errors import LogWriteFailed
from arawn.interactions.filesystem import Filesystem
from arawn.interactions.opening import open_day_log
from arawn.interactions.verify import check_directory
from arawn.interactions.writer import open_writer
from tests.arawn.interactions.forks import fork, forked, in_a_fork, reaped
from tests.arawn.interactions.mending_logs import CONFIG
from tests.arawn.interactions.samples import NOON, log_files, note, record
from tests.runtimes import configured, in_place, records, running


def ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def contents(log: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in log.iterdir()}


def test_a_fork_that_closes_the_log_writes_nothing(tmp_path: Path) -> None:
    """No stop mark under the next number of the one that goes on, and the lock stays with that."""
    log = open_day_log(tmp_path, CONFIG)
    log.append([note(1)])
    before = contents(tmp_path)

    in_a_fork(log.close)
    assert contents(tmp_path) == before
    with pytest.raises(LogWriteFailed):
        open_day_log(tmp_path, CONFIG)
    log.append([note(2)])
    log.close()

    report = check_directory(tmp_path)
    assert (report.clean, report.lines, report.doubles) == (True, 4, 0)


def test_a_fork_that_writes_is_refused(tmp_path: Path) -> None:
    """With an error that says whose log it is; every byte and name is as before."""
    log = open_day_log(tmp_path, CONFIG)
    log.append([note(1)])
    before = contents(tmp_path)

    def write() -> None:
        for line in (note(2), note(3, NOON + timedelta(days=20_000))):
            with pytest.raises(LogWriteFailed, match=f"forked from process {os.getppid()}"):
                log.append([line])

    in_a_fork(write)
    assert contents(tmp_path) == before
    log.close()


def test_a_fork_may_change_nothing_by_any_operation(tmp_path: Path) -> None:
    """Whatever of housekeeping, compaction or repair it has taken with it; reading is free."""
    disk, file = Filesystem(), tmp_path / "a"
    file.write_bytes(b"text")
    fd = disk.open(file, os.O_RDWR, 0o600)
    before = contents(tmp_path), file.stat().st_mode

    def change() -> None:
        for operation in (
            lambda: disk.open(tmp_path / "b", os.O_WRONLY | os.O_CREAT, 0o600),
            lambda: disk.write(fd, [b"more"]),
            lambda: disk.ftruncate(fd, 0),
            lambda: disk.rename(file, tmp_path / "b"),
            lambda: disk.unlink(file),
            lambda: disk.flock(fd),
            lambda: disk.unlock(fd),
            lambda: disk.mkdir(tmp_path / "c", 0o700),
            lambda: disk.chmod(file, 0o777),
            lambda: disk.fchmod(fd, 0o777),
        ):
            with pytest.raises(PermissionError, match="forked"):
                operation()
        assert disk.pread(disk.open(file, os.O_RDONLY, 0), 9, 0) == b"text"

    in_a_fork(change)
    assert (contents(tmp_path), file.stat().st_mode) == before
    disk.close(fd)


async def test_a_writer_in_a_fork_refuses_at_once(tmp_path: Path) -> None:
    """It waits for no room that will never come; what is on its way is named as lost there, and only there."""
    async with open_writer(CONFIG, tmp_path, run_in_thread=in_place) as writer:
        await writer.handle([record(1)])

        def write() -> None:
            with pytest.raises(
                LogWriteFailed, match=f"is that of process {os.getppid()}, from which this one was forked"
            ):
                writer.handle([record(2)]).send(None)

        in_a_fork(write)
        await writer.handle([record(3)])

    report = check_directory(tmp_path)
    assert (report.clean, report.kinds) == (True, {"interaction": 2, "mark": 2})


async def test_a_fork_that_unwinds_a_runtime_leaves_its_log_and_store_alone(tmp_path: Path) -> None:
    """As after `SystemExit` in a child: the parent goes on, and every call of it is there, once."""
    parent = os.getpid()
    try:
        async with running(configured(tmp_path)) as runtime:
            await runtime.workstream("talk").send("one")
            before = contents(tmp_path / "log"), contents(tmp_path / "state")
            pid = fork()
            if pid == 0:
                raise SystemExit(7)
            with trio.fail_after(20):
                while not ended(pid):  # noqa: ASYNC110  # the system tells no event
                    await trio.sleep(0.01)
            assert (contents(tmp_path / "log"), contents(tmp_path / "state")) == before
            await runtime.workstream("talk").send("two")
    finally:
        if os.getpid() != parent:
            os._exit(7)

    assert reaped(pid) == 7
    assert [one["turn_id"] for one in records(tmp_path)] == [1, 2]
    report = check_directory(tmp_path / "log")
    assert (report.clean, report.doubles) == (True, 0)


def test_a_fork_does_not_keep_the_log_locked(tmp_path: Path) -> None:
    """A worker that lives on after the writer has closed the log keeps nobody from opening it."""
    log = open_day_log(tmp_path, CONFIG)
    with forked():
        log.close()
        open_day_log(tmp_path, CONFIG).close()

    assert check_directory(tmp_path).clean
    assert len(log_files(tmp_path)) == 1


async def test_a_fork_keeps_no_runtime_from_starting(tmp_path: Path) -> None:
    """Neither log nor database stays locked by a worker that was forked in the runtime before."""
    config = configured(tmp_path)
    with ExitStack() as workers:
        async with running(config) as first:
            await first.workstream("talk").send("one")
            workers.enter_context(forked())
        async with running(config) as second:
            await second.workstream("talk").send("two")

    assert [one["turn_id"] for one in records(tmp_path)] == [1, 2]
