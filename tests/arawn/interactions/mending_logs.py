"""Logs to damage and mend: two writers, two days, every kind of line; and ways to damage them."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from arawn.config.schema import InteractionLogConfig
from arawn.interactions.compact import compact_file
from arawn.interactions.files import parse_name
from arawn.interactions.filesystem import Filesystem
from arawn.interactions.findings import Report
from arawn.interactions.opening import open_day_log
from arawn.interactions.raw_lines import forward_lines
from arawn.interactions.record import FeedbackLine, ToolResultLine, timestamp_text
from arawn.interactions.repair import Repaired, repair
from arawn.interactions.sealed import FRAME_BYTES
from arawn.messages import CallContext
from tests.arawn.interactions.samples import NOON, Clock, record

CONFIG = InteractionLogConfig()
LAST_OPERATIONS = pytest.mark.parametrize(
    "operations",
    [slice(None, None, 4), pytest.param(slice(None), marks=pytest.mark.slow)],
    ids=["every fourth", "every"],
)
"""Which operation on the file system is the last before a crash: a part in the fast tests, each in the slow ones."""
FIRST = "interactions-2026-01-28.jsonl"
SECOND = "interactions-2026-01-29.jsonl"


class Tokens:
    """Random bytes that are the same in every run."""

    def __init__(self) -> None:
        self._random = random.Random(7)

    def __call__(self, size: int) -> str:
        return self._random.randbytes(size).hex()


def written_log(directory: Path, *, days: int = 2, calls: int = 6, sealed: bool = False) -> Path:
    """Write a log of one daemon a day; with `sealed`, all days but the last are compressed."""
    clock, tokens = Clock(), Tokens()
    for _ in range(days):
        log = open_day_log(directory, CONFIG, clock=clock, token=tokens)
        for number in range(calls):
            clock.step(seconds=1)
            one = record(number, clock.at, context=CallContext(workstream=f"w{number % 2}", session_id=f"s{number}"))
            log.append(
                [
                    one,
                    ToolResultLine(
                        interaction_id=one.id,
                        tool_call_id="t",
                        success=True,
                        content=f"result {number} of {clock.at.day}",
                        timestamp=timestamp_text(clock.at),
                    ),
                ]
            )
        log.append([FeedbackLine(interaction_id=one.id, label="good", value=1.0, timestamp=timestamp_text(clock.at))])
        log.close()
        clock.step(days=1)
    if sealed:
        seal(directory, *[f"interactions-{(NOON + timedelta(days=day)):%Y-%m-%d}.jsonl" for day in range(days - 1)])
    return directory


def seal(directory: Path, *names: str, frame_bytes: int = FRAME_BYTES) -> None:
    for name in names:
        file = parse_name(name)
        assert file is not None
        for _ in compact_file(Filesystem(), directory, file, frame_bytes=frame_bytes):
            pass


def fresh_copy(source: Path, target: Path) -> Path:
    shutil.rmtree(target, ignore_errors=True)
    return Path(shutil.copytree(source, target))


def later() -> datetime:
    return datetime(2026, 1, 30, 12, tzinfo=UTC)


# Each damage takes the lines of a file and says what it made of them, and which lines it touched (by their old place).
Damage = Callable[[random.Random, list[bytes]], tuple[bytes, set[int]]]


def flip(dice: random.Random, lines: list[bytes]) -> tuple[bytes, set[int]]:
    """One bit of one byte."""
    data = bytearray(b"".join(lines))
    place = dice.randrange(len(data))
    data[place] ^= 1 << dice.randrange(8)
    hit = _line_of(lines, place)
    return bytes(data), {hit, hit + 1} if lines[hit] and place + 1 == _end_of(lines, hit) else {hit}


def cut(dice: random.Random, lines: list[bytes]) -> tuple[bytes, set[int]]:
    """The end of the file is gone, from within a line on."""
    data = b"".join(lines)
    place = dice.randrange(1, len(data))
    while data[place - 1 : place] == b"\n":
        place = dice.randrange(1, len(data))
    return data[:place], set(range(_line_of(lines, place), len(lines)))


def cut_out(dice: random.Random, lines: list[bytes]) -> tuple[bytes, set[int]]:
    """Bytes in the middle are gone: what is left is spliced."""
    data = b"".join(lines)
    place = dice.randrange(len(data) - 1)
    size = dice.randrange(1, min(1_500, len(data) - place))
    touched = set(range(_line_of(lines, place), _line_of(lines, place + size - 1) + 1))
    return data[:place] + data[place + size :], touched | {max(touched) + 1}


def delete(dice: random.Random, lines: list[bytes]) -> tuple[bytes, set[int]]:
    """A line is gone, but for the last of its writer: nothing tells that from a writer that was killed."""
    place = dice.randrange(len(lines) - 1)
    return b"".join(lines[:place] + lines[place + 1 :]), {place}


def double(dice: random.Random, lines: list[bytes]) -> tuple[bytes, set[int]]:
    """A run of lines stands there twice."""
    first = dice.randrange(len(lines))
    last = dice.randrange(first, len(lines)) + 1
    return b"".join(lines[:last] + lines[first:last] + lines[last:]), set()


def nul_run(dice: random.Random, lines: list[bytes]) -> tuple[bytes, set[int]]:
    """A stretch is NUL: blocks that never reached the disk."""
    data = bytearray(b"".join(lines))
    place = dice.randrange(len(data))
    size = min(dice.randrange(1, 3_000), len(data) - place)
    data[place : place + size] = bytes(size)
    return bytes(data), set(range(_line_of(lines, place), _line_of(lines, place + size - 1) + 2))


def nul_inserted(dice: random.Random, lines: list[bytes]) -> tuple[bytes, set[int]]:
    """NULs stand between two lines: a file that was grown before it was written."""
    place = dice.randrange(len(lines))
    return b"".join(lines[:place]) + bytes(dice.randrange(1, 5_000)) + b"".join(lines[place:]), set()


DAMAGES: tuple[Damage, ...] = (flip, cut, cut_out, delete, double, nul_run, nul_inserted)


def _line_of(lines: list[bytes], offset: int) -> int:
    for number in range(len(lines)):
        if offset < _end_of(lines, number):
            return number
    return len(lines)


def _end_of(lines: list[bytes], number: int) -> int:
    return sum(map(len, lines[: number + 1]))


def problems(report: Report) -> list[str]:
    return [str(problem) for problem in report.problems]


def mended(log: Path) -> Repaired:
    return repair(log, CONFIG, clock=later)


def lines_of(log: Path) -> set[bytes]:
    names = [path for path in log.iterdir() if parse_name(path.name) is not None]
    return {line for path in names for _, line in forward_lines(path)}
