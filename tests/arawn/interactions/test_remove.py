"""`rm` leaves no byte of what it removed, anywhere in the directory, and loses nothing else."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from arawn.errors import BadInput, LogWriteFailed
from arawn.interactions.feedback import Judgement, append_feedback, feedback_line
from arawn.interactions.files import parse_name
from arawn.interactions.filters import Filters
from arawn.interactions.opening import open_day_log
from arawn.interactions.raw_lines import forward_lines
from arawn.interactions.reader import LogReader
from arawn.interactions.removal_marks import texts_of
from arawn.interactions.remove import Removal, Target, plan_removal, remove
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
from tests.arawn.interactions.samples import NOON


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)


@pytest.fixture(params=["plain", "sealed"])
def log(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    return written_log(tmp_path / "log", sealed=request.param == "sealed")


def everything(log: Path) -> bytes:
    """Return every byte in the directory, and those of compressed files decompressed."""
    found = []
    for path in sorted(log.iterdir()):
        found.append(path.read_bytes())
        if ".zst" in path.name:
            found += [text for text in texts_of(path) if text is not None]
    return b"\n".join(found)


def everything_but_pipes(log: Path) -> bytes:
    return b"".join(path.read_bytes() for path in log.iterdir() if path.is_file())


def as_version_2(line: dict[str, Any]) -> str:
    return json.dumps({**line, "v": 2}, separators=(",", ":"))


def with_a_new_key(line: dict[str, Any]) -> str:
    return json.dumps({**line, "of_the_future": [1]}, separators=(",", ":"))


def lines_of(log: Path) -> list[bytes]:
    parts = sorted(path for path in log.iterdir() if parse_name(path.name) is not None)
    return [line for path in parts for _, line in forward_lines(path)]


def removed(log: Path, *ids: str, **wanted: str) -> Removal:
    target = Target(frozenset(ids), Filters(**wanted) if wanted else None)  # type: ignore[arg-type]  # texts alone
    return remove(log, CONFIG, target, clock=later)


def ids_of(log: Path) -> list[str]:
    found = [msgspec.json.decode(line) for line in lines_of(log)]
    return [line["id"] for line in found if line["kind"] == "interaction"]


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


@pytest.mark.parametrize("form", [json.dumps, as_version_2, with_a_new_key], ids=lambda form: form.__name__)
def test_calls_that_readers_show_are_no_damage(tmp_path: Path, form: Callable[[Any], str]) -> None:
    """Of another version, written anew by a tool, with a key of the future: only the one asked for goes."""
    log = written_log(tmp_path / "log", days=1)
    lines = [form(json.loads(line)) + "\n" for line in lines_of(log)]
    (log / FIRST).write_text("".join(lines))
    shown = list(LogReader(log, on_damage=print).oldest_first(Filters()))

    removal = removed(log, shown[2].head.id)

    left = list(LogReader(log, on_damage=print).oldest_first(Filters()))
    assert [entry.head.id for entry in left] == [entry.head.id for entry in shown if entry is not shown[2]]
    assert (removal.lines, removal.pieces, removal.numbers[0][1:]) == (2, 0, (6, 7))
    assert shown[2].head.id.encode() not in everything(log)


@pytest.mark.parametrize("sealed", [False, True], ids=["plain", "compressed"])
def test_what_only_a_newer_arawn_can_read_stays_unless_it_names_what_goes(tmp_path: Path, *, sealed: bool) -> None:
    """Byte for byte beside what was removed; but a line of what was asked for goes, whoever can read it."""
    log = written_log(tmp_path / "log")
    identity = ids_of(log)[1]
    lines = [
        line.replace(b'"v":1', b'"v":2').replace(b'{"kind":"', b'{"kind":"new_')
        for line in (log / FIRST).read_bytes().splitlines(keepends=True)[5:]
    ]
    named = b'{"kind":"opinion","v":2,"interaction_id":"%s","writer":"w","seq":1}\n' % identity.encode()
    with (log / FIRST).open("ab") as file:
        file.write(b"".join([*lines, named]))
    if sealed:
        seal(log, FIRST)

    removal = removed(log, identity)

    assert [line for line in lines_of(log) if b'{"kind":"new_' in line] == lines
    assert identity.encode() not in everything(log)
    assert (removal.newer, removal.pieces) == (len(lines), 1)


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


def test_a_line_of_a_newer_arawn_goes_by_an_id_under_any_key(tmp_path: Path) -> None:
    """Also where it alone, in a later file, is of the call; nobody knows what the newer one calls its keys."""
    log = written_log(tmp_path / "log")
    identity = ids_of(log)[1]
    with (log / SECOND).open("ab") as file:
        file.write(b'{"kind":"rating","v":1,"about":"%s","text":"SECRET","writer":"w","seq":1}\n' % identity.encode())

    removed(log, identity)

    assert b"SECRET" not in everything(log)


def test_rm_says_that_lines_of_a_newer_arawn_may_be_of_the_days_asked_for(tmp_path: Path) -> None:
    """Where it can read none of them: "nothing is there" would be no answer to whoever wants a day gone."""
    log = written_log(tmp_path / "log")
    data = (log / FIRST).read_bytes()
    (log / FIRST).write_bytes(data.replace(b'"v":1', b'"v":2').replace(b'"duration_ms":', b'"duration_us":'))
    first_day = Filters(start="2026-01-28T00:00:00.000000Z", end="2026-01-28T13:00:00.000000Z")

    with pytest.raises(BadInput, match="only a newer Arawn can read may be"):
        plan_removal(log, Target(wanted=first_day))


def test_a_time_on_the_last_day_there_is_can_be_asked_for(tmp_path: Path) -> None:
    """The day after it is none: nothing is to be removed, and that is what is said."""
    everything_until = Target(wanted=Filters(end="9999-12-31T10:00:00.000000Z", workstream="none"))

    with pytest.raises(BadInput, match="nothing in the interaction log"):
        plan_removal(tmp_path, everything_until)
