"""Memory does not grow with the log."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from functools import partial
from pathlib import Path

import msgspec
import pytest

from arawn.interactions.encode import encode_line
from arawn.interactions.export.rules import FORMATS, Format
from arawn.messages import CallContext, Message, RoutingMetadata, Text, user
from tests.arawn.cli.place import PATIENCE, ROOT
from tests.arawn.interactions.export.logs import call
from tests.arawn.interactions.samples import NOON

_MOST_MB = 256
_CHILD = """
import sys
from pathlib import Path
from tests.arawn.interactions.export.logs import made_to_disk

manifest = made_to_disk(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
with open("/proc/self/status") as file:  # `ru_maxrss` would count what the parent had when it made this process
    (peak,) = [line.split()[1] for line in file if line.startswith("VmHWM:")]
print(manifest.rows, manifest.outputs[0].bytes, int(peak) >> 10)
"""


def measured(log: Path, export_format: Format, target: Path) -> tuple[int, int, int]:
    """Return rows, bytes of the first file, and the peak of a child's memory in MB."""
    arguments = [sys.executable, "-c", _CHILD, str(log), export_format, str(target)]
    child = partial(subprocess.run, env={"PYTHONPATH": str(ROOT)}, cwd=ROOT, timeout=4 * PATIENCE)
    rows, size, peak = map(int, child(arguments, capture_output=True, text=True, check=True).stdout.split())
    return rows, size, peak


@pytest.fixture(scope="module")
def long_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three thousand conversations of eight turns, side by side: 200 MB."""
    log = tmp_path_factory.mktemp("long")
    histories: list[tuple[Message, ...]] = [()] * 3000
    with (log / "interactions-2026-01-28.jsonl").open("wb") as file:
        for number in range(8 * len(histories)):
            place = number % len(histories)
            answer = Message("assistant", (Text(f"answer {number} {'y' * 900}"),))
            asked = (*histories[place], user(f"question {number} {'x' * 900}"))
            file.write(encode_line(call(number, asked, answer, at=NOON + timedelta(seconds=number))))
            histories[place] = (*asked, answer)
    return log


@pytest.mark.slow
@pytest.mark.parametrize("export_format", FORMATS)
def test_a_long_log_takes_no_more_memory_than_a_short_one(
    long_log: Path, tmp_path: Path, export_format: Format
) -> None:
    """Offsets and hashes are kept, never texts."""
    rows, _, peak = measured(long_log, export_format, tmp_path / "out")

    assert rows == {"jsonl": 24_000, "parquet": 24_000, "router": 0}.get(export_format, 3000)
    assert peak < _MOST_MB


@pytest.fixture(scope="module", params=[("x", 300, 450), ("€", 350, 560)], ids=["latin", "euro"])
def long_rows(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> tuple[Path, int, int]:
    """Three rows of 64 MB of many words, and what they may take as lines and as Parquet, in MB."""
    log = tmp_path_factory.mktemp("rows")
    letter, lines_mb, parquet_mb = request.param
    words = f"some {letter} words\n"
    message = user(words * ((63 << 20) // len(words.encode())))
    routed = CallContext(workstream="research", routing=RoutingMetadata("fast", "rule"))
    with (log / "interactions-2026-01-28.jsonl").open("wb") as file:
        for number in range(3):
            short = call(number, (user(f"{number}"),), context=routed)  # the long one would be searched for secrets
            file.write(encode_line(msgspec.structs.replace(short, messages=(*short.messages, message))))
    return log, lines_mb, parquet_mb


@pytest.mark.slow
@pytest.mark.parametrize("export_format", FORMATS)
def test_long_rows_fit(long_rows: tuple[Path, int, int], tmp_path: Path, export_format: Format) -> None:
    """They take a few copies of one of them; in Python a letter beyond Latin-1 makes a text twice as large."""
    log, lines_mb, parquet_mb = long_rows

    rows, _, peak = measured(log, export_format, tmp_path / "out")

    assert rows == 3
    assert peak < (parquet_mb if export_format == "parquet" else lines_mb)
