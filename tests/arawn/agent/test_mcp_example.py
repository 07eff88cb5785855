"""The tool server that `docs/agent.md` shows."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import msgspec
import pytest

from arawn.agent.tool import ToolAnswer
from arawn.config.schema import ToolSource
from arawn.messages import Text
from tests.arawn.agent.serving import open_servers
from tests.runtimes import in_place

pytestmark = pytest.mark.slow


TABLE = re.compile(r"```toml\n(\[tools\.rooms\].*?)```", re.DOTALL)


def shown_table() -> ToolSource:
    """Return `[tools.rooms]` as the page has it."""
    (table,) = TABLE.findall(Path("docs/agent.md").read_text("utf-8"))
    return msgspec.convert(tomllib.loads(table)["tools"]["rooms"], ToolSource)


async def test_the_example_serves_its_tool() -> None:
    """With the table that the page gives, from the directory that holds `examples/`."""
    program, *arguments = shown_table().command or ()
    assert program == "python"

    async with open_servers({"rooms": ToolSource(command=(sys.executable, *arguments))}) as servers:
        (tool,) = await servers.tools(["rooms"])
        answer = await tool.run({"room": "kitchen"}, in_place)

    assert (tool.name, tool.read_only) == ("temperature", True)
    assert answer == ToolAnswer((Text("19.5"),))
