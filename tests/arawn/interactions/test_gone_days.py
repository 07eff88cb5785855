"""A compressed day that is gone as a whole is missed: a mark in a later day says that it was there."""

from __future__ import annotations

import errno
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from arawn.interactions import raw_lines, verify
from arawn.interactions.compact import Progress, compact_files, compaction_mark
from arawn.interactions.files import DayFile
from arawn.interactions.filesystem import Filesystem
from arawn.interactions.opening import open_day_log
from arawn.interactions.raw_lines import forward_lines
from arawn.interactions.record import MarkLine, timestamp_text
from arawn.interactions.repair import repair
from arawn.interactions.verify import check_directory
from tests.arawn.interactions.mending_logs import CONFIG, FIRST, SECOND, written_log
from tests.arawn.interactions.samples import note

GONE = f"{FIRST}.zst: it is gone; interactions-2026-02-01.jsonl:2 says that it was compressed, with 15 lines"


def on(day: int) -> datetime:
    return datetime(2026, 1, 28, 12, tzinfo=UTC) + timedelta(days=day)


def housekept(log: Path, day: int, *files: str, marks: tuple[MarkLine, ...] = ()) -> None:
    """A writer's day: it compresses files, and leaves a mark of each as the daemon does."""
    with_marks = open_day_log(log, CONFIG, clock=lambda: on(day))
    parts = [DayFile(name[13:23]) for name in files]
    for step in compact_files(Filesystem(), log, parts):
        if isinstance(step, Progress) and step.manifest is not None:
            with_marks.append([compaction_mark(step.file, step.manifest, on(day))])
    with_marks.append([*marks, note(1, on(day))])
    with_marks.close()


def removed_day(log: Path, day: str) -> None:
    for path in log.glob(f"interactions-{day}.*"):
        path.unlink()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Two days of their own writers; the first was compressed four days later."""
    log = written_log(tmp_path / "log")
    housekept(log, 4, FIRST)
    assert check_directory(log).clean
    return log


def test_a_compressed_day_that_is_gone_is_missed(log: Path) -> None:
    """Its manifest too: no number tells, since no other file has lines of its writer."""
    removed_day(log, "2026-01-28")

    report = check_directory(log)

    assert [str(problem) for problem in report.problems] == [GONE]
    assert report.missing == ()


def test_it_is_missed_where_the_mark_is_compressed_by_now(log: Path) -> None:
    """Marks are read wherever they stand."""
    housekept(log, 9, "interactions-2026-02-01.jsonl")
    removed_day(log, "2026-01-28")

    assert [str(problem) for problem in check_directory(log).problems] == [
        GONE.replace("02-01.jsonl", "02-01.jsonl.zst")
    ]


def test_what_retention_removed_is_not_missed(log: Path) -> None:
    """Its mark names the files, and outlives that of the compaction, which stands in an earlier or the same day."""
    names = sorted(path.name for path in log.glob("interactions-2026-01-28.*"))
    mark = MarkLine(event="retention", detail={"removed": names}, timestamp=timestamp_text(on(9)))
    housekept(log, 9, marks=(mark,))
    removed_day(log, "2026-01-28")

    assert check_directory(log).clean
    removed_day(log, "2026-02-01")
    assert check_directory(log).clean


def test_a_day_that_was_unpacked_or_could_not_be_compressed_is_not_missed(log: Path) -> None:
    """The plain file is all there is of it; a mark of a failure says nothing of what is there."""
    housekept(log, 9, marks=(_failed(),))
    unpacked = _unpacked(log / f"{FIRST}.zst")
    removed_day(log, "2026-01-28")
    (log / FIRST).write_bytes(unpacked)
    (log / FIRST).chmod(0o600)

    assert check_directory(log).clean


def _failed() -> MarkLine:
    detail = {"file": "interactions-2020-01-01.jsonl", "error": "no room"}
    return MarkLine(event="compaction", detail=detail, timestamp=timestamp_text(on(9)))


def _unpacked(path: Path) -> bytes:
    return b"".join(line for _, line in forward_lines(path))


@pytest.mark.parametrize("keeps_manifest", [False, True])
def test_repair_declares_it_once(log: Path, keeps_manifest: bool) -> None:
    """Afterwards the log is clean and says what is gone; a manifest that is left proves the numbers as well."""
    (log / f"{FIRST}.zst").unlink()
    if not keeps_manifest:
        removed_day(log, "2026-01-28")

    repaired = repair(log, CONFIG, clock=lambda: on(5))
    after = check_directory(log)

    assert (repaired.gone, repaired.left) == ((f"{FIRST}.zst",), ())
    assert sum(gap.last - gap.first + 1 for gap in repaired.lost) == (15 if keeps_manifest else 0)
    assert after.clean
    assert any(f"{FIRST}.zst: gone as a whole, as " in text for text in after.notes)
    again = repair(log, CONFIG, clock=lambda: on(6))
    assert (again.gone, again.lost, again.files) == ((), (), ())


def test_a_manifest_that_is_left_names_the_loss_alone(log: Path) -> None:
    """One loss is not told twice."""
    (log / f"{FIRST}.zst").unlink()

    assert [problem.kind for problem in check_directory(log).problems] == ["lost", "lost"]


def test_a_day_that_goes_while_it_is_checked_is_not_missed(log: Path) -> None:
    """Retention beside the check has said so in a line that the check may have passed already."""

    def vanish(name: str, number: int, files: int) -> None:
        if name == SECOND:
            removed_day(log, "2026-01-28")

    assert check_directory(log, on_file=vanish).clean


def test_what_a_manifest_proves_is_kept_while_a_file_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No loss can be declared yet; once the file can be read, it is, to the last number."""
    log = written_log(tmp_path / "log", days=3, sealed=True)
    (log / f"{FIRST}.zst").unlink()
    real = raw_lines.lines_and_damage

    def refused(path: Path, offset: int) -> Any:
        if path.name == f"{SECOND}.zst":
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, offset)

    with monkeypatch.context() as patched:
        patched.setattr(verify, "lines_and_damage", refused)
        early = repair(log, CONFIG, clock=lambda: on(9))
    later = repair(log, CONFIG, clock=lambda: on(9))

    assert (early.lost, early.manifests) == ((), ())
    assert any("the file that it describes is gone" in left for left in early.left)
    assert [(gap.first, gap.last) for gap in later.lost] == [(1, 15)]
    assert check_directory(log).clean
    assert [found.count for found in check_directory(log).declared] == [15]
