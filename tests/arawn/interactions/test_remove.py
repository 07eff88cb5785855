"""`rm` leaves no byte of what it removed, anywhere in the directory, and loses nothing else."""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path
from typing import Any

import pytest

from arawn.errors import BadInput, LogWriteFailed
from arawn.interactions.feedback import Judgement, append_feedback, feedback_line
from arawn.interactions.files import parse_name
from arawn.interactions.filters import Filters
from arawn.interactions.opening import open_day_log
from arawn.interactions.remove import Target, plan_removal, remove
from arawn.interactions.repair import repair
from arawn.interactions.verify import check_directory
from tests.arawn.interactions.failing_filesystem import Died, DyingFilesystem
from tests.arawn.interactions.mending_logs import (
    CONFIG,
    FIRST,
    LAST_OPERATIONS,
    SECOND,
    fresh_copy,
    later,
    seal,
    written_log,
)
from tests.arawn.interactions.removing import everything, ids_of, lines_of, removed
from tests.arawn.interactions.samples import NOON


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)


@pytest.fixture(params=["plain", "sealed"])
def log(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    return written_log(tmp_path / "log", sealed=request.param == "sealed")


def everything_but_pipes(log: Path) -> bytes:
    return b"".join(path.read_bytes() for path in log.iterdir() if path.is_file())


def test_no_byte_of_an_interaction_remains(log: Path) -> None:
    """Its line, its tool result, its feedback: gone from every byte; all else stays; numbers are accounted for."""
    identity = ids_of(log)[5]  # the last call of the first day has feedback too
    before = lines_of(log)

    removal = removed(log, identity)

    data = everything(log)
    assert identity.encode() not in data
    assert b"question 5" not in data.replace(b"question 5", b"", 1)  # the second day asked it too
    assert b"result 5 of 28" not in data
    assert [line for line in before if identity.encode() not in line] == [
        line for line in lines_of(log) if line in before
    ]
    assert (removal.lines, removal.pieces, len(removal.numbers)) == (3, 0, 1)
    report = check_directory(log)
    assert report.problems == ()
    assert [(loss.count, loss.why) for loss in report.declared] == [(3, "removed with `rm`")]


def test_filters_remove_whole_conversations(log: Path) -> None:
    """A workstream goes from all days, compressed or not, and no other."""
    removal = removed(log, workstream="w1")

    data = everything(log)
    assert b'"w1"' not in data
    assert data.count(b'"workstream":"w0"') == 6
    assert len(removal.ids) == 6
    assert check_directory(log).problems == ()


def test_a_day_goes_by_its_date(log: Path) -> None:
    """What began that day is gone; marks stay, so that the numbers stay dense."""
    removed(log, start="2026-01-28T00:00:00.000000Z", end="2026-01-29T00:00:00.000000Z")

    assert b"of 28" not in everything(log)
    assert everything(log).count(b"of 29") == 6
    assert check_directory(log).problems == ()


def test_sealed_days_stay_sealed(log: Path) -> None:
    """The manifest is that of the new content."""
    was_sealed = sorted(path.name for path in log.glob("*.zst"))

    removed(log, *ids_of(log)[:1])

    assert sorted(path.name for path in log.glob("*.zst")) == was_sealed
    assert {path.stat().st_mode & 0o777 for path in log.iterdir()} == {0o600}


def test_torn_and_damaged_pieces_go_too(tmp_path: Path) -> None:
    """Pieces in torn, damaged and unfinished files, in the day's own file, and copies from a bad disk."""
    log = written_log(tmp_path / "log")
    lines = (log / FIRST).read_bytes().splitlines(keepends=True)
    identity, line = ids_of(log)[2], lines[5]
    assert identity.encode() in line
    pieces = {
        f"{FIRST}.torn-20260128T120000.000000Z": line[:300],
        f"{FIRST}.damaged-20260128T120000.000000Z": b"\0\0" + line[200:] + b"half " + line[:100],
        f"{FIRST}.zst.new": line,
        f"{SECOND}.torn-20260128T120000.000000Z": line[:90],
        "interactions-2026-01-28.part2.jsonl": line,
    }
    for name, content in pieces.items():
        (log / name).write_bytes(content)
        (log / name).chmod(0o600)
    (log / FIRST).write_bytes(b"".join(lines[:9]) + line[50:-1] + b"\n" + line[:80] + b"\0" * 9 + b"\n" + lines[9])

    removal = removed(log, identity)

    data = everything(log)
    assert identity.encode() not in data
    assert b"question 2" not in data.replace(b"question 2", b"", 1)  # the second day's
    assert not any((log / name).exists() and (log / name).read_bytes() for name in pieces)
    assert removal.pieces == 6
    assert len(lines_of(log)) > 20


def test_pieces_of_other_days_stay(tmp_path: Path) -> None:
    """What cannot be of the removed call is nobody's to throw away."""
    log = written_log(tmp_path / "log")
    piece = log / f"{SECOND}.torn-20260129T120000.000000Z"
    piece.write_bytes(b'{"kind":"interaction","v":1,"id":"01')

    removed(log, ids_of(log)[0])

    assert piece.read_bytes() == b'{"kind":"interaction","v":1,"id":"01'


@pytest.mark.parametrize("wanted", [{"workstream": "nowhere"}, {"profile": "nobody"}, {"tags": {"team": "none"}}])
def test_a_name_that_is_nowhere_takes_no_damaged_piece_with_it(tmp_path: Path, wanted: dict[str, Any]) -> None:
    """It may be a wrong one, and days that are set aside may be all that is left of them; but they are named."""
    log = written_log(tmp_path / "log")
    aside = log / f"{FIRST}.zst.damaged-20260128T120000.000000Z"
    aside.write_bytes(b"\x28\xb5\x2f\xfd no frame")
    before = ids_of(log)

    with pytest.raises(BadInput, match=f"but what nobody can read in `{aside.name}` may be; `interactions list`"):
        removed(log, **wanted)

    assert aside.exists()
    assert ids_of(log) == before
    assert removed(log, start="2026-01-28", end="2026-01-29").pieces == 1
    assert not aside.exists()


def test_a_damaged_line_is_known_by_its_workstream(tmp_path: Path) -> None:
    """A line that no reader can read, and that a filter would have matched, goes as well."""
    log = written_log(tmp_path / "log")
    lines = (log / FIRST).read_bytes().splitlines(keepends=True)
    torn = log / f"{FIRST}.torn-20260128T120000.000000Z"
    torn.write_bytes(lines[3].replace(b'"workstream":"w1"', b'"workstream":"secret-work"')[:-2])

    removal = removed(log, workstream="secret-work")

    assert b"secret-work" not in everything(log)
    assert (removal.pieces, removal.lines) == (1, 0)


def test_a_copy_that_an_interrupted_compaction_left_goes_too(tmp_path: Path) -> None:
    """Readers do not look at it, and its bytes are there."""
    log = written_log(tmp_path / "log")
    plain = (log / FIRST).read_bytes()
    seal(log, FIRST)
    (log / FIRST).write_bytes(plain)
    (log / FIRST).chmod(0o600)
    identity = ids_of(log)[1]

    removed(log, identity)

    assert identity.encode() not in everything(log)


def test_after_a_repair_nothing_remains_either(log: Path) -> None:
    """What repair set aside, rm finds."""
    identity = ids_of(log)[3]
    for path in [path for path in log.iterdir() if parse_name(path.name)]:
        path.write_bytes(path.read_bytes()[:-30] if path.suffix == ".zst" else b"\0" * 50 + path.read_bytes())
    repair(log, CONFIG, clock=later)

    removed(log, identity)

    assert identity.encode() not in everything(log)
    assert check_directory(log).problems == ()


@LAST_OPERATIONS
def test_a_crash_anywhere_leaves_the_old_or_the_new_file(log: Path, tmp_path: Path, operations: slice) -> None:
    """No file is ever half; the same call again ends the work and leaves no byte."""
    identity = ids_of(log)[5]
    rest = {line for line in lines_of(log) if identity.encode() not in line}
    filesystem = DyingFilesystem()
    target = Target(frozenset([identity]))
    remove(fresh_copy(log, tmp_path / "copy"), CONFIG, target, filesystem=filesystem, clock=later)

    for last in range(filesystem.count)[operations]:
        copy = fresh_copy(log, tmp_path / "copy")
        with contextlib.suppress(Died):
            remove(copy, CONFIG, target, filesystem=DyingFilesystem(last), clock=later)
        assert rest <= set(lines_of(copy)), last
        problems = [problem for problem in check_directory(copy).problems if problem.kind != "manifest"]
        assert all("no end" in problem.what for problem in problems), last
        with contextlib.suppress(BadInput):  # it was done
            remove(copy, CONFIG, target, clock=later)
        assert identity.encode() not in everything(copy), last
        assert rest <= set(lines_of(copy)), last


def test_feedback_given_later_goes_with_its_call(tmp_path: Path) -> None:
    """Days later, in another file."""
    log = written_log(tmp_path / "log")
    identity = ids_of(log)[0]
    judgement = Judgement("bad", note="a secret opinion")
    append_feedback(log, [feedback_line(log, identity[:36], judgement, at=NOON, config=CONFIG)], CONFIG)

    removed(log, identity)

    assert b"a secret opinion" not in everything(log)


def test_a_line_spliced_with_what_goes_is_a_piece(tmp_path: Path) -> None:
    """Its head can be read and is another call's; behind it stands what has to go."""
    log = written_log(tmp_path / "log")
    lines = (log / FIRST).read_bytes().splitlines(keepends=True)
    identity = ids_of(log)[1]
    assert identity.encode() in lines[3]
    (log / FIRST).write_bytes(b"".join([*lines[:5], lines[5][:-40] + lines[3], *lines[6:]]))

    removal = removed(log, identity)

    assert identity.encode() not in everything(log)
    assert (removal.pieces, removal.lines) == (1, 2)
    assert len(ids_of(log)) == 10


def test_what_is_no_file_holds_up_nothing(tmp_path: Path) -> None:
    """Nothing waits on a pipe that is named like a day, with filters either."""
    log = written_log(tmp_path / "log")
    os.mkfifo(log / "interactions-2026-01-27.jsonl")

    removed(log, session="s1")

    assert b'"s1"' not in everything_but_pipes(log)


@pytest.mark.parametrize("target", [Target(frozenset(["nobody"])), Target(wanted=Filters(session="nobody"))])
def test_what_is_not_there_is_said(tmp_path: Path, target: Target) -> None:
    """Nothing is written, nothing is changed."""
    log = written_log(tmp_path / "log")

    with pytest.raises(BadInput, match="nothing in the interaction log"):
        plan_removal(log, target)


def test_a_running_daemon_keeps_rm_out(tmp_path: Path) -> None:
    """Its clear message says who is writing."""
    log = written_log(tmp_path / "log")
    identity = ids_of(log)[0]
    writer = open_day_log(log, CONFIG)
    try:
        with pytest.raises(LogWriteFailed, match=rf"this process \({os.getpid()}\) is writing to it"):
            removed(log, identity)
    finally:
        writer.close()

    assert identity in ids_of(log)


def test_a_time_on_the_last_day_there_is_can_be_asked_for(tmp_path: Path) -> None:
    """The day after it is none: nothing is to be removed, and that is what is said."""
    everything_until = Target(wanted=Filters(end="9999-12-31T10:00:00.000000Z", workstream="none"))

    with pytest.raises(BadInput, match="nothing in the interaction log"):
        plan_removal(tmp_path, everything_until)
