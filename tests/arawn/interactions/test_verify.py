"""`verify` finds and names every damage of a log and its files, and imagines none."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest

from arawn.interactions.line_check import CheckedLine, NewerLine, check_line
from arawn.interactions.opening import open_day_log
from arawn.interactions.record import MarkLine, timestamp_text
from arawn.interactions.verify import check_directory
from tests.arawn.interactions.mending_logs import (
    CONFIG,
    DAMAGES,
    FIRST,
    Damage,
    flip,
    fresh_copy,
    problems,
    seal,
    written_log,
)
from tests.arawn.interactions.samples import Clock, note


@pytest.mark.parametrize("which", ["whole", "sealed"])
def test_a_clean_log_has_no_problem(which: str, request: pytest.FixtureRequest) -> None:
    """Nothing is imagined; what there is, is counted."""
    report = check_directory(request.getfixturevalue(which))

    assert (report.clean, problems(report), report.notes, report.declared) == (True, [], (), ())
    assert report.kinds == {"interaction": 12, "tool_result": 12, "feedback": 2, "mark": 4}
    assert (report.files, report.lines, report.doubles) == (2, 30, 0)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_every_damage_is_found_and_named(whole: Path, tmp_path: Path, damage: Damage) -> None:
    """A hundred and fifty of each kind; a flipped bit is excused only where the line is as whole as before."""
    lines = (whole / FIRST).read_bytes().splitlines(keepends=True)
    log = fresh_copy(whole, tmp_path / "log")

    for seed in range(150):
        data, touched = damage(random.Random(seed), lines)
        (log / FIRST).write_bytes(data)
        report = check_directory(log)
        if report.clean:
            assert damage is flip
            assert _looks_whole(data.splitlines(keepends=True), lines), seed
        else:
            assert any(problem.file == FIRST for problem in report.problems), seed
            named = {problem.line for problem in report.problems if problem.file == FIRST}
            near = {number + step for number in touched for step in (0, 1, 2)}
            assert not touched or len(touched) > 3 or named & near, (seed, touched, named)


def _looks_whole(found: list[bytes], lines: list[bytes]) -> bool:
    """Say whether each line is whole by itself and has the number that it had."""
    before, after = [check_line(line) for line in lines], [check_line(line) for line in found]
    return [_number(line) for line in after] == [_number(line) for line in before]


def _number(checked: CheckedLine | NewerLine | str) -> tuple[str, int]:
    assert isinstance(checked, CheckedLine)
    return checked.writer, checked.seq


def test_most_flipped_bits_are_seen_even_without_a_checksum(whole: Path, tmp_path: Path) -> None:
    """In an open day what stays unseen is a flip inside a text or a value that leaves a line of the right shape."""
    lines = (whole / FIRST).read_bytes().splitlines(keepends=True)
    log = fresh_copy(whole, tmp_path / "log")
    unseen = 0

    for seed in range(300):
        (log / FIRST).write_bytes(flip(random.Random(seed), lines)[0])
        unseen += check_directory(log).clean

    assert unseen < 300 * 0.4


@pytest.mark.parametrize("name", [f"{FIRST}.zst", "interactions-2026-01-28.manifest.json"])
def test_every_damage_of_a_sealed_day_is_found(sealed: Path, tmp_path: Path, name: str) -> None:
    """Flipped, cut, overwritten: the hashes tell, also where every line is still whole."""
    original = (sealed / name).read_bytes()
    log = fresh_copy(sealed, tmp_path / "log")

    for seed in range(150):
        dice = random.Random(seed)
        data, place = bytearray(original), dice.randrange(len(original))
        if seed % 3 == 0:
            data[place] ^= 1 << dice.randrange(8)
        elif seed % 3 == 1:
            del data[place:]
        else:
            data[place : place + 20] = bytes(min(20, len(data) - place))
        (log / name).write_bytes(data)
        if msgspec.json.decode(original) != _decoded(bytes(data)) if name.endswith("json") else data != original:
            assert not check_directory(log).clean, seed


def _decoded(data: bytes) -> object:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def test_a_sealed_text_that_was_changed_is_found_by_its_hash(tmp_path: Path) -> None:
    """The flip that no line shows: the manifest shows it."""
    log = written_log(tmp_path / "log")
    data = (log / FIRST).read_bytes()
    seal(log, FIRST)
    manifest = (log / "interactions-2026-01-28.manifest.json").read_bytes()
    (log / FIRST).write_bytes(data.replace(b"question 1", b"question 3"))
    (log / f"{FIRST}.zst").unlink()
    seal(log, FIRST)
    (log / "interactions-2026-01-28.manifest.json").write_bytes(manifest)

    assert "`sha256` is" in problems(check_directory(log))[0]


def test_a_missing_manifest_and_a_missing_file_are_found(sealed: Path, tmp_path: Path) -> None:
    """A sealed day without its manifest, a manifest without its day."""
    log = fresh_copy(sealed, tmp_path / "a")
    (log / "interactions-2026-01-28.manifest.json").unlink()
    gone = fresh_copy(sealed, tmp_path / "b")
    (gone / f"{FIRST}.zst").unlink()

    assert problems(check_directory(log)) == [
        f"interactions-2026-01-28.manifest.json: it is missing, and {FIRST}.zst is sealed; `repair` makes it anew"
    ]
    described, lost = problems(check_directory(gone))
    assert described == "interactions-2026-01-28.manifest.json: the file that it describes is gone"
    assert "15 lines are lost that stood here, as the manifest says: numbers 1 to 15 of writer" in lost


def test_a_manifest_that_is_no_text_is_found(sealed: Path, tmp_path: Path) -> None:
    """Bytes that are no UTF-8 are damage like any other, also where the file that it describes is gone."""
    log = fresh_copy(sealed, tmp_path / "a")
    (log / "interactions-2026-01-28.manifest.json").write_bytes(b'{"day": "\xff"}')
    (log / f"{FIRST}.zst").unlink()

    assert "interactions-2026-01-28.manifest.json: the file that it describes is gone" in problems(check_directory(log))


def test_names_and_modes_are_checked(whole: Path, tmp_path: Path) -> None:
    """What others may read, what is misnamed, what is a link; foreign files are told of and left alone."""
    log = fresh_copy(whole, tmp_path / "log")
    (log / FIRST).chmod(0o644)
    (log / "interactions-2026-13-01.jsonl").write_bytes(b"")
    (log / "interactions-2026-13-01.jsonl").chmod(0o600)
    (log / "interactions-2026-01-27.jsonl").symlink_to(tmp_path / "elsewhere")
    (log / "notes.txt").write_text("mine")

    report = check_directory(log)

    assert [(problem.file, problem.kind) for problem in report.problems] == [
        ("interactions-2026-01-27.jsonl", "name"),
        (FIRST, "mode"),
        ("interactions-2026-13-01.jsonl", "name"),
    ]
    assert "notes.txt: not a file of the log; left alone" in report.notes


def test_a_line_being_written_is_no_damage(tmp_path: Path) -> None:
    """Half a line at the end of the newest file is on its way while a writer is there, and damage when none is."""
    log = open_day_log(tmp_path, CONFIG, clock=Clock())
    log.append([note(1)])
    with (tmp_path / FIRST).open("ab") as file:
        file.write(b'{"kind":"interaction","v":1,"id":"01')
    while_open = check_directory(tmp_path)
    log.release_files()
    data = (tmp_path / FIRST).read_bytes()
    (tmp_path / FIRST).write_bytes(data)
    (tmp_path / ".lock").unlink()

    assert while_open.clean
    assert problems(check_directory(tmp_path)) == [
        f"{FIRST}:3: the last line has no end (36 bytes); `repair` moves it aside"
    ]
    (tmp_path / ".lock").write_bytes(b"")
    log.close()


def test_what_is_written_meanwhile_is_no_loss(tmp_path: Path) -> None:
    """A writer that turns to a new day between two looks leaves no gap behind."""
    clock = Clock()
    log = open_day_log(tmp_path, CONFIG, clock=clock)
    log.append([note(1)])

    def go_on(name: str, number: int, files: int) -> None:
        if number == 1:
            log.append([note(2)])
            clock.step(days=1)
        log.append([note(number + 2, clock.at)])

    report = check_directory(tmp_path, on_file=go_on)
    log.close()

    assert problems(report) == []
    assert report.files == 2


def test_days_removed_by_retention_are_no_loss(whole: Path, tmp_path: Path) -> None:
    """A writer whose first days are gone is whole if a mark says that retention was there."""
    clock = Clock()
    log = open_day_log(tmp_path, CONFIG, clock=clock)
    log.append([note(1)])
    clock.step(days=1)
    log.append([note(2, clock.at)])
    (tmp_path / FIRST).unlink()
    before = check_directory(tmp_path)
    log.append([MarkLine(event="retention", detail={}, timestamp=timestamp_text(clock.at))])
    log.close()

    assert [(gap.first, gap.last) for gap in before.missing] == [(1, 2)]
    assert check_directory(tmp_path).clean


def test_garbage_files_stop_nothing(whole: Path, tmp_path: Path) -> None:
    """Random bytes, an empty file, a directory and a pipe in the place of a day are named, the rest is checked."""
    import os

    log = fresh_copy(whole, tmp_path / "log")
    for day, content in (("20", random.Random(1).randbytes(100_000)), ("21", b""), ("22", b"\0" * 50_000)):
        (log / f"interactions-2026-01-{day}.jsonl").write_bytes(content)
        (log / f"interactions-2026-01-{day}.jsonl").chmod(0o600)
    (log / "interactions-2026-01-23.jsonl").mkdir(mode=0o700)
    os.mkfifo(log / "interactions-2026-01-24.jsonl", 0o600)
    (log / "interactions-2026-01-25.jsonl.zst").write_bytes(b"not zstd")

    report = check_directory(log)

    assert report.lines == 30
    named = {(problem.file[21:23], problem.kind) for problem in report.problems if problem.kind != "mode"}
    assert named == {("20", "damaged"), ("22", "damaged"), ("23", "name"), ("24", "name"), ("25", "damaged")}


def test_what_a_manifest_says_wrongly_is_said_in_words(tmp_path: Path) -> None:
    """Keys and values as in the file, nothing in the form of a program."""
    log = written_log(tmp_path / "log", sealed=True)
    manifest = log / "interactions-2026-01-28.manifest.json"
    said = msgspec.json.decode(manifest.read_bytes())
    (writer,) = said["writers"]
    said["writers"][writer]["first"] = 484
    del said["lines"]
    manifest.write_bytes(msgspec.json.encode({**said, "day": "2026-01-27"}))

    (problem,) = check_directory(log).problems

    assert problem.what == (
        'it does not fit interactions-2026-01-28.jsonl.zst: `day` is `"2026-01-27"` and would be `"2026-01-28"`; '
        f"`writers` says otherwise than the file of `{writer}`; `lines` is missing and would be `15`"
    )


def test_problems_past_a_thousand_of_a_file_are_counted(tmp_path: Path) -> None:
    """Memory stays bounded whatever the damage."""
    (tmp_path / FIRST).write_bytes(b"x\n{\n" * 2_500)

    report = check_directory(tmp_path)

    named = [problem for problem in report.problems if problem.file == FIRST and problem.kind == "damaged"]
    assert len(named) <= 1_001
    assert "more problems in this file" in " ".join(problems(report))


def test_a_day_that_was_renamed_is_named(whole: Path, tmp_path: Path) -> None:
    """Calls of today would go into a file of a day to come."""
    log = fresh_copy(whole, tmp_path / "log")
    (log / FIRST).rename(log / "interactions-2026-02-20.jsonl")

    (problem,) = check_directory(log).problems
    assert (problem.file, problem.kind) == ("interactions-2026-02-20.jsonl", "name")
    assert "it begins with a line of 2026-01-28" in problem.what
