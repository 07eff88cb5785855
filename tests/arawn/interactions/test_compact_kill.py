"""A compaction in a real process that is killed at any moment."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from arawn.interactions.compact import compact_file, remove_unfinished
from arawn.interactions.files import DayFile, day_files
from arawn.interactions.filesystem import Filesystem
from arawn.interactions.raw_lines import forward_lines

KILLS = 10
STEPS = 645  # of one whole run, about
FILE = DayFile("2026-01-20")
_CHILD = """
import sys
from pathlib import Path
from arawn.interactions.compact import compact_file
from arawn.interactions.files import DayFile
from arawn.interactions.filesystem import Filesystem

for _ in compact_file(Filesystem(), Path(sys.argv[1]), DayFile("2026-01-20"), frame_bytes=1 << 20):
    print(flush=True)
"""


@pytest.mark.slow
def test_kills_lose_no_line(tmp_path: Path) -> None:
    """Wherever in its course it dies, readers find every line once, and the next run ends the work."""
    draw = random.Random(3)
    text = b"".join(
        b'{"number":%d,"text":"%s"}\n' % (number, draw.randbytes(200).hex().encode()) for number in range(40_000)
    )
    left = set()
    for number in range(KILLS):
        directory = tmp_path / str(number)
        directory.mkdir()
        (directory / FILE.name).write_bytes(text)
        with subprocess.Popen([sys.executable, "-c", _CHILD, directory], stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            for _ in range(number * STEPS // KILLS):
                child.stdout.readline()
            child.send_signal(signal.SIGKILL)

        left.add(tuple(sorted(path.name for path in directory.iterdir())))
        assert text_of(directory) == text
        remove_unfinished(Filesystem(), directory)
        if (directory / FILE.name).exists():
            *_, _ = compact_file(Filesystem(), directory, FILE)
        assert text_of(directory) == text
        assert sorted(path.suffix for path in directory.iterdir()) == [".json", ".zst"]

    assert len(left) > 1  # it died at more than one stage


def text_of(directory: Path) -> bytes:
    (file,) = day_files(path.name for path in directory.iterdir())
    return b"".join(line for _, line in forward_lines(directory / file.name))
