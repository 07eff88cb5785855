import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import trio
import zstandard

import arawn


def log_lines(directory: Path) -> Iterator[dict[str, Any]]:
    """Yield every line of the log once, the oldest file first; a daemon may be writing meanwhile."""
    seen = set()
    for path in sorted(directory.glob("interactions-*.json*[lt]")):  # `.jsonl`, and `.jsonl.zst` of closed days
        with path.open("rb") as file:
            whole = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
            for raw in io.BufferedReader(whole) if path.suffix == ".zst" else file:
                if not raw.endswith(b"\n"):
                    continue  # it is being written
                line = json.loads(raw)
                if (key := (line["writer"], line["seq"])) not in seen:  # after a fault a line may be there twice
                    seen.add(key)
                    yield line


async def main() -> None:
    async with arawn.open_runtime() as runtime:
        await runtime.workstream("read-log").send("What is the capital of France?")
        log = runtime.log_path  # without a runtime: what `arawn interactions path` prints; None while the log is off

    if log is not None:
        for line in log_lines(log):
            if line["kind"] == "interaction":  # the other kinds stand in docs/interaction-log.md
                print(
                    line["timestamp"], line["profile"], line["status"], line["output_tokens"], line["response_content"]
                )


trio.run(main)
