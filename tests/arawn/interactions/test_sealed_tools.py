"""Compressed days at their real size: what other tools read, how small they get, what reading them costs."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from arawn.interactions.compact import compact_file
from arawn.interactions.files import DayFile
from arawn.interactions.filesystem import Filesystem
from arawn.interactions.manifest import Manifest
from arawn.interactions.raw_lines import forward_lines, line_at

pytestmark = pytest.mark.slow
FILE = DayFile("2026-01-20")
SEALED = DayFile("2026-01-20", compressed=True)
MEGABYTES = 150  # more than two frames

_PEAK = """
import sys
from pathlib import Path
from arawn.interactions.raw_lines import backward_lines, forward_lines, line_at

path = Path(sys.argv[1])
places = [(offset, len(line)) for offset, line in forward_lines(path)]
assert [(offset, len(line)) for offset, line in backward_lines(path)] == places[::-1]
for offset, size in places[:5]:
    assert len(line_at(path, offset, size)) == size
status = Path("/proc/self/status").read_text()
print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
"""


def agents(megabytes: int) -> Iterator[bytes]:
    """Yield the records of five conversations at once, each with its whole history."""
    draw = random.Random(7)
    words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(2, 10))) for _ in range(20_000)]
    histories: list[list[str]] = [[] for _ in range(5)]
    written = number = 0
    while written < megabytes << 20:
        history = draw.choice(histories)
        history.append(" ".join(draw.choices(words, k=500)))
        number += 1
        line = json.dumps({"number": number, "messages": history}).encode() + b"\n"
        if len(line) > 200_000:
            history.clear()
        written += len(line)
        yield line


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest, int]:
    """A compressed day, its manifest, and the sum of the numbers in it."""
    directory = tmp_path_factory.mktemp("log")
    with (directory / FILE.name).open("wb") as file:
        file.writelines(agents(MEGABYTES))
    *_, last = compact_file(Filesystem(), directory, FILE)
    assert last.manifest is not None
    return directory / SEALED.name, last.manifest, last.manifest.lines * (last.manifest.lines + 1) // 2


def test_repeated_history_costs_little(day: tuple[Path, Manifest, int]) -> None:
    """Conversations that repeat themselves become at most a fifteenth."""
    _, manifest, _ = day

    assert manifest.compressed_bytes * 15 < manifest.bytes


def test_duckdb_reads_all_frames(day: tuple[Path, Manifest, int]) -> None:
    """Count and sum are those of the text."""
    duckdb = pytest.importorskip("duckdb")
    path, manifest, total = day
    options = "format='newline_delimited', columns={number: 'BIGINT'}, maximum_object_size=16777216"

    found = duckdb.sql(f"select count(*), sum(number) from read_json('{path}', {options})").fetchall()

    assert found == [(manifest.lines, total)]


def test_polars_reads_all_frames(day: tuple[Path, Manifest, int]) -> None:
    """Count and sum are those of the text."""
    polars = pytest.importorskip("polars")
    path, manifest, total = day

    found = polars.read_ndjson(path, schema={"number": polars.Int64})

    assert (found.height, found["number"].sum()) == (manifest.lines, total)


def test_pyarrow_reads_all_frames(day: tuple[Path, Manifest, int]) -> None:
    """Count and sum are those of the text."""
    pyarrow = pytest.importorskip("pyarrow")
    arrow_json = pytest.importorskip("pyarrow.json")
    path, manifest, total = day
    options = arrow_json.ReadOptions(block_size=16 << 20)

    with pyarrow.CompressedInputStream(str(path), "zstd") as stream:
        found = arrow_json.read_json(stream, read_options=options)

    assert (found.num_rows, sum(found["number"].to_pylist())) == (manifest.lines, total)


def test_lines_are_found_by_their_place(day: tuple[Path, Manifest, int]) -> None:
    """Any line of any frame, by its offset in the text."""
    path, _, _ = day
    lines = list(forward_lines(path))

    for offset, line in lines[:: len(lines) // 20]:
        assert line_at(path, offset, len(line)) == line


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_reading_takes_bounded_memory(tmp_path: Path) -> None:
    """Lines of 64 MB, in either direction and by place, stay within 256 MiB."""
    with (tmp_path / FILE.name).open("wb") as file:
        for number in range(4):
            file.write(b'{"number":%d,"text":"' % number + b"%064d" % number * 1_000_000 + b'"}\n')
            file.write(b'{"number":0}\n')
    *_, _ = compact_file(Filesystem(), tmp_path, FILE)

    peak = subprocess.run(
        [sys.executable, "-c", _PEAK, tmp_path / SEALED.name], check=True, capture_output=True, text=True
    ).stdout

    assert int(peak) >> 10 <= 256
