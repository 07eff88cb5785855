"""Readers of rows of 64 MB, in processes of their own: how much memory they take at most."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import zstandard

from arawn.interactions.encode import encode_line
from arawn.messages import CompletionRequest, user
from tests.arawn.cli.place import PATIENCE, ROOT
from tests.arawn.interactions.mending_logs import seal
from tests.arawn.interactions.samples import record

pytestmark = pytest.mark.slow

_ROW_BYTES = 64 << 20
_LIMIT_MB = 256
_LIMIT_SQL_MB = 350  # DuckDB's buffer is twice the longest line, and it keeps the window of a compressed file
_CHILD = """
import sys
from arawn.cli.running import run
code = run(sys.argv[1:])
with open("/proc/self/status") as file:  # `ru_maxrss` would count what the parent had when it made this process
    (peak,) = [line.split()[1] for line in file if line.startswith("VmHWM:")]
print(code, int(peak) // 1024, file=sys.stderr)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A place whose log has nine rows of 64 MB: plain, compressed by Arawn, and by another program."""
    directory = tmp_path_factory.mktemp("place")
    log = directory / "log"
    log.mkdir()
    for day in (26, 27, 28):
        with (log / f"interactions-2026-01-{day}.jsonl").open("wb") as file:
            for number in range(3):
                file.write(_row(10 * day + number))
    seal(log, "interactions-2026-01-26.jsonl", frame_bytes=64 << 20)
    _compress(log / "interactions-2026-01-27.jsonl")
    (directory / "arawn.toml").write_text(f'[llm]\nbackend = "scripted"\n[logging.interactions]\npath = "{log}"\n')
    yield directory
    for path in log.iterdir():
        path.unlink()


def _row(number: int) -> bytes:
    text = "line of a long text\n" * (_ROW_BYTES // 21)
    request = CompletionRequest(messages=(user(text + f"needle {number}"),))
    return encode_line(msgspec.structs.replace(record(number, request=request), writer="w", seq=number))


@pytest.fixture
def long_line(tmp_path: Path) -> Path:
    """A place whose log has one row of 64 MB, a text without any line end."""
    log = tmp_path / "log"
    log.mkdir()
    request = CompletionRequest(messages=(user("x" * _ROW_BYTES),))
    row = msgspec.structs.replace(record(1, request=request), writer="w", seq=1)
    (log / "interactions-2026-01-28.jsonl").write_bytes(encode_line(row))
    (tmp_path / "arawn.toml").write_text(f'[llm]\nbackend = "scripted"\n[logging.interactions]\npath = "{log}"\n')
    return tmp_path


@pytest.mark.parametrize("arguments", [("show", "latest"), ("show", "latest", "--request")], ids=" ".join)
def test_a_text_without_line_ends_is_shown_in_bounded_memory(long_line: Path, arguments: tuple[str, ...]) -> None:
    """It is one line of the output, and goes out in pieces."""
    shown, code, peak = _run(long_line, *arguments)

    assert code == 0
    assert f"  {'x' * _ROW_BYTES}\n" in shown
    assert peak <= _LIMIT_MB, peak


def _compress(path: Path) -> None:
    with path.open("rb") as source, path.with_suffix(".jsonl.zst").open("wb") as target:
        zstandard.ZstdCompressor(level=1).copy_stream(source, target)
    path.unlink()


def _run(place: Path, *arguments: str) -> tuple[str, int, int]:
    """Run a command in a child; return what it printed, its exit code and its peak of resident memory in MB."""
    child = subprocess.run(
        [sys.executable, "-c", _CHILD, "interactions", *arguments, "--config", str(place / "arawn.toml")],
        check=True,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        cwd=ROOT,
    )
    code, peak = child.stderr.splitlines()[-1].split()
    return child.stdout, int(code), int(peak)


@pytest.mark.parametrize(
    ("arguments", "limit"),
    [
        (("list", "--json"), _LIMIT_MB),
        (("tail",), _LIMIT_MB),
        (("stats",), _LIMIT_MB),
        (("search", "needle 281"), _LIMIT_MB),
        (("search", "NEEDLE 271", "-i"), _LIMIT_MB),
        (("search", "-e", "needle 2.1"), _LIMIT_MB),
        (("show", "latest"), _LIMIT_MB),
        (("show", "latest", "--json"), _LIMIT_MB),
        (("sql", "select count(*), max(duration_ms) from interactions"), _LIMIT_SQL_MB),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else str(value),
)
def test_memory_is_bounded(place: Path, arguments: tuple[str, ...], limit: int) -> None:
    """256 MB are enough for what takes rows apart only so far."""
    _, code, peak = _run(place, *arguments)

    assert code == 0
    assert peak <= limit, peak
