"""An export under which a day is compressed, as a daemon does soon after its start."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from arawn.interactions import raw_lines
from arawn.interactions.export.rules import FORMATS, Format
from arawn.interactions.sealed import Frame, ReadAt, load_frame
from tests.arawn.interactions.export.logs import made, turns, write_log
from tests.arawn.interactions.mending_logs import FIRST, seal

CALLS = 100
LINE_FORMATS = [name for name in FORMATS if name not in {"parquet", "router"}]


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The places of the frames that readers decode, as they do."""
    places: list[int] = []

    def counting(read: ReadAt, frame: Frame) -> bytes:
        places.append(frame.place)
        return load_frame(read, frame)

    monkeypatch.setattr(raw_lines, "load_frame", counting)
    return places


def sealing_at(log: Path, call: int) -> Callable[[int], None]:
    """Return what compresses the day when the export comes to that call."""

    def on_call(number: int) -> None:
        if number == call and (log / FIRST).exists():
            seal(log, FIRST, frame_bytes=16384)

    return on_call


@pytest.mark.parametrize("export_format", LINE_FORMATS)
@pytest.mark.parametrize("at", [1, CALLS // 2])
def test_each_frame_is_decoded_once(tmp_path: Path, decoded: list[int], export_format: Format, at: int) -> None:
    """However many calls the export still reads of a day that is compressed under it; and it has the same rows."""
    write_log(tmp_path, [call for talk in range(CALLS) for call in turns(1, 100 * talk, size=500)])
    before = made(tmp_path, export_format)

    after = made(tmp_path, export_format, on_calls=sealing_at(tmp_path, at))

    assert (after.data, after.manifest.dropped) == (before.data, {})
    assert len(set(decoded)) > 5
    assert max(Counter(decoded).values()) <= (3 if export_format != "jsonl" else 1)  # by so many walks over the log
