"""A program that forks writers and kills them, round after round, and checks what they left.

Arguments: directory, rounds, seed. Prints what it saw as one line of JSON; stops at the first fault it finds.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import trio

from arawn.config.schema import InteractionLogConfig
from arawn.interactions.opening import now_utc, open_day_log
from arawn.interactions.record import FeedbackLine, timestamp_text
from arawn.interactions.writer import open_writer
from tests.arawn.interactions.samples import log_files, notes_of, whole_lines

ROUNDS_A_DIRECTORY = 50
LINES_A_ROUND = 100_000


async def write_for_ever(directory: Path, sync: str, first: int, size: int, reports: int) -> None:
    """Write lines in small batches; report the number of each as soon as it is acknowledged."""
    async with open_writer(InteractionLogConfig(sync=sync), directory) as writer:  # type: ignore[arg-type]
        number = first
        while True:
            at = timestamp_text(now_utc())
            numbers = range(number, number + random.choice((1, 1, 3)))
            lines = [FeedbackLine(interaction_id=str(n), label="x", note="x" * size, timestamp=at) for n in numbers]
            await writer.handle(lines)
            os.write(reports, b"".join(b"%d\n" % n for n in numbers))
            number = numbers.stop
            await trio.lowlevel.checkpoint()


def one_round(directory: Path, first: int, rng: random.Random) -> list[int]:
    """Fork a writer, kill it at a random moment; return what it had reported."""
    sync, size = rng.choice(("group", "always", "off")), rng.choice((0, 100, 60_000))
    reports, end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reports)
        trio.run(write_for_ever, directory, sync, first, size, end)
    os.close(end)
    with os.fdopen(reports, "rb") as pipe:
        begun = pipe.readline() if rng.random() < 0.9 else b""
        time.sleep(rng.uniform(0, 0.02))
        os.kill(child, signal.SIGKILL)
        text = begun + pipe.read()
    os.waitpid(child, 0)
    return [int(line) for line in text.splitlines(keepends=True) if line.endswith(b"\n")]


def check(directory: Path, reported: list[int], kills: int) -> int:
    """Open the log again and compare; return how many tails were torn."""
    open_day_log(directory, InteractionLogConfig()).close()
    lines = whole_lines(log_files(directory))
    found = notes_of(lines)
    assert set(reported) <= set(found), f"acknowledged and gone: {sorted(set(reported) - set(found))[:10]}"
    assert len(found) == len(set(found)), "a double"
    assert len(found) - len(reported) <= 3 * kills, "more lines than batches in the air"
    for writer in {line["writer"] for line in lines}:
        seqs = [line["seq"] for line in lines if line["writer"] == writer]
        assert seqs == list(range(1, len(seqs) + 1)), f"{writer} is not dense"
    return len(list(directory.glob("*.torn-*")))


def main(root: Path, rounds: int, seed: int) -> None:
    rng = random.Random(seed)
    began, acknowledged, torn = time.monotonic(), 0, 0
    for start in range(0, rounds, ROUNDS_A_DIRECTORY):
        directory, reported = root / str(start), list[int]()
        kills = min(ROUNDS_A_DIRECTORY, rounds - start)
        for number in range(kills):
            reported += one_round(directory, number * LINES_A_ROUND, rng)
        torn += check(directory, reported, kills)
        acknowledged += len(reported)
        shutil.rmtree(directory)
    seconds = time.monotonic() - began
    print(json.dumps({"rounds": rounds, "acknowledged": acknowledged, "torn": torn, "seconds": round(seconds, 1)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
