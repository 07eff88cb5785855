"""Following the log while files are compressed, rewritten and replaced under the follower."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import zstandard

from arawn.interactions.encode import encode_line
from arawn.interactions.filters import Filters
from arawn.interactions.follow import Follower
from arawn.interactions.scan import Damage
from tests.arawn.interactions.samples import record

DAY = "interactions-2026-01-28.jsonl"


def lines(*numbers: int) -> bytes:
    return b"".join(encode_line(msgspec.structs.replace(record(number), writer="w", seq=number)) for number in numbers)


def seen(following: Follower) -> list[str]:
    """Return what has come since the last look."""
    following._read_on()
    found = [entry.head.call_id for entry in following._ready]
    following._ready.clear()
    return found


@pytest.fixture
def damages() -> list[Damage]:
    return []


def test_a_day_compressed_while_followed_is_not_shown_again(tmp_path: Path, damages: list[Damage]) -> None:
    """What it still held that was not shown is."""
    plain = tmp_path / DAY
    plain.write_bytes(lines(1))
    following = Follower(tmp_path, Filters(), on_damage=damages.append)
    plain.write_bytes(lines(1, 2))
    assert seen(following) == ["call-2"]

    (tmp_path / f"{DAY}.zst").write_bytes(zstandard.compress(lines(1, 2, 3)))
    plain.unlink()

    assert seen(following) == ["call-3"]
    assert seen(following) == []
    assert damages == []


def test_lines_written_again_after_a_bad_sync_are_not_shown_again(tmp_path: Path, damages: list[Damage]) -> None:
    """Neither those that were shown, nor those that were there before."""
    (tmp_path / DAY).write_bytes(lines(1, 2))
    following = Follower(tmp_path, Filters(), on_damage=damages.append)

    (tmp_path / "interactions-2026-01-28.part2.jsonl").write_bytes(lines(1, 2, 3))

    assert seen(following) == ["call-3"]


def test_a_file_cut_back_is_read_on_from_its_new_end(tmp_path: Path, damages: list[Damage]) -> None:
    """As after a write that failed, or an `rm`; half a line is waited for."""
    plain = tmp_path / DAY
    plain.write_bytes(lines(1))
    following = Follower(tmp_path, Filters(), on_damage=damages.append)
    plain.write_bytes(lines(1, 2, 3))
    assert seen(following) == ["call-2", "call-3"]

    plain.write_bytes(lines(1, 2))
    assert seen(following) == []
    plain.write_bytes(lines(1, 2, 3) + lines(4)[:-7])
    assert seen(following) == []
    plain.write_bytes(lines(1, 2, 3, 4))

    assert seen(following) == ["call-4"]
    assert damages == []


def test_a_file_rewritten_shorter_is_followed_on(tmp_path: Path, damages: list[Damage]) -> None:
    """What is written to it after an `rm` is shown, though the file was longer before."""
    plain = tmp_path / DAY
    plain.write_bytes(lines(1, 2, 3))
    following = Follower(tmp_path, Filters(), on_damage=damages.append)
    plain.write_bytes(lines(3))
    assert seen(following) == []

    plain.write_bytes(lines(3, 4))

    assert seen(following) == ["call-4"]


def test_a_file_that_cannot_be_read_is_named_once(tmp_path: Path, damages: list[Damage]) -> None:
    """And the others are followed."""
    following = Follower(tmp_path, Filters(), on_damage=damages.append)
    (tmp_path / DAY).mkdir()
    (tmp_path / f"{DAY}.zst").write_bytes(b"")
    (tmp_path / "interactions-2026-01-29.jsonl").write_bytes(lines(1))

    assert seen(following) + seen(following) == ["call-1"]
    assert len(damages) == 1


def test_of_a_log_that_was_not_there_everything_is_shown(tmp_path: Path, damages: list[Damage]) -> None:
    """Neither the directory nor a file: every call is one to come."""
    directory = tmp_path / "log"
    following = Follower(directory, Filters(), on_damage=damages.append)
    assert seen(following) == []

    directory.mkdir()
    (directory / DAY).write_bytes(lines(1, 2, 3))

    assert following.has_all
    assert seen(following) == ["call-1", "call-2", "call-3"]
    assert seen(following) == []
    assert damages == []


def test_a_log_that_is_away_for_a_while_is_followed_on(tmp_path: Path, damages: list[Damage]) -> None:
    """It is told once each time, and nothing is shown twice."""
    directory, elsewhere = tmp_path / "log", tmp_path / "elsewhere"
    directory.mkdir()
    (directory / DAY).write_bytes(lines(1))
    following = Follower(directory, Filters(), on_damage=damages.append)
    found, told = [], []
    for number in (2, 3):
        directory.rename(elsewhere)
        found += seen(following) + seen(following)
        told.append(len(damages))
        with (elsewhere / DAY).open("ab") as file:
            file.write(lines(number))
        elsewhere.rename(directory)
        found += seen(following) + seen(following)

    assert found == ["call-2", "call-3"]
    assert told == [1, 2] == [1, len(damages)]
    assert (damages[0].file, damages[0].skipped) == (str(directory), False)
    assert "is not there any more" in damages[0].why


def test_a_log_that_was_replaced_for_a_while_goes_on_where_it_was_left(tmp_path: Path, damages: list[Damage]) -> None:
    """Also where nobody saw it go: what stood in its place is another log."""
    directory = tmp_path / "log"
    directory.mkdir()
    (directory / DAY).write_bytes(lines(1, 2, 3))
    following = Follower(directory, Filters(), on_damage=damages.append)
    directory.rename(tmp_path / "first")
    directory.mkdir()
    (directory / DAY).write_bytes(lines(7))
    found = [seen(following)]
    directory.rename(tmp_path / "second")
    (tmp_path / "first").rename(directory)
    with (directory / DAY).open("ab") as file:
        file.write(lines(4))
    found.append(seen(following))

    assert found == [["call-7"], ["call-4"]]
    assert damages == []


def test_a_log_that_is_made_anew_is_shown_whole(tmp_path: Path, damages: list[Damage]) -> None:
    """As after `rm -r` under a daemon, which makes another one: shorter, and of the same day."""
    directory = tmp_path / "log"
    directory.mkdir()
    (directory / DAY).write_bytes(lines(1, 2, 3))
    following = Follower(directory, Filters(), on_damage=damages.append)
    directory.rename(tmp_path / "elsewhere")
    assert seen(following) == []

    directory.mkdir()
    (directory / DAY).write_bytes(lines(4, 5))

    assert seen(following) == ["call-4", "call-5"]
