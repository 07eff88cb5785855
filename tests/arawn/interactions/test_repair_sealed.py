"""`repair` of compressed days and of manifests: what can be decoded stays, and what is proved lost is declared."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest

from arawn.interactions.files import day_files
from arawn.interactions.line_check import CheckedLine, check_line
from arawn.interactions.raw_lines import lines_and_damage
from arawn.interactions.record import LogLine
from arawn.interactions.repair import repair
from arawn.interactions.sealed import table
from arawn.interactions.to_mend import to_mend
from arawn.interactions.verify import check_directory
from tests.arawn.interactions.failing_filesystem import Died, DyingFilesystem
from tests.arawn.interactions.mending_logs import (
    CONFIG,
    FIRST,
    LAST_OPERATIONS,
    SECOND,
    fresh_copy,
    later,
    lines_of,
    mended,
    seal,
    written_log,
)

pytestmark = pytest.mark.usefixtures("quiet")
MANIFEST = "interactions-2026-01-28.manifest.json"


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


def _emptied(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize(
    ("frame_bytes", "harm"),
    [
        *[(2_000, harm) for harm in (_flipped, _cut, _cut_between_frames, _emptied, Path.unlink)],
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


def _manifest_gone(path: Path) -> None:
    path.with_name(MANIFEST).unlink()


def _manifest_broken(path: Path) -> None:
    path.with_name(MANIFEST).write_bytes(b"{}")


@pytest.mark.parametrize(
    ("harm", "at_once"),
    [(_manifest_gone, True), (_manifest_broken, True), (_flipped, True), (_cut, False), (Path.unlink, False)],
)
@pytest.mark.parametrize("unread", [b'{"kind":"mystery","v":1}\n', b'{"kind":"interaction","v":9,"x":1}\n'])
def test_a_line_without_a_number_keeps_only_what_a_manifest_alone_proves(
    whole: Path, tmp_path: Path, harm: Callable[[Path], None], unread: bytes, *, at_once: bool
) -> None:
    """All the rest is mended; nothing is declared before the line is gone, and then everything that is lost."""
    log = fresh_copy(whole, tmp_path / "log")
    seal(log, FIRST, frame_bytes=2_000)
    before = {(line.writer, line.seq) for line in _heads(log)}
    (log / SECOND).write_bytes((log / SECOND).read_bytes() + unread)
    harm(log / f"{FIRST}.zst")

    foretold = to_mend(log, check_directory(log)).left
    repaired = mended(log)
    problems = check_directory(log).problems
    (log / SECOND).write_bytes((log / SECOND).read_bytes().replace(unread, b""))
    later_on = mended(log)

    assert {problem.kind for problem in problems if problem.file.startswith(FIRST[:-6])} <= {
        "unreadable"
    } or not at_once
    assert [problem.kind for problem in foretold] == [problem.kind for problem in problems]
    assert (repaired.lost, repaired.gone) == ((), ())
    lost = before - {(line.writer, line.seq) for line in _heads(log)}
    assert {(gap.writer, seq) for gap in later_on.lost for seq in range(gap.first, gap.last + 1)} == lost
    assert (check_directory(log).problems, later_on.left) == ((), ())


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
