"""How many bytes a second does the log writer sustain beside a bare loop of msgspec encode and `os.write`?"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Literal

import msgspec
import trio

from arawn.config.schema import InteractionLogConfig
from arawn.interactions.opening import now_utc
from arawn.interactions.record import InteractionRecord
from arawn.interactions.writer import open_writer
from benchmarks.log_records import sample_record
from benchmarks.measure import Comparison, Run, alternate

TOTAL_BYTES = 200_000_000
BATCH = 32
SIZES = (1_000, 20_000, 100_000)


async def _write(directory: Path, records: Sequence[InteractionRecord], sync: Literal["group", "off"]) -> None:
    async with open_writer(InteractionLogConfig(sync=sync), directory) as writer:
        for start in range(0, len(records), BATCH):
            await writer.handle(records[start : start + BATCH])


def _bytes_in(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.glob("*.jsonl"))


def _writer(records: Sequence[InteractionRecord], sync: Literal["group", "off"]) -> Run:
    def run() -> int:
        with tempfile.TemporaryDirectory() as directory:
            trio.run(_write, Path(directory), records, sync)
            return _bytes_in(Path(directory))

    return run


def _bare(records: Sequence[InteractionRecord], syncing: Callable[[int], AbstractContextManager[None]]) -> Run:
    def run() -> int:
        encode = msgspec.json.Encoder().encode
        with tempfile.TemporaryDirectory() as directory:
            fd = os.open(Path(directory) / "bare.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            with syncing(fd):
                for record in records:
                    os.write(fd, encode(record) + b"\n")
            os.fdatasync(fd)
            os.close(fd)
            return _bytes_in(Path(directory))

    return run


@contextmanager
def _synced_in_a_thread(fd: int) -> Iterator[None]:
    """Keep the log's promise to the disk in the simplest way."""
    ended = threading.Event()

    def sync() -> None:
        while not ended.wait(0.05):
            os.fdatasync(fd)

    thread = threading.Thread(target=sync)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _never_synced(_fd: int) -> AbstractContextManager[None]:
    return nullcontext()


def run() -> Iterator[Comparison]:
    """Compare at three sizes of a record; the unit is a byte. All end with everything on the disk."""
    for size in SIZES:
        records = [sample_record(size, now_utc())] * (TOTAL_BYTES // (size + 2_000))
        what = f"records of {size // 1000} kB"
        yield alternate(
            f"Bytes a second into the log, {what}, `sync = off`",
            {"writer": _writer(records, "off"), "msgspec encode + os.write": _bare(records, _never_synced)},
            target=">= 0.8 x bare",
            at_least=0.8,
        )
        yield alternate(
            f"Bytes a second into the log, {what}, `sync = group`",
            {
                "writer": _writer(records, "group"),
                "encode + os.write, fdatasync every 50 ms": _bare(records, _synced_in_a_thread),
            },
            target=">= 0.8 x bare",
            at_least=0.8,
        )
