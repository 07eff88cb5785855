"""`verify` beside a writer: a day that is compressed while it is checked is whole, and one that goes away is named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from arawn.interactions.opening import open_day_log
from arawn.interactions.verify import check_directory
from tests.arawn.interactions.mending_logs import CONFIG, FIRST, seal, written_log
from tests.arawn.interactions.samples import Clock, note


def test_a_day_that_is_compressed_meanwhile_is_whole(tmp_path: Path) -> None:
    """It was listed as a plain file; its compressed form is read instead, and checked with its manifest."""
    log = written_log(tmp_path / "log")

    report = check_directory(log, on_file=lambda name, *_: seal(log, name) if name == FIRST else None)

    assert (report.clean, report.problems, report.notes) == (True, (), ())
    assert (report.files, report.lines) == (2, 30)


def test_the_number_of_files_is_known_before_they_are_read(tmp_path: Path) -> None:
    """So that who waits sees how far it is."""
    told: list[tuple[int, int]] = []

    check_directory(
        written_log(tmp_path / "log", days=3), on_file=lambda _, number, files: told.append((number, files))
    )

    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_wrong_manifest_of_a_day_compressed_meanwhile_is_found(tmp_path: Path) -> None:
    """Nothing of the check is left out for being late."""
    log = written_log(tmp_path / "log")
    manifest = log / FIRST.replace("jsonl", "manifest.json")

    def compress_badly(name: str, number: int, files: int) -> None:
        if name == FIRST:
            seal(log, name)
            manifest.write_bytes(manifest.read_bytes().replace(b'"feedback"', b'"feedbacks"'))

    (problem,) = check_directory(log, on_file=compress_badly).problems

    assert (problem.kind, problem.file) == ("manifest", manifest.name)


def test_a_day_that_goes_away_meanwhile_is_named(tmp_path: Path) -> None:
    """With neither form there, the note names the file as it was found."""
    log = written_log(tmp_path / "log")

    report = check_directory(log, on_file=lambda name, *_: (log / name).unlink() if name == FIRST else None)

    assert report.notes == (f"{FIRST}: went away while it was being checked",)


def test_what_was_written_before_the_compression_is_read_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day that grew after it was read, and was compressed then, is read on from where it was left."""
    clock, listed, listings = Clock(), Path.iterdir, list[Path]()
    log = open_day_log(tmp_path, CONFIG, clock=clock)
    log.append([note(1)])

    def grow_and_compress(directory: Path) -> Iterator[Path]:
        listings.append(directory)
        if len(listings) == 3:  # the names, the files, and the files once more
            log.append([note(2)])
            clock.step(days=1)
            log.append([note(3, clock.at)])
            seal(tmp_path, FIRST)
        return listed(directory)

    monkeypatch.setattr(Path, "iterdir", grow_and_compress)
    report = check_directory(tmp_path)
    log.close()

    assert (report.problems, report.notes) == ((), ())
    assert report.kinds["feedback"] == 3
