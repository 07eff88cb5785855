"""MCP servers of the official package, over stdio and HTTP, as sources of tools."""

from __future__ import annotations

import logging
import sys
import time

import pytest
import trio

from arawn.agent.mcp_server import ToolServerFailed, _answer
from arawn.agent.tool import Tool, ToolAnswer
from arawn.config.schema import ToolSource
from arawn.messages import Image, Text
from tests.arawn.agent.serving import MCP_SERVER, free_port, http_server, open_servers
from tests.runtimes import in_place

pytestmark = pytest.mark.slow

STDIO = ToolSource(command=(sys.executable, MCP_SERVER), env=("ARAWN_TEST_PLACE", "ARAWN_TEST_NOT_SET"))


def by_name(tools: tuple[Tool, ...]) -> dict[str, Tool]:
    return {tool.name: tool for tool in tools}


async def use(tool: Tool, **arguments: object) -> ToolAnswer:
    return await tool.run(arguments, in_place)


def said(answer: ToolAnswer) -> str:
    return "".join(block.text for block in answer.content if isinstance(block, Text))


async def shown_to_work(tools: dict[str, Tool]) -> None:
    assert tools["add"].read_only
    assert not tools["fail"].read_only
    assert tools["add"].definition.description == "Add two numbers."
    assert tools["add"].definition.parameters["required"] == ["a", "b"]
    assert await use(tools["add"], a=1, b=2) == ToolAnswer((Text("3"),))
    failed = await use(tools["fail"])
    wrong = await use(tools["add"], a="one")
    assert (failed.is_error, wrong.is_error) == (True, True)
    assert "Field required" in said(wrong)
    assert await use(tools["object_to"]) == ToolAnswer((Text("not like this"),), is_error=True)
    assert "Traceback" not in said(failed) + said(wrong)


async def test_a_server_over_stdio_gives_its_tools(caplog: pytest.LogCaptureFixture) -> None:
    """Listed with schema and hint, run with arguments; what it says on stderr goes to the program's log."""
    with caplog.at_level(logging.INFO, "arawn.tools"):
        async with open_servers({"x": STDIO}, {"ARAWN_TEST_PLACE": "here", "SECRET": "no"}) as servers:
            tools = by_name(await servers.tools(["x"]))
            await shown_to_work(tools)
            assert said(await use(tools["where_am_i"])) == "here"

    assert any(record.getMessage().startswith("x: ") for record in caplog.records)


async def test_the_values_of_env_are_masked_wherever_stderr_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """In the program's log as in the error: a program may print what it was given."""
    tells = "import os, sys; sys.exit('no entry with ' + os.environ['TOKEN'])"
    source = ToolSource(command=(sys.executable, "-c", tells), env=("TOKEN", "NOT_SET"))
    with caplog.at_level(logging.INFO, "arawn.tools"):
        async with open_servers({"x": source}, {"TOKEN": "open-sesame-1"}) as servers:
            with pytest.raises(ToolServerFailed) as caught:
                await servers.tools(["x"])

    assert "\n  no entry with [redacted:secret:" in str(caught.value)
    assert any("no entry with [redacted:secret:" in line for line in caplog.messages)
    assert "sesame" not in str(caught.value) + caplog.text


async def test_a_secret_in_its_command_is_masked_wherever_stderr_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """A program that refuses its arguments says them."""
    tells = "import sys; sys.exit('no entry with ' + sys.argv[2])"
    source = ToolSource(command=(sys.executable, "-c", tells, "--token", "open-sesame-1-2-3"))
    with caplog.at_level(logging.INFO, "arawn.tools"):
        async with open_servers({"x": source}) as servers:
            with pytest.raises(ToolServerFailed) as caught:
                await servers.tools(["x"])

    assert "no entry with [redacted:secret:" in str(caught.value)
    assert "sesame" not in str(caught.value) + caplog.text


async def test_a_server_over_http_gives_its_tools() -> None:
    """The same server, the same tools."""
    with http_server() as address:
        async with open_servers({"x": ToolSource(url=address)}) as servers:
            await shown_to_work(by_name(await servers.tools(["x"])))


async def test_a_server_that_dies_is_told_of_and_started_again() -> None:
    """The call under way fails, and the next use has a new child."""
    async with open_servers({"x": STDIO}) as servers:
        tools = by_name(await servers.tools(["x"]))
        with pytest.raises(ToolServerFailed, match="the tool server `x` failed: Connection closed"):
            await use(tools["leave"])
        again = by_name(await servers.tools(["x"]))

        assert said(await use(again["add"], a=2, b=2)) == "4"
        assert said(await use(tools["add"], a=2, b=2)) == "4"  # the old handle is as good


async def test_an_http_server_that_dies_in_a_call_is_told_of_in_plain_words() -> None:
    """Nothing of actors and their messages; the next list says that the server cannot be reached."""
    with http_server() as address:
        async with open_servers({"x": ToolSource(url=address)}) as servers:
            tools = by_name(await servers.tools(["x"]))
            with pytest.raises(ToolServerFailed) as caught:
                await use(tools["leave"])
            with pytest.raises(ToolServerFailed, match="the tool server `x` cannot be used: all attempts"):
                await servers.tools(["x"])

    assert str(caught.value).startswith("the tool server `x` ")
    assert not any(word in str(caught.value) for word in ("actor", "UseTool", "handled", "Error("))


async def test_calls_run_side_by_side_and_a_cancelled_one_ends_at_once() -> None:
    """Real time: two naps are no longer than one."""
    async with open_servers({"x": STDIO}) as servers:
        tools = by_name(await servers.tools(["x"]))
        began = time.monotonic()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: use(tools["doze"], seconds=1))
            nursery.start_soon(lambda: use(tools["doze"], seconds=1))
        together = time.monotonic() - began
        with trio.move_on_after(0.2):
            await use(tools["doze"], seconds=1)
        left = time.monotonic() - began - together

        assert said(await use(tools["add"], a=1, b=1)) == "2"
    assert together < 1.9
    assert left < 0.9


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (
            ToolSource(command=("/no/such/program",)),
            "the program `/no/such/program` cannot be started: No such file or directory; check `tools.x.command`",
        ),
        (ToolSource(command=("true",)), "its program ended before it had answered; check `tools.x.command`"),
        (ToolSource(url="http://127.0.0.1:9/mcp", bearer_env="NOT_SET"), "the environment variable `NOT_SET`"),
        (ToolSource(url=f"http://127.0.0.1:{free_port()}/mcp"), "all attempts to connect"),
    ],
)
async def test_a_server_that_cannot_be_used_says_why(source: ToolSource, words: str) -> None:
    """At its first use, with the key to look at."""
    async with open_servers({"x": source}) as servers:
        with pytest.raises(ToolServerFailed, match="the tool server `x` cannot be used: ") as caught:
            await servers.tools(["x"])

    assert words in str(caught.value)


async def test_a_changed_configuration_starts_the_server_anew() -> None:
    """The child of the old one is ended first."""
    sources = {"x": STDIO}
    environ = {"ARAWN_TEST_PLACE": "one"}
    async with open_servers(sources, environ) as servers:
        await servers.tools(["x"])
        environ["ARAWN_TEST_PLACE"] = "two"
        kept = by_name(await servers.tools(["x"]))
        before = said(await use(kept["where_am_i"]))
        sources["x"] = ToolSource(command=STDIO.command, env=("ARAWN_TEST_PLACE",))
        changed = by_name(await servers.tools(["x"]))

        assert (before, said(await use(changed["where_am_i"]))) == ("one", "two")


async def test_a_server_gets_no_variable_that_env_does_not_name() -> None:
    """What else Arawn's environment holds, such as keys of providers, is not the server's affair."""
    async with open_servers({"x": ToolSource(command=STDIO.command)}, {"ARAWN_TEST_PLACE": "here"}) as servers:
        tools = by_name(await servers.tools(["x"]))

        assert said(await use(tools["where_am_i"])) == "nowhere"


async def test_bearer_env_names_the_token_that_the_server_gets() -> None:
    """The token itself stands in no file, and a server that wants another refuses."""
    with http_server(token="open sesame") as address:
        environ = {"GOOD": "open sesame", "BAD": "open barley"}
        good = ToolSource(url=address, bearer_env="GOOD")
        async with open_servers({"x": good, "y": ToolSource(url=address, bearer_env="BAD")}, environ) as servers:
            tools = by_name(await servers.tools(["x"]))
            assert said(await use(tools["add"], a=1, b=1)) == "2"
            with pytest.raises(ToolServerFailed, match="`y` cannot be used"):
                await servers.tools(["y"])


def test_every_kind_of_content_is_shown_or_named() -> None:
    """Text and pictures are shown; what no model can be shown is named."""
    from mcp.types import (
        AudioContent,
        BlobResourceContents,
        CallToolResult,
        EmbeddedResource,
        ImageContent,
        ResourceLink,
        TextContent,
        TextResourceContents,
    )

    blob = BlobResourceContents(uri="file:///b", blob="aGk=")
    result = CallToolResult(
        content=[
            TextContent(text="seen"),
            ImageContent(data="aGk=", mime_type="image/png"),
            EmbeddedResource(resource=TextResourceContents(uri="file:///a", text="written")),
            EmbeddedResource(resource=blob),
            ResourceLink(name="c", uri="file:///c"),
            AudioContent(data="aGk=", mime_type="audio/wav"),
        ]
    )

    assert _answer(result).content == (
        Text("seen"),
        Image(media_type="image/png", data="aGk="),
        Text("written"),
        Text("[resource file:///b]"),
        Text("[resource file:///c]"),
        Text("[audio]"),
    )
    assert _answer(CallToolResult(content=[], structured_content={"a": 1})).content == (Text('{"a":1}'),)
