"""Lines of plain, sealed and foreign files: the same lines, from either end, from anywhere."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from arawn.interactions import raw_lines
from arawn.interactions.needle_lines import needle_lines
from arawn.interactions.raw_lines import DamagedFile, RawLine, backward_lines, forward_lines, line_at
from arawn.interactions.sealed import FRAME_BYTES, seek_table
from tests.arawn.interactions.sealed_files import STEM, both_ways, foreign, frames_of, numbered, plain, sealed

Make = Callable[[Path, bytes, Iterable[int]], Path]
texts = st.lists(st.binary(max_size=9), max_size=12).map(b"\n".join)
cuts = st.lists(st.integers(1, 100), max_size=6)
TEXT = b"".join(b'{"n":%d}\n' % number for number in range(1000))


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw_lines, "_BLOCK", 7)


@pytest.mark.parametrize("make", [plain, sealed, foreign])
@given(text=texts, places=cuts, block=st.integers(2, 12))
def test_every_line_is_read_once_in_either_direction(make: Make, text: bytes, places: list[int], block: int) -> None:
    """Whatever the lines, the frames and the blocks: offsets and bytes are those of the text."""
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        patch.setattr(raw_lines, "_BLOCK", block)
        path = make(Path(directory), text, places)

        forward, backward = both_ways(path)

        assert forward == numbered(text)
        assert backward == numbered(text)[::-1]
        for offset, line in forward:
            assert line_at(path, offset, len(line)) == line
            assert list(forward_lines(path, offset)) == [raw for raw in forward if raw[0] >= offset]
            assert list(backward_lines(path, offset)) == [raw for raw in backward if raw[0] < offset]


@pytest.mark.parametrize("make", [plain, sealed, foreign])
def test_long_lines_are_read_whole(tmp_path: Path, make: Make) -> None:
    """A line of many blocks and frames is one line."""
    text = b"a" * 3_000_000 + b"\n" + b"b" * 5 + b"\n" + b"c" * 2_000_000
    path = make(tmp_path, text, range(0, len(text), 999_999))

    forward, backward = both_ways(path)

    assert forward == backward[::-1] == numbered(text)


@pytest.mark.parametrize("make", [plain, sealed, foreign])
def test_a_line_that_no_log_writes_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_blocks: None, make: Make
) -> None:
    """Of a line longer than any can be only a beginning without newline is shown; its neighbours are whole."""
    monkeypatch.setattr(raw_lines, "LONGEST_LINE", 50)
    path = make(tmp_path, b"one\n" + b"\0" * 200 + b"\ntwo\n", [10])

    forward, backward = both_ways(path)

    assert [raw for raw in forward if raw[1].endswith(b"\n")] == [(0, b"one\n"), (205, b"two\n")]
    assert [offset for offset, _ in forward] == [offset for offset, _ in reversed(backward)] == [0, 4, 205]
    assert [raw for raw in backward if raw[1].endswith(b"\n")] == [(205, b"two\n"), (0, b"one\n")]


def test_a_search_passes_over_such_a_line_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_blocks: None
) -> None:
    """It is never in memory whole, wherever in it something seems to be found."""
    monkeypatch.setattr(raw_lines, "LONGEST_LINE", 50)
    path = plain(tmp_path, b"one\n" + b"\0" * 200 + b"one" + b"\0" * 90 + b"\none\n", [])

    found = list(needle_lines(path, 0, find_in=lambda data, start, end: data.find(b"one", start, end), width=3))

    assert [(offset, len(line)) for offset, line in found] == [(0, 4), (4, 50), (298, 4)]


def test_a_file_that_was_just_compressed_is_read_on(tmp_path: Path) -> None:
    """The plain name leads to the compressed file, with the same offsets, once the plain one is gone."""
    sealed(tmp_path, TEXT, [500])
    name = tmp_path / STEM

    assert list(forward_lines(name)) == numbered(TEXT)
    assert list(backward_lines(name)) == numbered(TEXT)[::-1]
    assert line_at(name, *(numbered(TEXT)[700][0], 8)) == TEXT[numbered(TEXT)[700][0] :][:8]
    with pytest.raises(FileNotFoundError):
        list(forward_lines(tmp_path / "interactions-2026-01-21.jsonl"))


def test_an_empty_part_has_no_lines(tmp_path: Path) -> None:
    """Neither a sealed part of nothing, nor a plain file of no bytes, is an error."""
    assert both_ways(sealed(tmp_path, b"")) == ([], [])
    assert both_ways(plain(tmp_path, b"", [])) == ([], [])


def test_stock_tools_read_one_stream(tmp_path: Path) -> None:
    """The library's own reader sees the text and nothing else, across frames and past the table."""
    path = sealed(tmp_path, TEXT, range(100, len(TEXT), 100))

    with path.open("rb") as file:
        assert zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True).read() == TEXT


@pytest.mark.skipif(shutil.which("zstd") is None, reason="the zstd program is not installed")
def test_the_zstd_program_reads_it(tmp_path: Path) -> None:
    """`zstd -dc` gives the text."""
    path = sealed(tmp_path, TEXT, range(100, len(TEXT), 100))

    assert subprocess.run(["zstd", "-dc", path], check=True, capture_output=True).stdout == TEXT


def collected(lines: Iterator[RawLine]) -> tuple[list[RawLine], DamagedFile]:
    """Return the lines up to the damage, and the damage."""
    found: list[RawLine] = []
    with pytest.raises(DamagedFile) as caught:
        found.extend(lines)  # keeps what came before the error
    return found, caught.value


def test_all_around_a_damaged_frame_is_read(tmp_path: Path) -> None:
    """The error says where reading can go on, in both directions."""
    lines = numbered(TEXT)
    places = [lines[300][0], lines[600][0]]
    path = sealed(tmp_path, TEXT, places)
    frames, _ = frames_of(TEXT, places)
    data = bytearray(path.read_bytes())
    data[frames[1].place + frames[1].stored // 2] ^= 0x55
    path.write_bytes(data)

    before, damage = collected(forward_lines(path))
    after, _ = collected(backward_lines(path))

    assert before == lines[:300]
    assert after == lines[600:][::-1]
    assert damage.resume_at is not None
    assert list(forward_lines(path, damage.resume_at)) == lines[600:]
    assert list(backward_lines(path, damage.offset)) == lines[:300][::-1]
    assert path.name in str(damage)


def read_with_a_flipped_byte(make: Make, where: int, flip: int) -> tuple[list[RawLine], list[RawLine]]:
    """Return what is read before the damage, if there is one, from the beginning and from the end."""
    forward: list[RawLine] = []
    backward: list[RawLine] = []
    with tempfile.TemporaryDirectory() as directory:
        path = make(Path(directory), TEXT, [3000])
        data = bytearray(path.read_bytes())
        data[where % len(data)] ^= flip
        path.write_bytes(data)
        with contextlib.suppress(DamagedFile):
            forward.extend(forward_lines(path))
        with contextlib.suppress(DamagedFile):
            backward.extend(backward_lines(path))
    return forward, backward


@given(where=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_no_flipped_byte_gives_a_wrong_line(where: int, flip: int) -> None:
    """Damage is an error, or hurts nothing (the table's bytes): no other text or offset, nor before the error."""
    forward, backward = read_with_a_flipped_byte(sealed, where, flip)

    raws = {raw for raw in (*forward, *backward) if raw[1].endswith(b"\n")}
    assert raws <= set(numbered(TEXT))


@given(where=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_a_flipped_byte_of_a_foreign_file_is_damage_or_text(where: int, flip: int) -> None:
    """Without checksums it may be another text: it comes as lines in their order, or as an error that says so."""
    forward, backward = read_with_a_flipped_byte(foreign, where, flip)

    for raws in (forward, backward[::-1]):
        assert all(next_ >= offset + len(line) for (offset, line), (next_, _) in pairwise(raws))


@pytest.mark.parametrize("make", [sealed, foreign])
def test_every_cut_is_damage_behind_whole_lines(tmp_path: Path, make: Make) -> None:
    """A file that ends too soon gives the lines before that, then the error; both ways."""
    path = make(tmp_path, TEXT[:900], [300, 600])
    data = path.read_bytes()
    lines = numbered(TEXT[:900])
    silent = []
    for end in range(1, len(data)):
        path.write_bytes(data[:end])
        try:
            found = list(forward_lines(path))
        except DamagedFile:
            found, _ = collected(forward_lines(path))
            back, _ = collected(backward_lines(path))
            assert [raw for raw in back if raw[1].endswith(b"\n")][::-1] == found
        else:
            silent.append(end)
            assert found == lines[: len(found)] or found == numbered(TEXT[:300]) or found == numbered(TEXT[:600])
        assert all(line in lines or not line[1].endswith(b"\n") for line in found)

    assert len(silent) <= 3  # a cut exactly between two frames leaves a good file: the manifest knows better


@pytest.mark.parametrize("content", [b"", b"not zstd at all\n" * 100, b"\0" * 5000, TEXT])
def test_what_is_no_zstd_file_is_named(tmp_path: Path, content: bytes) -> None:
    """A file that only has the name is damaged, from its first byte."""
    path = tmp_path / f"{STEM}.zst"
    path.write_bytes(content)

    for lines in (forward_lines, backward_lines):
        found, damage = collected(lines(path))
        assert (found, damage.offset, damage.resume_at) == ([], 0, None)


def test_a_table_that_lies_about_sizes_is_not_believed(tmp_path: Path) -> None:
    """Whichever of its sizes was flipped: every line comes, at its own offset, both ways."""
    lines = numbered(TEXT)
    frames, stored = frames_of(TEXT, [lines[300][0], lines[600][0]])
    path = tmp_path / f"{STEM}.zst"

    for place in range(len(frames)):
        for size in (0, frames[place].size ^ 1, frames[place].size ^ 0x4000, FRAME_BYTES * 2):
            told = [*frames[:place], msgspec.structs.replace(frames[place], size=size), *frames[place + 1 :]]
            path.write_bytes(stored + seek_table(told))

            assert both_ways(path) == (lines, lines[::-1])


def test_a_frame_that_lies_about_its_size_costs_its_own_lines(tmp_path: Path) -> None:
    """The table is right, so what stands around the frame is read."""
    lines = numbered(TEXT)
    places = [lines[300][0], lines[600][0]]
    path = sealed(tmp_path, TEXT, places)
    frames, _ = frames_of(TEXT, places)
    data = bytearray(path.read_bytes())
    data[frames[1].place + 5] ^= 0x55  # behind the magic number and its flags stands the size
    path.write_bytes(data)

    before, damage = collected(forward_lines(path))

    assert "not of the size" in str(damage)
    assert before == lines[:300]
    assert damage.resume_at is not None
    assert list(forward_lines(path, damage.resume_at)) == lines[600:]
