"""`repair` keeps every whole line and every damaged byte, and leaves a log that `verify` finds clean."""

from __future__ import annotations

import contextlib
import random
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arawn.interactions.encode import encode_line
from arawn.interactions.files import day_files
from arawn.interactions.opening import open_day_log
from arawn.interactions.raw_lines import forward_lines
from arawn.interactions.record import MarkLine, timestamp_text
from arawn.interactions.repair import Repaired, repair, would_mend
from arawn.interactions.sort_out import whole_lines_in
from arawn.interactions.to_mend import to_mend
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
    lines_of,
    mended,
    seal,
    written_log,
)
from tests.arawn.interactions.samples import NOON, Clock, note, record

pytestmark = pytest.mark.usefixtures("quiet")


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
        files=(), torn=(), manifests=(), orphans=(), modes=(), lost=(), gone=(), left=(), moved=(), unwritten=0
    )
    assert (log / FIRST).read_bytes() == (whole / FIRST).read_bytes()


def test_a_dry_run_says_it_and_does_nothing(whole: Path, tmp_path: Path) -> None:
    """What would be mended is what is mended."""
    log = fresh_copy(whole, tmp_path / "log")
    damaged = b"\0" * 7 + (log / FIRST).read_bytes()
    (log / FIRST).write_bytes(damaged)

    (plan,) = would_mend(log, to_mend(log, check_directory(log)))

    assert (log / FIRST).read_bytes() == damaged
    (done,) = mended(log).files
    assert (plan.kept_lines, plan.damaged_bytes) == (done.kept_lines, done.damaged_bytes) == (15, 7)


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


def test_any_number_of_lines_of_a_newer_arawn_is_no_damage(tmp_path: Path) -> None:
    """Past the thousandth they are only counted; `repair` sets nothing aside for that."""
    log = written_log(tmp_path, days=2, calls=1_010)
    (log / FIRST).write_bytes((log / FIRST).read_bytes().replace(b'"kind":"tool_result"', b'"kind":"rating"'))
    seal(log, FIRST)

    repaired = repair(log, CONFIG, clock=later)

    assert repaired.files == ()
    assert any("not named: 10 more problems" in text for text in repaired.left)
    assert not list(log.glob("*.damaged-*"))
