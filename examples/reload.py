"""A program that takes a changed configuration file while it runs: what `arawn reload` does, from Python."""

import os
from pathlib import Path

import trio

import arawn
from arawn.config import load

FILE = Path("my-agent.toml")


def read() -> arawn.Config:
    """Return what the file says; raises `ConfigError`, with every problem in it."""
    return load(config_file=FILE, environ=os.environ, cwd=Path.cwd()).config


def change(model: str, iterations: int) -> None:
    """Stand in for somebody who edits the file."""
    FILE.write_text(f'[llm]\nbackend = "scripted"\nmodel = "{model}"\n[agent]\nmax_iterations = {iterations}\n')


async def main() -> None:
    async with arawn.open_runtime(read()) as runtime, trio.open_nursery() as nursery:
        print((await runtime.workstream("research").send("Hello")).model)

        change("two", 5)
        followed = await runtime.follow(read())  # all of it, or a `ConfigError` and nothing
        nursery.start_soon(followed.wait_drained)  # calls under way end where they began
        print((await runtime.workstream("research").send("And now?")).model)
        print("replaced:", *followed.plan.replaced, "settings:", *followed.plan.settings)

        change("three", -5)
        try:
            await runtime.follow(read())
        except arawn.ConfigError as error:
            print(error)


change("one", 25)
trio.run(main)
