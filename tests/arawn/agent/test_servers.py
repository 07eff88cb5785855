"""Tools that the configuration names: modules of one's own."""

from __future__ import annotations

from importlib.util import find_spec
from unittest.mock import patch

import pytest

from arawn.config.schema import ToolSource
from arawn.errors import BadInput, ConfigError
from arawn.messages import Text
from tests.arawn.agent.serving import open_servers
from tests.runtimes import in_place

VOICES = ToolSource(python="tests.arawn.agent.my_tools:voices")


async def test_a_module_of_ones_own_gives_its_tools() -> None:
    """One tool, or a list of them; each can be run."""
    async with open_servers({"all": VOICES, "one": ToolSource(python="tests.arawn.agent.my_tools:shout")}) as servers:
        every = await servers.tools(["all"])
        (one,) = await servers.tools(["one"])

    assert [tool.name for tool in every] == ["shout", "whisper"]
    assert (await one.run({"text": "oh"}, in_place)).content == (Text("OH"),)
    assert (await every[1].run({"text": "OH"}, in_place)).content == (Text("oh"),)


async def test_only_some_of_them() -> None:
    """`only` lets through what it names, in its order."""
    some = ToolSource(python=VOICES.python, only=("whisper",))
    async with open_servers({"some": some}) as servers:
        found = await servers.tools(["some", "some"])

    assert [tool.name for tool in found] == ["whisper"]


async def test_two_sources_with_a_tool_of_one_name_are_named_both() -> None:
    """With the tool, and how to leave one out."""
    other = ToolSource(python="tests.arawn.agent.my_tools:shout")
    async with open_servers({"voices": VOICES, "other": other}) as servers:
        with pytest.raises(
            BadInput, match=r"`tools.voices` and `tools.other` both have a tool called `shout`; .* `only`"
        ):
            await servers.tools(["voices", "other"])


async def test_the_deadline_of_a_source_is_for_tools_without_one() -> None:
    """`deadline_s` in the table, over `agent.tool_deadline_s`, under the tool's own."""
    async with open_servers({"all": ToolSource(python=VOICES.python, deadline_s=9.0)}) as servers:
        found = await servers.tools(["all"])

    assert [tool.deadline for tool in found] == [3.0, 9.0]


async def test_names_in_a_list_are_an_unknown_name() -> None:
    """Not a failure of Python's own: names are given one by one."""
    async with open_servers({"voices": VOICES}) as servers:
        with pytest.raises(BadInput, match=r"unknown tools `\['voices'\]`; there are: `voices`"):
            await servers.tools([["voices"]])  # type: ignore[list-item]


async def test_an_unknown_name_lists_those_there_are() -> None:
    """With the likeliest one."""
    async with open_servers({"voices": VOICES}) as servers:
        with pytest.raises(BadInput, match=r"unknown tools `voice`; there are: `voices` \(did you mean `voices`\?\)"):
            await servers.tools(["voice"])


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (ToolSource(python="tests.no.such:thing"), "cannot use `tests.no.such:thing`: ModuleNotFoundError"),
        (ToolSource(python="tests.no.such:thing"), "; looked for in `PYTHONPATH`, which is "),
        (ToolSource(python="tests.arawn.agent.leaving_tools:x"), "SystemExit: usage: leaving_tools FILE"),
        (ToolSource(python="tests.arawn.agent.my_tools:gone"), "AttributeError"),
        (ToolSource(python="tests.arawn.agent.my_tools:nothing"), "a tool is a function or a `Tool`, found int"),
        (ToolSource(python=VOICES.python, only=("shot",)), r"only: there is no tool `shot`; accepted: `shout`"),
    ],
)
async def test_what_cannot_be_used_is_a_configuration_error(source: ToolSource, words: str) -> None:
    """It names the key."""
    async with open_servers({"x": source}) as servers:
        with pytest.raises(ConfigError, match=r"tools\.x\.(python|only): ") as caught:
            await servers.tools(["x"])

    assert words in str(caught.value)


async def test_an_mcp_server_needs_its_package() -> None:
    """Said at the start, for every such server, with the command that installs it."""

    def missing(name: str) -> object:
        return None if name == "mcp" else find_spec(name)

    sources = {"files": ToolSource(command=("files",)), "far": ToolSource(url="http://x"), "all": VOICES}
    with patch("arawn.agent.mcp_server.find_spec", missing), pytest.raises(ConfigError) as caught:
        async with open_servers(sources):
            pass

    assert [problem.partition(":")[0] for problem in caught.value.problems] == ["tools.files", "tools.far"]
    assert "pip install 'arawn[mcp]'" in str(caught.value)
