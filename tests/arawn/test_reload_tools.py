"""A reload refuses what `config check` refuses, and lists it as that does."""

from __future__ import annotations

import msgspec
import pytest
import trio
from trio.testing import MockClock

from actors import SupervisorSpec, open_supervisor
from arawn.agent.obstacles import tool_obstacles
from arawn.config.schema import Config, Profile, RoutingConfig, ToolSource
from arawn.errors import BadInput
from arawn.reload import Reload, reloader_spec
from tests.arawn.test_reload import NEW, NotingRuntime

SOURCES = {
    "wrong": ToolSource(python="tests.arawn.agent.my_tools:nothere"),
    "ending": ToolSource(python="tests.arawn.agent.ending_tools:CancelledError"),
    "program": ToolSource(command=("no-such-program",)),
}


async def reload_to(config: Config, runtime: NotingRuntime) -> None:
    """Reload with a configuration that has just been read."""

    async def read() -> Config:
        await trio.lowlevel.checkpoint()
        return config

    async with open_supervisor(SupervisorSpec(name="root")) as root:
        await (await root.start(reloader_spec(runtime, read, {}))).ask(Reload())


async def test_tools_that_cannot_be_used_change_nothing(autojump_clock: MockClock) -> None:
    """Every problem is told, in the words of the check."""
    config = msgspec.structs.replace(NEW, tools=SOURCES)
    runtime = NotingRuntime()

    with pytest.raises(BadInput) as caught:
        await reload_to(config, runtime)

    assert runtime.followed == []
    said = str(caught.value).splitlines()
    assert said[0] == "the configuration cannot be used, nothing was changed:"
    assert [line.strip() for line in said[1:]] == tool_obstacles(config, {})
    assert len(said) == 4


async def test_tools_that_can_be_used_are_taken(autojump_clock: MockClock) -> None:
    """The check is no obstacle of its own."""
    config = msgspec.structs.replace(NEW, tools={"all": ToolSource(python="tests.arawn.agent.my_tools:voices")})
    runtime = NotingRuntime()

    await reload_to(config, runtime)

    assert runtime.followed == [config]


async def test_models_scripts_policies_and_tools_are_one_list(autojump_clock: MockClock) -> None:
    """A problem does not hide the next one: nothing is started to find them."""
    profiles = {
        "default": Profile(backend="openai", model="m"),
        "local": Profile(backend="local", model="/nowhere/m.gguf"),
        "script": Profile(backend="scripted", script="/nowhere/s.toml"),
        "keyless": Profile(backend="groq", model="m"),
    }
    routing = RoutingConfig(enabled=True, policy="no_such_module:policy")
    runtime = NotingRuntime()

    with pytest.raises(BadInput) as caught:
        await reload_to(Config(profiles=profiles, routing=routing, tools=SOURCES), runtime)

    assert runtime.followed == []
    _, *said = (line.strip() for line in str(caught.value).splitlines())
    begins = ["profile `default` (openai) has no key", "profile `local`: model: ", "/nowhere/s.toml: script of profile"]
    begins += ["routing.policy: ", *(line[:20] for line in tool_obstacles(Config(tools=SOURCES), {}))]
    assert [line[: len(begin)] for line, begin in zip(said, begins, strict=True)] == begins
