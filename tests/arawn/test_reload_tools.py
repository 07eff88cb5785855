"""A reload refuses what `config check` refuses, and lists it as that does."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import trio

from arawn.agent.servers import tool_obstacles
from arawn.config.schema import Config, Profile, RoutingConfig, ToolSource
from arawn.errors import BadInput, ConfigError
from arawn.reload import Reload, reloader_spec
from tests.arawn.test_reload import NEW
from tests.runtimes import configured, running

SOURCES = {
    "wrong": ToolSource(python="tests.arawn.agent.my_tools:nothere"),
    "ending": ToolSource(python="tests.arawn.agent.ending_tools:CancelledError"),
    "program": ToolSource(command=("no-such-program",)),
}


async def reload_to(config: Config, directory: Path) -> Config:
    """Reload with a configuration that has just been read, and return the one that is then in force.

    A refusal has changed nothing, and is that of `Runtime.follow`.
    """

    async def read() -> Config:
        await trio.lowlevel.checkpoint()
        return config

    async with running(configured(directory)) as runtime:
        try:
            await (await runtime.start(reloader_spec(runtime, read))).ask(Reload())
        except BadInput:
            with pytest.raises(ConfigError):
                await runtime.follow(config)
            raise
        return runtime.config


async def test_tools_that_cannot_be_used_change_nothing(tmp_path: Path) -> None:
    """Every problem is told, in the words of the check."""
    config = msgspec.structs.replace(NEW, tools=SOURCES)

    with pytest.raises(BadInput) as caught:
        await reload_to(config, tmp_path)

    said = str(caught.value).splitlines()
    assert said[0] == "the configuration cannot be used, nothing was changed:"
    assert [line.strip() for line in said[1:]] == await tool_obstacles(config, {})
    assert len(said) == 4


async def test_tools_that_can_be_used_are_taken(tmp_path: Path) -> None:
    """The check is no obstacle of its own."""
    config = msgspec.structs.replace(NEW, tools={"all": ToolSource(python="tests.arawn.agent.my_tools:voices")})

    assert (await reload_to(config, tmp_path)).tools == config.tools


async def test_models_scripts_policies_and_tools_are_one_list(tmp_path: Path) -> None:
    """A problem does not hide the next one: nothing is started to find them."""
    profiles = {
        "default": Profile(backend="openai", model="m"),
        "local": Profile(backend="local", model="/nowhere/m.gguf"),
        "script": Profile(backend="scripted", script="/nowhere/s.toml"),
        "keyless": Profile(backend="groq", model="m"),
    }
    routing = RoutingConfig(enabled=True, policy="no_such_module:policy")

    with pytest.raises(BadInput) as caught:
        await reload_to(Config(profiles=profiles, routing=routing, tools=SOURCES), tmp_path)

    _, *said = (line.strip() for line in str(caught.value).splitlines())
    begins = ["profile `default` (openai) has no key", "profile `local`: model: ", "/nowhere/s.toml: script of profile"]
    begins += ["routing.policy: ", *(line[:20] for line in await tool_obstacles(Config(tools=SOURCES), {}))]
    assert [line[: len(begin)] for line, begin in zip(said, begins, strict=True)] == begins
