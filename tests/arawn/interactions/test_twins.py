"""A part that is there twice, plain and compressed: nothing that only one of the two holds is lost."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from arawn.errors import LogWriteFailed
from arawn.interactions.compact import compact_file
from arawn.interactions.files import DayFile, parse_name
from arawn.interactions.filesystem import Filesystem
from arawn.interactions.filters import Filters
from arawn.interactions.heads import decode_head
from arawn.interactions.hits import TextSearch
from arawn.interactions.raw_lines import forward_lines
from arawn.interactions.reader import Damage, LogReader
from arawn.interactions.remove import Target, plan_removal, remove
from arawn.interactions.repair import repair
from arawn.interactions.search import Query
from arawn.interactions.sql import LogSql
from arawn.interactions.verify import check_directory
from tests.arawn.interactions.failing_filesystem import Died, DyingFilesystem
from tests.arawn.interactions.mending_logs import CONFIG, FIRST, LAST_OPERATIONS, fresh_copy, later, seal, written_log

SEALED = f"{FIRST}.zst"
Cut = Callable[[bytes], bytes]


def emptied(_: bytes) -> bytes:
    return b""


def cut(text: bytes) -> bytes:
    return text[: len(text) // 3]


def headless(text: bytes) -> bytes:
    return b"".join(text.splitlines(keepends=True)[4:])


def of_the_same_length(text: bytes) -> bytes:
    return b"\n" * len(text)


CUTS: tuple[Cut, ...] = (emptied, cut, headless, of_the_same_length)


def with_twin(directory: Path, change: Cut) -> tuple[Path, bytes]:
    """Return a log whose first day is compressed, with a changed plain file beside it, and the text of that day."""
    log = written_log(directory)
    text = (log / FIRST).read_bytes()
    seal(log, FIRST)
    (log / FIRST).write_bytes(change(text))
    (log / FIRST).chmod(0o600)
    return log, text


def lines_of(path: Path) -> set[bytes]:
    return {line for _, line in forward_lines(path)}


@pytest.mark.parametrize("change", CUTS)
def test_verify_names_a_plain_file_that_lacks_what_was_compressed(tmp_path: Path, change: Cut) -> None:
    """It is no loss yet: the compressed file has the lines, and they are counted."""
    log, _ = with_twin(tmp_path / "log", change)

    report = check_directory(log)

    assert not report.clean
    assert [problem.file for problem in report.problems if problem.kind == "twin"] == [FIRST]
    assert (report.kinds["interaction"], report.missing) == (12, ())


def test_a_copy_that_a_compaction_left_is_no_problem(tmp_path: Path) -> None:
    """A crash before the last step leaves two files of one text; one that has grown since is as good."""
    log, text = with_twin(tmp_path / "log", lambda text: text)

    assert check_directory(log).problems == ()

    seal_again(log)
    assert lines_of(log / SEALED) == set(text.splitlines(keepends=True))


def seal_again(log: Path) -> None:
    for _ in compact_file(Filesystem(), log, DayFile("2026-01-28")):
        pass


@pytest.mark.parametrize("change", CUTS)
def test_a_compressed_file_is_never_replaced_by_less(tmp_path: Path, change: Cut) -> None:
    """Compaction refuses, says what to do, and changes nothing."""
    log, _ = with_twin(tmp_path / "log", change)
    before = {path.name: path.read_bytes() for path in log.iterdir()}

    with pytest.raises(LogWriteFailed, match="run `arawn interactions repair`"):
        seal_again(log)

    assert {path.name: path.read_bytes() for path in log.iterdir()} == before


@pytest.mark.parametrize("change", [emptied, cut, headless])
def test_readers_take_both_and_say_so(tmp_path: Path, change: Cut) -> None:
    """Every call is shown once, by every reader."""
    log, _ = with_twin(tmp_path / "log", change)
    damages: list[Damage] = []

    forwards = [entry.head.id for entry in LogReader(log, on_damage=damages.append).oldest_first(Filters())]
    backwards = [entry.head.id for entry in LogReader(log, on_damage=lambda _: None).newest_first(Filters())]
    hits = list(TextSearch(log, Query("question"), Filters(), on_damage=lambda _: None).oldest_first())
    ((counted,),) = LogSql(log, on_damage=lambda _: None).ask("SELECT count(*) FROM interactions").rows

    assert len(forwards) == len(set(forwards)) == len({*forwards, *backwards}) == len(backwards) == counted == 12
    assert len(hits) == 12
    assert [damage.file for damage in damages if not damage.skipped] == [FIRST]


@pytest.mark.parametrize("change", CUTS)
def test_repair_makes_one_file_of_both(tmp_path: Path, change: Cut) -> None:
    """No line is lost, no byte thrown away, and the log is clean."""
    log, text = with_twin(tmp_path / "log", change)
    plain = (log / FIRST).read_bytes()

    repair(log, CONFIG, clock=later)

    kept = b"".join(path.read_bytes() for path in log.glob(f"{FIRST}.damaged-*"))
    assert lines_of(log / SEALED) == set(text.splitlines(keepends=True))
    assert not (log / FIRST).exists()
    assert check_directory(log).problems == ()
    assert all(line in text or line in kept for line in plain.splitlines(keepends=True))


def test_repair_keeps_what_only_the_plain_file_holds(tmp_path: Path) -> None:
    """Both files can have lines that the other one lacks; a compressed one that is damaged is kept as well."""
    log, text = with_twin(tmp_path / "log", headless)
    lines = text.splitlines(keepends=True)
    (log / FIRST).write_bytes(b"".join(lines[:8]))
    other = tmp_path / "other"
    other.mkdir()
    (other / FIRST).write_bytes(b"".join(lines[4:]))
    seal(other, FIRST, frame_bytes=2_000)
    stored = bytearray((other / SEALED).read_bytes())
    stored[40] ^= 1  # in the first frame, whose lines the plain file has
    (log / SEALED).write_bytes(stored)

    repair(log, CONFIG, clock=later)

    assert lines_of(log / SEALED) == set(lines)
    assert [path.read_bytes() for path in log.glob(f"{SEALED}.damaged-*")] == [stored]


@LAST_OPERATIONS
def test_repair_may_die_anywhere(tmp_path: Path, operations: slice) -> None:
    """Every line is in one of the two files, and the same call again ends the work."""
    source, text = with_twin(tmp_path / "log", cut)
    whole, filesystem = set(text.splitlines(keepends=True)), DyingFilesystem()
    repair(fresh_copy(source, tmp_path / "copy"), CONFIG, filesystem=filesystem, clock=later)

    for last in range(filesystem.count)[operations]:
        log = fresh_copy(source, tmp_path / "copy")
        with suppress(Died):
            repair(log, CONFIG, filesystem=DyingFilesystem(last), clock=later)
        parts = [path for path in log.iterdir() if parse_name(path.name)]
        assert whole <= set().union(*map(lines_of, parts)), last
        repair(log, CONFIG, clock=later)
        assert whole == lines_of(log / SEALED), last
        assert not (log / FIRST).exists(), last


def test_rm_touches_nothing_where_a_file_lacks_lines(tmp_path: Path) -> None:
    """What is asked for may stand in the compressed file alone, beside much that is not."""
    log, text = with_twin(tmp_path / "log", emptied)
    sealed = (log / SEALED).read_bytes()

    with pytest.raises(LogWriteFailed, match="interactions repair"):
        plan_removal(log, Target(wanted=Filters(workstream="w0")))
    with pytest.raises(LogWriteFailed, match="interactions repair"):
        remove(log, CONFIG, Target(wanted=Filters(workstream="w0")), clock=later)

    assert (log / SEALED).read_bytes() == sealed
    assert text


def test_a_manifest_proves_what_a_plain_file_lacks(tmp_path: Path) -> None:
    """The compressed file is gone, and its manifest says how many lines there were."""
    log, text = with_twin(tmp_path / "log", emptied)
    (log / SEALED).unlink()
    numbers = [decode_head(line).seq or 0 for line in text.splitlines(keepends=True)]

    report = check_directory(log)

    assert [(gap.first, gap.last) for gap in report.missing] == [(min(numbers), max(numbers))]
