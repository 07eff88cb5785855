"""TensorZero embedded in Python, run by the Python that has it: reads `CALLS CALLERS` a line, answers with one load."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
import tempfile
import time

CONFIG = """
[gateway]
observability.enabled = false
disable_pseudonymous_usage_analytics = true

[models.m]
routing = ["fixed"]

[models.m.providers.fixed]
type = "openai"
model_name = "m"
api_base = "{address}/"
api_key_location = "none"

[functions.chat]
type = "chat"

[functions.chat.variants.v]
type = "chat_completion"
model = "m"
"""


async def main(address: str, text: str) -> None:
    """Serve standard input."""
    from tensorzero import AsyncTensorZeroGateway  # type: ignore[import-not-found]

    with tempfile.NamedTemporaryFile("w", suffix=".toml") as config:  # noqa: ASYNC230  # once, before the load
        config.write(CONFIG.format(address=address))
        config.flush()
        gateway = await AsyncTensorZeroGateway.build_embedded(config_file=config.name)

    numbers = itertools.count()

    async def caller(times: int) -> None:
        for _ in range(times):
            question = {"messages": [{"role": "user", "content": f"{next(numbers)} {text}"}]}
            answer = await gateway.inference(function_name="chat", input=question)
            assert answer.content[0].text

    async with gateway:
        while line := sys.stdin.readline():
            calls, callers = (int(number) for number in line.split())
            wall, used = time.perf_counter(), time.process_time()
            await asyncio.gather(*(caller(calls // callers) for _ in range(callers)))
            seconds, cpu = time.perf_counter() - wall, time.process_time() - used
            count = calls // callers * callers
            print(json.dumps({"count": count, "seconds": seconds, "cpu_seconds": cpu}), flush=True)


if __name__ == "__main__":
    os.environ.setdefault("OPENAI_API_KEY", "k")
    asyncio.run(main(*sys.argv[1:]))
