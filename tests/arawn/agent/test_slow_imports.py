"""A module of the user's that hangs at its import holds up nothing but its own tools."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from importlib import import_module

import pytest
import trio
import trio.testing

from arawn.agent import mcp_server, modules
from arawn.agent.servers import tool_obstacles
from arawn.config.schema import Config, ToolSource
from arawn.errors import ConfigError
from tests.arawn.agent.serving import MCP_SERVER, open_servers

HANGING = "tests.arawn.agent.hanging_tools"
SOURCES = {
    "late": ToolSource(python=f"{HANGING}:late"),
    "voices": ToolSource(python="tests.arawn.agent.my_tools:voices"),
}


@pytest.fixture(autouse=True)
def hangs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have the module hang until the test takes `TEST_HANGING_TOOLS` away, and nothing be left of it."""
    monkeypatch.setenv("TEST_HANGING_TOOLS", "1")
    monkeypatch.setattr(modules, "_IMPORT_S", 0.2)
    yield
    monkeypatch.delenv("TEST_HANGING_TOOLS", raising=False)
    import_module(HANGING)  # returns once the thread that hung is through
    sys.modules.pop(HANGING, None)


async def test_an_import_that_hangs_is_a_typed_error_after_its_deadline() -> None:
    """It names the key and what would be right; meanwhile everything else goes on, other modules too."""
    async with open_servers(SOURCES) as servers, trio.open_nursery() as nursery:
        told: list[str] = []

        async def use_late() -> None:
            with pytest.raises(ConfigError) as caught:
                await servers.tools(["late"])
            told.extend(caught.value.problems)

        nursery.start_soon(use_late)
        await trio.testing.wait_all_tasks_blocked()
        found = await servers.tools(["voices"])
        assert told == []

    assert [tool.name for tool in found] == ["shout", "whisper"]
    assert told[0].startswith(f"tools.late.python: importing `{HANGING}:late` has not ended after 0.2 s, and goes on; ")


async def test_an_import_that_ends_after_all_is_found_by_the_next_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that hangs has one thread, however often it is wanted."""
    async with open_servers(SOURCES) as servers:
        before = threading.active_count()
        for _ in range(3):
            with pytest.raises(ConfigError):
                await servers.tools(["late"])
        assert threading.active_count() <= before + 1

        monkeypatch.delenv("TEST_HANGING_TOOLS")
        monkeypatch.setattr(modules, "_IMPORT_S", 60.0)
        (late,) = await servers.tools(["late"])

    assert late.name == "late"


async def test_a_check_of_the_configuration_imports_as_the_daemon_does() -> None:
    """In a thread, with the same deadline: what hangs is told, not waited for."""
    problems = await tool_obstacles(Config(tools=SOURCES), {})

    assert len(problems) == 1
    assert problems[0].startswith(f"tools.late.python: importing `{HANGING}:late` has not ended after 0.2 s, ")


@pytest.mark.slow
async def test_the_package_of_mcp_is_loaded_beside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes a second, in which a daemon has other callers."""
    pytest.importorskip("mcp")
    went_on = threading.Event()

    def slow_import(module: str) -> object:
        assert went_on.wait(30), "the event loop stood still"
        return import_module(module)

    monkeypatch.setattr(mcp_server, "import_module", slow_import)
    async with (
        open_servers({"x": ToolSource(command=(sys.executable, MCP_SERVER))}) as servers,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(servers.tools, ["x"])
        await trio.testing.wait_all_tasks_blocked(0.05)
        went_on.set()
