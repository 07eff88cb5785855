"""Whole lines of a directory: whatever lies in it, and while it changes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard

from arawn.interactions.encode import encode_line
from arawn.interactions.filters import Filters
from arawn.interactions.needle_lines import needle_lines
from arawn.interactions.raw_lines import RawLine, forward_lines
from arawn.interactions.reader import LogReader
from arawn.interactions.record import InteractionRecord
from arawn.interactions.scan import Damage, LogScan, Progress, wanted_files
from arawn.interactions.sql import LogSql
from tests.arawn.interactions.samples import record


def numbered(number: int) -> InteractionRecord:
    return msgspec.structs.replace(record(number), writer="w", seq=number)


def lines_of(*numbers: int) -> bytes:
    return b"".join(encode_line(numbered(number)) for number in numbers)


def day(directory: Path, number: int, suffix: str = ".jsonl") -> Path:
    return directory / f"interactions-2026-01-{number:02}{suffix}"


def found_lines(path: Path) -> Iterator[RawLine]:
    return needle_lines(path, 0, find_in=lambda data, start, end: data.find(b"call", start, end), width=4)


@pytest.fixture
def damages() -> list[Damage]:
    return []


@pytest.fixture
def reader(tmp_path: Path, damages: list[Damage]) -> LogReader:
    return LogReader(tmp_path, on_damage=damages.append)


def both_ways(reader: LogReader) -> list[str]:
    """Return the calls, the oldest first; the other direction must show the same."""
    forwards = [entry.head.call_id for entry in reader.oldest_first(Filters())]
    assert [entry.head.call_id for entry in reader.newest_first(Filters())] == forwards[::-1]
    return forwards


def test_plain_and_compressed_files_read_alike(tmp_path: Path, reader: LogReader, damages: list[Damage]) -> None:
    """Bodies too; the plain file alone where both are there, as an interrupted compaction leaves it."""
    day(tmp_path, 1, ".jsonl.zst").write_bytes(zstandard.compress(lines_of(1, 2)))
    day(tmp_path, 2, ".jsonl.zst").write_bytes(zstandard.compress(lines_of(3)))
    day(tmp_path, 2).write_bytes(lines_of(3))
    day(tmp_path, 3).write_bytes(lines_of(4))

    assert both_ways(reader) == ["call-1", "call-2", "call-3", "call-4"]
    assert [entry.record().call_id for entry in reader.newest_first(Filters())][-1] == "call-1"
    assert damages == []


def test_what_is_no_log_file_stops_nobody(tmp_path: Path, reader: LogReader, damages: list[Damage]) -> None:
    """A directory, a pipe, a dangling link, an empty file, garbage: named where they are damage, and passed over."""
    day(tmp_path, 1).mkdir()
    os.mkfifo(day(tmp_path, 2))
    day(tmp_path, 3).symlink_to(tmp_path / "nowhere")
    day(tmp_path, 4).write_bytes(b"")
    day(tmp_path, 5, ".jsonl.zst").write_bytes(b"\x28\xb5\x2f\xfd garbage")
    day(tmp_path, 6).write_bytes(bytes(range(256)) * 40 + b"\n\n[]\n")
    day(tmp_path, 7).write_bytes(lines_of(1))

    assert both_ways(reader) == ["call-1"]
    named = {damage.file.partition(".")[0][-2:] for damage in damages}
    assert named == {"01", "02", "03", "05", "06"}


def test_a_file_of_garbage_is_named_a_few_times(tmp_path: Path, reader: LogReader, damages: list[Damage]) -> None:
    """Ten lines, then how many more: a foreign file of any size does not drown the answer."""
    day(tmp_path, 1).write_bytes(b"garbage\n" * 500 + lines_of(1))

    assert [entry.head.call_id for entry in reader.oldest_first(Filters())] == ["call-1"]
    assert [damage.line for damage in damages] == [*range(1, 11), 0]
    assert "490 more lines" in damages[-1].why


def test_a_damaged_frame_costs_only_itself(tmp_path: Path, reader: LogReader, damages: list[Damage]) -> None:
    """What stands before the damage is shown, and the file is named."""
    content = zstandard.compress(lines_of(1, 2)) + zstandard.compress(lines_of(3))
    day(tmp_path, 1, ".jsonl.zst").write_bytes(content[:-9])
    day(tmp_path, 2).write_bytes(lines_of(4))

    assert both_ways(reader) == ["call-1", "call-2", "call-4"]
    assert {(damage.file, damage.line) for damage in damages} == {(day(tmp_path, 1, ".jsonl.zst").name, 0)}


def test_a_link_is_named_and_never_followed(tmp_path: Path, reader: LogReader, damages: list[Damage]) -> None:
    """Somebody else could have laid it."""
    (tmp_path / "elsewhere").write_bytes(lines_of(1))
    day(tmp_path, 1).symlink_to(tmp_path / "elsewhere")
    day(tmp_path, 2).write_bytes(lines_of(2))

    assert both_ways(reader) == ["call-2"]
    assert {damage.why for damage in damages} == {"it is a symbolic link, which no reader follows"}


def test_of_a_file_that_was_cut_off_all_that_decodes_is_shown(
    tmp_path: Path, reader: LogReader, damages: list[Damage]
) -> None:
    """From either end, by id, and by SQL; also the half line at its end stops nobody."""
    path = day(tmp_path, 1, ".jsonl.zst")
    text = lines_of(*range(200))
    compressor = zstandard.ZstdCompressor().compressobj()
    half = b"".join((compressor.compress(text[:50_000]), compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)))
    path.write_bytes(half)
    whole = text[:50_000].count(b"\n")

    assert len(both_ways(reader)) == whole
    assert reader.find(record(0).id).raw() == lines_of(0)
    answer = LogSql(tmp_path, on_damage=damages.append).ask("SELECT count(*) FROM interactions")
    assert list(answer.rows) == [(whole,)]
    assert {damage.file for damage in damages} == {path.name}


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path, reader: LogReader, damages: list[Damage]) -> None:
    """The others are shown."""
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    day(tmp_path, 1).write_bytes(lines_of(1))
    day(tmp_path, 1).chmod(0)
    day(tmp_path, 2).write_bytes(lines_of(2))

    assert both_ways(reader) == ["call-2"]
    assert damages[0].why == "Permission denied"


def test_a_day_compressed_under_the_reader_is_shown_once(tmp_path: Path, damages: list[Damage]) -> None:
    """Between listing and opening, and while it is open: each line once, in order; bodies are found afterwards."""
    for number in (1, 2, 3):
        day(tmp_path, number).write_bytes(lines_of(2 * number - 1, 2 * number))
    entries = LogReader(tmp_path, on_damage=damages.append).oldest_first(Filters())

    first = next(entries)
    for number in (1, 2):
        content = day(tmp_path, number).read_bytes()
        day(tmp_path, number, ".jsonl.zst").write_bytes(zstandard.compress(content))
        day(tmp_path, number).unlink()
    rest = list(entries)

    assert [entry.head.call_id for entry in [first, *rest]] == [f"call-{n}" for n in range(1, 7)]
    assert [entry.record().call_id for entry in [first, *rest]] == [f"call-{n}" for n in range(1, 7)]
    assert damages == []


def test_a_day_unpacked_under_the_reader_is_shown(tmp_path: Path, damages: list[Damage]) -> None:
    """`rm` and `repair` rewrite a compressed day: the plain file is there before the compressed one goes."""
    for number in (1, 2):
        day(tmp_path, number, ".jsonl.zst").write_bytes(zstandard.compress(lines_of(number)))
    forwards = LogReader(tmp_path, on_damage=damages.append).oldest_first(Filters())
    backwards = LogReader(tmp_path, on_damage=damages.append).newest_first(Filters())

    begun = [next(forwards), next(backwards)]
    for number in (1, 2):
        day(tmp_path, number).write_bytes(lines_of(number))
        day(tmp_path, number, ".jsonl.zst").unlink()

    assert [entry.head.call_id for entry in [begun[0], *forwards]] == ["call-1", "call-2"]
    assert [entry.head.call_id for entry in [begun[1], *backwards]] == ["call-2", "call-1"]
    assert damages == []


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.zst"])
@pytest.mark.parametrize("lines_of_file", [forward_lines, found_lines])
def test_a_day_that_changes_its_form_back_and_forth_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, lines_of_file: Callable[[Path], Iterator[RawLine]]
) -> None:
    """Gone when its name is tried, and there again once the other name was tried in vain."""
    path, other = day(tmp_path, 1, suffix), day(tmp_path, 1, {".jsonl": ".jsonl.zst"}.get(suffix, ".jsonl"))
    content = lines_of(1) if suffix == ".jsonl" else zstandard.compress(lines_of(1))

    def opened(self: Path, *arguments: Any, **settings: Any) -> Any:
        if self == other:
            path.write_bytes(content)
        return open(self, *arguments, **settings)  # noqa: PTH123

    monkeypatch.setattr(Path, "open", opened)

    assert [line for _, line in lines_of_file(path)] == [lines_of(1)]


@pytest.mark.parametrize("wanted", [Filters(end="2026-01-03T00:00:00.000000Z"), Filters()], ids=["until", "all"])
def test_calls_in_a_file_of_a_day_to_come_are_found_by_their_date(tmp_path: Path, wanted: Filters) -> None:
    """After one start with a clock far ahead, the writer goes on in that day's file."""
    day(tmp_path, 1).write_bytes(lines_of(1))
    (tmp_path / "interactions-2999-01-01.jsonl").write_bytes(lines_of(2))
    day(tmp_path, 9).write_bytes(lines_of(3))

    names = [file.name for file in wanted_files(tmp_path, wanted)]

    assert names == [day(tmp_path, 1).name, day(tmp_path, 9).name, "interactions-2999-01-01.jsonl"]


def test_such_a_file_is_read_when_its_day_has_come(tmp_path: Path) -> None:
    """The days before it have no file; where every day has one, only those are read that can hold the call."""
    for number in (1, 2, 3, 4, 9, 11):
        day(tmp_path, number).write_bytes(lines_of(number))

    def read(last: int) -> list[str]:
        end = f"2026-01-{last:02}T00:00:00.000000Z"
        return [file.day[-2:] for file in wanted_files(tmp_path, Filters(start="2026-01-02T00", end=end))]

    assert (read(2), read(4), read(5)) == (["02", "03"], ["02", "03", "04", "09"], ["02", "03", "04", "09"])


def test_a_day_removed_under_the_reader_is_no_damage(tmp_path: Path, damages: list[Damage]) -> None:
    """Retention and `rm` mean it."""
    for number in (1, 2):
        day(tmp_path, number).write_bytes(lines_of(number))
    entries = LogReader(tmp_path, on_damage=damages.append).oldest_first(Filters())

    first = next(entries)
    day(tmp_path, 2).unlink()

    assert [entry.head.call_id for entry in [first, *entries]] == ["call-1"]
    assert damages == []


def test_a_line_that_was_rewritten_away_is_not_mistaken_for_another(tmp_path: Path, reader: LogReader) -> None:
    """An entry found before an `rm` gives its own record or an error that names the file."""
    day(tmp_path, 1).write_bytes(lines_of(1, 2, 3))
    entry = next(reader.newest_first(Filters()))
    day(tmp_path, 1).write_bytes(lines_of(2, 3, 1))

    with pytest.raises(OSError, match="rewritten while it was read") as caught:
        entry.record()

    assert caught.value.filename == str(day(tmp_path, 1))


def test_half_a_line_in_a_day_that_just_ended_is_no_damage(
    tmp_path: Path, damages: list[Damage], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was being written when it was read, which shows in that the file has grown since."""
    day(tmp_path, 1).write_bytes(lines_of(1) + b'{"kind"')

    def reading(path: Path) -> Iterator[RawLine]:
        yield from forward_lines(path)
        with path.open("ab") as file:
            file.write(b':"x"}\n')

    def lines_read() -> list[RawLine]:
        scan = LogScan(tmp_path, on_damage=damages.append)
        return [raw for _, raw in scan.forwards(wanted_files(tmp_path, Filters()))]

    day(tmp_path, 2).write_bytes(b"")
    monkeypatch.setattr("arawn.interactions.scan.forward_lines", lambda path: list(reading(path)))
    assert len(lines_read()) == 1
    assert damages == []


def test_a_long_read_says_where_it_is(tmp_path: Path) -> None:
    """Every file is told when it begins, and again every few megabytes."""
    told: list[Progress] = []
    day(tmp_path, 1).write_bytes(encode_line("x" * 6_000_000) * 6)
    day(tmp_path, 2).write_bytes(lines_of(1))
    scan = LogScan(tmp_path, on_damage=lambda _: None, on_progress=told.append)

    assert len(list(scan.forwards(wanted_files(tmp_path, Filters())))) == 7

    assert [(progress.number, progress.files, progress.position >> 20) for progress in told] == [
        (1, 2, 0),
        (1, 2, 17),
        (2, 2, 0),
    ]


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.zst"])
def test_a_search_that_finds_nothing_says_how_far_it_has_come(tmp_path: Path, suffix: str) -> None:
    """Whoever hears it can end the search, in the middle of a file as well: a day of a log may have many gigabytes."""
    written = (b"x" * 1023 + b"\n") * (1 << 16)
    packed = zstandard.ZstdCompressor(level=1).compress(written)
    day(tmp_path, 1, suffix).write_bytes(packed if suffix.endswith("zst") else written)
    told: list[Progress] = []
    scan = LogScan(tmp_path, on_damage=lambda _: None, on_progress=told.append)

    found = list(scan.holding(wanted_files(tmp_path, Filters()), lambda data, *span: data.find(b"call", *span), 4))

    assert found == []
    assert [round(each.position / 2**24) for each in told] == [0, 1, 2, 3, 4]
    assert {(each.file, each.number, each.files) for each in told} == {(day(tmp_path, 1, suffix).name, 1, 1)}
