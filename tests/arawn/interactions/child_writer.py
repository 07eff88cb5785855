"""A process that writes to a log and reports each acknowledged line on its standard output, until it is killed.

Arguments: directory, number of the first line, bytes of text a line, limit of a file in bytes (0 for none).
"""

from __future__ import annotations

import resource
import sys
from functools import partial
from pathlib import Path

import trio

from arawn.config.schema import InteractionLogConfig
from arawn.interactions.opening import now_utc
from arawn.interactions.record import FeedbackLine, timestamp_text
from arawn.interactions.writer import open_writer


async def main(directory: Path, number: int, size: int, limit: int) -> None:
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    async with open_writer(InteractionLogConfig(), directory) as writer:
        while True:
            at = timestamp_text(now_utc())
            await writer.handle([FeedbackLine(interaction_id=str(number), label="good", note="x" * size, timestamp=at)])
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()
            number += 1
            await trio.lowlevel.checkpoint()


if __name__ == "__main__":
    trio.run(partial(main, Path(sys.argv[1]), *map(int, sys.argv[2:5])))
