"""A program that takes a changed configuration file while it runs: what `arawn reload` does, from Python."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import trio

import arawn
from arawn.config import load


def read(file: Path) -> arawn.Config:
    """Return what the file says; raises `ConfigError`, with every problem in it."""
    return load(config_file=file, environ=os.environ, cwd=Path.cwd()).config


def change(file: Path, model: str, iterations: int) -> None:
    """Stand in for somebody who edits the file."""
    file.write_text(f'[llm]\nbackend = "scripted"\nmodel = "{model}"\n[agent]\nmax_iterations = {iterations}\n')


async def main(directory: Path) -> None:
    file = directory / "my-agent.toml"
    change(file, "one", 25)
    environ = {"ARAWN_CONFIG_DIR": str(directory), "ARAWN_STATE_DIR": str(directory)}  # your log stays free of all this
    async with arawn.open_runtime(read(file), environ=environ) as runtime, trio.open_nursery() as nursery:
        print((await runtime.workstream("reload").send("Hello")).model)

        change(file, "two", 5)
        followed = await runtime.follow(read(file))  # all of it, or a `ConfigError` and nothing
        nursery.start_soon(followed.wait_drained)  # calls under way end where they began
        print((await runtime.workstream("reload").send("And now?")).model)
        print("replaced:", *followed.plan.replaced, "settings:", *followed.plan.settings)

        change(file, "three", -5)
        try:
            await runtime.follow(read(file))
        except arawn.ConfigError as error:
            print(error)


with TemporaryDirectory() as directory:
    trio.run(main, Path(directory))
