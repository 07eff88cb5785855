"""`repair` keeps every whole line and every damaged byte, and leaves a log that `verify` finds clean."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import random
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arawn.errors import LogWriteFailed
from arawn.interactions.encode import encode_line
from arawn.interactions.files import day_files, parse_name
from arawn.interactions.filesystem import Filesystem
from arawn.interactions.line_check import CheckedLine, check_line
from arawn.interactions.opening import open_day_log
from arawn.interactions.raw_lines import forward_lines, lines_and_damage
from arawn.interactions.record import LogLine, MarkLine, timestamp_text
from arawn.interactions.repair import Repaired, repair, would_mend
from arawn.interactions.sealed import table
from arawn.interactions.sort_out import whole_lines_in
from arawn.interactions.verify import check_directory
from arawn.messages import CompletionResponse, ToolUse
from tests.arawn.interactions.failing_filesystem import Died, DyingFilesystem
from tests.arawn.interactions.mending_logs import (
    CONFIG,
    DAMAGES,
    FIRST,
    LAST_OPERATIONS,
    SECOND,
    Damage,
    fresh_copy,
    later,
    seal,
    written_log,
)
from tests.arawn.interactions.samples import NOON, Clock, note, record

MANIFEST = "interactions-2026-01-28.manifest.json"


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written_log(tmp_path_factory.mktemp("whole") / "log")


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written_log(tmp_path_factory.mktemp("sealed") / "log", sealed=True)


def mended(log: Path) -> Repaired:
    return repair(log, CONFIG, clock=later)


def lines_of(log: Path) -> set[bytes]:
    names = [path for path in log.iterdir() if parse_name(path.name) is not None]
    return {line for path in names for _, line in forward_lines(path)}


@pytest.mark.parametrize("seeds", [range(20), pytest.param(range(20, 200), marks=pytest.mark.slow)])
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_every_damage_is_mended(whole: Path, tmp_path: Path, damage: Damage, seeds: range) -> None:
    """Clean afterwards but for declared losses, and every untouched line is there; the slow ones make 1,400.

    One splice in fifty, at most, looks like a line with a key of a newer Arawn: it stays, and is named.
    """
    lines, like_newer = (whole / FIRST).read_bytes().splitlines(keepends=True), 0

    for seed in seeds:
        log = fresh_copy(whole, tmp_path / "log")
        data, touched = damage(random.Random(seed), lines)
        (log / FIRST).write_bytes(data)
        repaired = mended(log)
        after = check_directory(log)
        assert {problem.kind for problem in after.problems} <= {"newer"}, seed
        assert repaired.left == tuple(map(str, after.problems)), seed
        like_newer += len(after.problems)
        untouched = {line for number, line in enumerate(lines) if number not in touched}
        assert untouched <= lines_of(log), seed
        assert sum(loss.count for loss in after.declared) == sum(gap.last - gap.first + 1 for gap in repaired.lost)
    assert like_newer <= len(seeds) // 50


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_no_byte_is_thrown_away(whole: Path, tmp_path: Path, damage: Damage) -> None:
    """What was in the file is in it still, or in what was set aside; only newlines are added."""
    lines = (whole / FIRST).read_bytes().splitlines(keepends=True)

    for seed in range(10):
        log = fresh_copy(whole, tmp_path / "log")
        data, _ = damage(random.Random(seed), lines)
        (log / FIRST).write_bytes(data)
        mended(log)
        left = b"".join(path.read_bytes() for path in sorted(log.glob(f"{FIRST}*")))
        ours = left.replace(b"\n", b"")
        assert sorted(ours) == sorted(data.replace(b"\n", b"")), seed


def of_the_future(line: bytes, number: int) -> bytes:
    """The line as a newer Arawn might write it: a version, a kind, a key or all of it that is unknown here."""
    changes = (
        (b'"v":1', b'"v":2'),
        (b'{"kind":"', b'{"kind":"new_'),
        (b',"writer"', b',"budget":1,"writer"'),
        (b'"v":1,"', b'"v":9,"my_'),
    )
    return line.replace(*changes[number % len(changes)], 1)


@pytest.mark.parametrize("sealed", [False, True], ids=["plain", "twins"])
def test_lines_of_a_newer_arawn_stay_where_they_are(whole: Path, tmp_path: Path, *, sealed: bool) -> None:
    """Byte for byte, in their order, also where damage in the same file is mended; they are no loss."""
    log = fresh_copy(whole, tmp_path / "log")
    lines = (log / FIRST).read_bytes().splitlines(keepends=True)
    newer = [of_the_future(line, number) if number > 2 else line for number, line in enumerate(lines)]
    (log / FIRST).write_bytes(b"".join(newer))
    if sealed:
        seal(log, FIRST)
        (log / FIRST).write_bytes(b"".join(newer[:-1]))
    (log / FIRST).write_bytes(b"{half\n" + (log / FIRST).read_bytes())
    (log / FIRST).chmod(0o600)

    repaired = mended(log)

    kept = [
        line
        for file in day_files(path.name for path in log.iterdir())[:1]
        for _, line in forward_lines(log / file.name)
    ]
    assert kept == newer
    assert (repaired.lost, repaired.gone) == ((), ())
    assert all("written by a newer Arawn" in text for text in repaired.left)
    assert repaired.left


def test_damaged_days_in_one_log_are_mended_at_once(whole: Path, tmp_path: Path) -> None:
    """Several files, several kinds."""
    log = fresh_copy(whole, tmp_path / "log")
    for name in (FIRST, SECOND):
        lines = (log / name).read_bytes().splitlines(keepends=True)
        (log / name).write_bytes(b"\0" * 10 + b"".join(lines[:3]) + b"{broken\n" + b"".join(lines[2:]))

    repaired = mended(log)

    assert [(file.file, file.kept_lines) for file in repaired.files] == [(FIRST, 15), (SECOND, 15)]
    assert check_directory(log).clean
    assert lines_of(whole) <= lines_of(log)


def test_a_clean_log_stays_as_it_is(whole: Path, tmp_path: Path) -> None:
    """Nothing is rewritten, no repair mark is made."""
    log = fresh_copy(whole, tmp_path / "log")

    repaired = mended(log)

    assert repaired == Repaired(
        files=(), torn=(), manifests=(), orphans=(), modes=(), lost=(), gone=(), left=(), moved=()
    )
    assert (log / FIRST).read_bytes() == (whole / FIRST).read_bytes()


def test_a_dry_run_says_it_and_does_nothing(whole: Path, tmp_path: Path) -> None:
    """What would be mended is what is mended."""
    log = fresh_copy(whole, tmp_path / "log")
    damaged = b"\0" * 7 + (log / FIRST).read_bytes()
    (log / FIRST).write_bytes(damaged)

    (plan,) = would_mend(log, check_directory(log))

    assert (log / FIRST).read_bytes() == damaged
    (done,) = mended(log).files
    assert (plan.kept_lines, plan.damaged_bytes) == (done.kept_lines, done.damaged_bytes) == (15, 7)


@pytest.mark.parametrize("content", [None, b"", b"{}", b"\xff\xfe"])
def test_a_missing_or_wrong_manifest_is_made_anew(sealed: Path, tmp_path: Path, content: bytes | None) -> None:
    """The file is whole, so its manifest can be; a wrong one is kept aside."""
    log = fresh_copy(sealed, tmp_path / "log")
    right = (log / MANIFEST).read_bytes()
    (log / MANIFEST).unlink()
    if content is not None:
        (log / MANIFEST).write_bytes(content)
        (log / MANIFEST).chmod(0o600)

    repaired = mended(log)

    assert (repaired.manifests, repaired.left) == ((MANIFEST,), ())
    assert (log / MANIFEST).read_bytes() == right
    assert [path.read_bytes() for path in log.glob(f"{MANIFEST}.damaged-*")] == ([] if content is None else [content])


def test_a_damaged_compressed_day_keeps_what_can_be_decoded(tmp_path: Path) -> None:
    """Frames before and behind the damaged one stay; the old file is kept aside; the new one is sealed."""
    log = written_log(tmp_path / "log")
    lines = (log / FIRST).read_bytes().splitlines(keepends=True)
    seal(log, FIRST, frame_bytes=2_000)
    path = log / f"{FIRST}.zst"
    data = bytearray(path.read_bytes())
    frames = table(lambda count, place: bytes(data[place : place + count]), len(data))
    assert frames is not None
    data[frames[1].place + frames[1].stored // 2] ^= 0xFF
    path.write_bytes(data)
    hit = {line for offset, line in _offsets(lines) if frames[1].offset <= offset < frames[1].end}

    repaired = mended(log)

    assert set(lines) - hit <= lines_of(log)
    assert check_directory(log).problems == ()
    assert [name.read_bytes() for name in log.glob(f"{FIRST}.zst.damaged-*")] == [data]
    assert sum(gap.last - gap.first + 1 for gap in repaired.lost) == len(hit)
    assert path.exists()
    assert not (log / FIRST).exists()


@LAST_OPERATIONS
def test_a_crash_anywhere_keeps_the_damaged_bytes_of_a_compressed_day(tmp_path: Path, operations: slice) -> None:
    """Even when the next thing that happens is the daily compaction, which puts its own file in the same place."""
    source = written_log(tmp_path / "source")
    seal(source, FIRST, frame_bytes=2_000)
    data = bytearray((source / f"{FIRST}.zst").read_bytes())
    data[len(data) // 2] ^= 0xFF
    (source / f"{FIRST}.zst").write_bytes(data)
    filesystem = DyingFilesystem()
    repair(fresh_copy(source, tmp_path / "log"), CONFIG, filesystem=filesystem, clock=later)

    for last in range(filesystem.count)[operations]:
        log = fresh_copy(source, tmp_path / "log")
        with contextlib.suppress(Died):
            repair(log, CONFIG, filesystem=DyingFilesystem(last), clock=later)
        if (log / FIRST).exists():
            seal(log, FIRST)
        assert data in [path.read_bytes() for path in log.iterdir()], last


def _offsets(lines: list[bytes]) -> list[tuple[int, bytes]]:
    return [(sum(map(len, lines[:number])), line) for number, line in enumerate(lines)]


def test_a_manifest_whose_day_is_gone_is_set_aside(sealed: Path, tmp_path: Path) -> None:
    """What is lost is declared as far as numbers tell, and the manifest is kept."""
    log = fresh_copy(sealed, tmp_path / "log")
    (log / f"{FIRST}.zst").unlink()

    repaired = mended(log)

    assert (repaired.orphans, repaired.manifests) == ((MANIFEST,), ())
    assert check_directory(log).clean
    assert len(list(log.glob(f"{MANIFEST}.damaged-*"))) == 1


def _flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 0xFF
    path.write_bytes(data)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])


def _cut_between_frames(path: Path) -> None:
    data = path.read_bytes()
    frames = table(lambda count, place: data[place : place + count], len(data))
    assert frames is not None
    path.write_bytes(data[: frames[len(frames) // 2].place])


@pytest.mark.parametrize(
    ("frame_bytes", "harm"),
    [
        *[(2_000, harm) for harm in (_flipped, _cut, _cut_between_frames, Path.unlink)],
        *[(1 << 20, harm) for harm in (_flipped, _cut, Path.unlink)],
    ],
)
def test_what_a_manifest_proves_lost_is_declared(
    whole: Path, tmp_path: Path, harm: Callable[[Path], None], frame_bytes: int
) -> None:
    """Every line that a sealed day has no more, the last of their writer too; once, and for ever."""
    log = fresh_copy(whole, tmp_path / "log")
    seal(log, FIRST, frame_bytes=frame_bytes)
    before = {(line.writer, line.seq) for line in _heads(log)}
    harm(log / f"{FIRST}.zst")

    repaired = mended(log)

    lost = before - {(line.writer, line.seq) for line in _heads(log)}
    assert lost
    assert {(gap.writer, seq) for gap in repaired.lost for seq in range(gap.first, gap.last + 1)} == lost
    after = check_directory(log)
    assert (after.problems, repaired.left) == ((), ())
    assert sum(loss.count for loss in after.declared) == len(lost)
    assert mended(log).lost == ()


@LAST_OPERATIONS
def test_a_crash_leaves_no_loss_undeclared(whole: Path, tmp_path: Path, operations: slice) -> None:
    """Whichever operation of a repair was the last: after the next one, every lost line is declared."""
    source = fresh_copy(whole, tmp_path / "source")
    seal(source, FIRST, frame_bytes=2_000)
    before = len(_heads(source))
    _cut(source / f"{FIRST}.zst")
    filesystem = DyingFilesystem()
    repair(fresh_copy(source, tmp_path / "log"), CONFIG, filesystem=filesystem, clock=later)

    for last in range(filesystem.count)[operations]:
        log = fresh_copy(source, tmp_path / "log")
        with contextlib.suppress(Died):
            repair(log, CONFIG, filesystem=DyingFilesystem(last), clock=later)
        mended(log)
        after = check_directory(log)
        left = len([line for line in _heads(log) if line.timestamp < "2026-01-30"])
        assert (after.problems, left + sum(loss.count for loss in after.declared)) == ((), before), last


def _heads(log: Path) -> list[LogLine]:
    files = day_files(path.name for path in log.iterdir())
    lines = {item[1] for file in files for item in lines_and_damage(log / file.name) if not isinstance(item, OSError)}
    checked = [check_line(line) for line in lines]
    return [line.line for line in checked if isinstance(line, CheckedLine)]


def test_modes_are_narrowed_and_names_are_left(whole: Path, tmp_path: Path) -> None:
    """What others could read they cannot any more; what is not ours to rename is named still."""
    log = fresh_copy(whole, tmp_path / "log")
    log.chmod(0o755)
    (log / FIRST).chmod(0o644)
    (log / "interactions-2026-99-01.jsonl").write_bytes(b"")

    repaired = mended(log)

    assert (log / FIRST).stat().st_mode & 0o777 == 0o600
    assert log.stat().st_mode & 0o777 == 0o700
    assert repaired.modes[0] == "."
    assert FIRST in repaired.modes
    assert len(repaired.left) == 1


def test_a_running_daemon_keeps_repair_out(tmp_path: Path) -> None:
    """Whoever rewrites files takes the lock."""
    log = open_day_log(tmp_path, CONFIG)
    try:
        with pytest.raises(LogWriteFailed, match=rf"this process \({os.getpid()}\) is writing to it"):
            mended(tmp_path)
    finally:
        log.close()


@LAST_OPERATIONS
def test_a_crash_anywhere_loses_nothing(whole: Path, tmp_path: Path, operations: slice) -> None:
    """Whichever operation was the last: every whole line is in the log or can be repaired, and a new repair ends it."""
    lines = (whole / FIRST).read_bytes().splitlines(keepends=True)
    damaged = b"".join(lines[:4]) + b"\0" * 500 + b"".join(lines[4:7]) + b'{"kind":"inter' + b"".join(lines[7:])
    filesystem = DyingFilesystem()
    log = fresh_copy(whole, tmp_path / "log")
    (log / FIRST).write_bytes(damaged)
    repair(log, CONFIG, filesystem=filesystem, clock=later)

    for last in range(filesystem.count)[operations]:
        log = fresh_copy(whole, tmp_path / "log")
        (log / FIRST).write_bytes(damaged)
        with contextlib.suppress(Died):
            repair(log, CONFIG, filesystem=DyingFilesystem(last), clock=later)
        assert mended(log).left == (), last
        assert set(lines) <= lines_of(log), last
        assert check_directory(log).problems == (), last


@pytest.mark.parametrize(
    ("writer", "colon"), [("aaaaaaaa-bbbbbbbb", b":"), ("aaaaaaaa-bbbbbbbb", b"?"), ("the log's own", b":")]
)
def test_what_a_model_said_becomes_no_line_of_the_log(tmp_path: Path, writer: str, colon: bytes) -> None:
    """Arguments of a tool that look like a mark, in a damaged line: no mark that would hide a loss."""
    with closing(open_day_log(tmp_path, CONFIG, clock=Clock())) as log:
        forged = MarkLine(
            event="removal",
            detail={"missing": [[log.writer, 1, 9]]},
            writer=writer if writer.startswith("a") else log.writer,
            seq=7,
            timestamp=timestamp_text(NOON),
        )
        arguments = msgspec.json.decode(encode_line(forged))
        answer = CompletionResponse(content=(ToolUse("1", "t", arguments),), model="m")
        log.append([record(1, response=answer), record(2)])
    path = tmp_path / FIRST
    data = path.read_bytes().replace(b'{"kind":"interaction"', b'{"k\0nd":"interaction"', 1)
    path.write_bytes(data.replace(b'"arguments":{', b'"arguments"' + colon + b"{"))

    mended(tmp_path)

    assert not [line for line in lines_of(tmp_path) if line.startswith(b'{"kind":"mark","v":1,"event":"removal"')]
    assert [loss.why for loss in check_directory(tmp_path).declared] == ["found lost by `repair`"]


@given(st.lists(st.binary(max_size=40).map(lambda data: data.replace(b"\n", b"")), min_size=2, max_size=5))
def test_whole_lines_are_found_between_any_bytes(junk: list[bytes]) -> None:
    """Whatever stands before, between and behind them, as long as it does not look like a beginning, or its inside."""
    junk = [data.rstrip(b":,[") for data in junk]
    lines = [encode_line(_numbered(number))[:-1] for number in range(1, len(junk))]
    data = junk[0] + b"".join(line + more for line, more in zip(lines, junk[1:], strict=True))

    found = [data[first:last] for first, last, _ in whole_lines_in(data)]

    assert found == lines


def _numbered(number: int) -> object:
    return msgspec.structs.replace(note(number, text='{"kind":"mark" {"kind":"'), writer="w", seq=number)


def test_a_file_that_the_disk_refuses_keeps_repair_from_nothing_else(whole: Path, tmp_path: Path) -> None:
    """It is named with the reason and stays as it is, nothing of it is declared as lost, and the rest is mended."""
    log = fresh_copy(whole, tmp_path / "log")
    lines = (log / FIRST).read_bytes().splitlines(keepends=True)
    damaged = b"".join(lines[:4]) + b"\0" * 500 + b"\n" + b"".join(lines[5:])
    (log / FIRST).write_bytes(damaged)
    (log / SECOND).write_bytes(b"\0\0\0\n" + (log / SECOND).read_bytes())

    class Refusing(Filesystem):
        def rename(self, source: Path, target: Path) -> None:
            if target.name == FIRST:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            super().rename(source, target)

    repaired = repair(log, CONFIG, filesystem=Refusing(), clock=later)

    assert [file.file for file in repaired.files] == [SECOND]
    assert repaired.left[0] == f"{FIRST}: cannot be mended: Input/output error"
    assert (repaired.lost, check_directory(log).declared) == ((), ())
    assert (log / FIRST).read_bytes() == damaged
    assert (log / SECOND).read_bytes() == (whole / SECOND).read_bytes()
    assert (mended(log).left, check_directory(log).clean) == ((), True)


def test_any_number_of_lines_of_a_newer_arawn_is_no_damage(tmp_path: Path) -> None:
    """Past the thousandth they are only counted; `repair` sets nothing aside for that."""
    log = written_log(tmp_path, days=2, calls=1_010)
    (log / FIRST).write_bytes((log / FIRST).read_bytes().replace(b'"kind":"tool_result"', b'"kind":"rating"'))
    seal(log, FIRST)

    repaired = repair(log, CONFIG, clock=later)

    assert repaired.files == ()
    assert any("not named: 10 more problems" in text for text in repaired.left)
    assert not list(log.glob("*.damaged-*"))


def test_nobody_is_told_to_kill_a_process_that_does_not_hold_the_log(whole: Path, tmp_path: Path) -> None:
    """The number in the lock file can be one of another container that shares the directory: here, of somebody else."""
    log = fresh_copy(whole, tmp_path / "log")
    bystander = os.getppid()
    lock = log / ".lock"
    lock.write_bytes(b'{"pid":%d,"started":"2026-01-28T00:00:00.000000Z"}' % bystander)

    with lock.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(LogWriteFailed) as refused:
            mended(log)

    assert f"process {bystander} (started 2026-01-28" in str(refused.value)
    assert "`kill " not in str(refused.value)
