"""MCP servers that die, hang, answer nonsense or do not end: what is asked of them ends, and so do they."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from arawn.agent import mcp_server
from arawn.agent import servers as tool_servers
from arawn.agent.mcp_server import ToolServerFailed
from arawn.agent.tool import Tool, ToolAnswer
from arawn.config.schema import ToolSource
from arawn.messages import Text
from tests.arawn.agent.forgetful_server import forgetful_server
from tests.arawn.agent.serving import open_servers
from tests.runtimes import in_place

pytestmark = pytest.mark.slow

RUDE = str(Path(__file__).with_name("rude_server.py"))
Pids = Callable[[], list[int]]


def rude(mode: str = "") -> dict[str, ToolSource]:
    return {"x": ToolSource(command=(sys.executable, RUDE, mode))}


@pytest.fixture
def pids(caplog: pytest.LogCaptureFixture) -> Pids:
    """Return who says which children there have been: each tells its number on stderr."""
    caplog.set_level(logging.INFO, "arawn.tools")

    def told() -> list[int]:
        words = [record.getMessage().split() for record in caplog.records if record.name == "arawn.tools"]
        return [int(word[2]) for word in words if word[1:2] == ["pid"]]

    return told


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp_server, "START_S", 2.0)
    monkeypatch.setattr(tool_servers, "_LISTED_S", 4.0)


def by_name(tools: tuple[Tool, ...]) -> dict[str, Tool]:
    return {tool.name: tool for tool in tools}


async def use(tool: Tool) -> ToolAnswer:
    return await tool.run({}, in_place)


def said(answer: ToolAnswer) -> str:
    return "".join(block.text for block in answer.content if isinstance(block, Text))


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    ("tool", "words"),
    [("strange", "Invalid structured content returned by tool strange"), ("shapeless", "validation error")],
)
async def test_an_answer_of_the_wrong_shape_is_the_error_of_its_call_alone(pids: Pids, tool: str, words: str) -> None:
    """Other calls on the server go on, and it is the same server afterwards."""
    async with open_servers(rude()) as servers:
        tools = by_name(await servers.tools(["x"]))
        answers: list[ToolAnswer] = []

        async def ask_slowly() -> None:
            answers.append(await use(tools["slow"]))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask_slowly)
            await trio.sleep(0.1)
            wrong = await use(tools[tool])
        after = await use(tools["fine"])

    assert wrong.is_error
    assert words in said(wrong)
    assert "\n" not in said(wrong)
    assert [said(answer) for answer in (*answers, after)] == ["slow", "fine"]
    assert len(pids()) == 1


async def test_what_is_no_message_is_passed_over(pids: Pids) -> None:
    """A server that prints among its messages is heard all the same."""
    async with open_servers(rude()) as servers:
        tools = by_name(await servers.tools(["x"]))

        assert said(await use(tools["garbage"])) == "after the garbage"


async def test_a_call_that_is_never_answered_is_the_callers_to_leave(pids: Pids) -> None:
    """The server goes on with others."""
    async with open_servers(rude()) as servers:
        tools = by_name(await servers.tools(["x"]))
        with trio.move_on_after(0.5) as left:
            await use(tools["never"])

        assert left.cancelled_caught
        assert said(await use(tools["fine"])) == "fine"
    assert len(pids()) == 1


async def test_tools_whose_names_fall_together_keep_apart(pids: Pids) -> None:
    """A model cannot be told of `a.b`; what it is told of calls the right one."""
    async with open_servers(rude()) as servers:
        tools = by_name(await servers.tools(["x"]))

        assert [said(await use(tools[name])) for name in ("a_b", "a_b_2", "a_b_3")] == ["a.b", "a_b", "a b"]


async def test_a_server_found_dead_is_started_again_for_the_list(pids: Pids) -> None:
    """Nobody hears of a server that died while nothing was asked of it."""
    async with open_servers(rude()) as servers:
        await servers.tools(["x"])
        os.kill(pids()[0], signal.SIGKILL)
        await trio.sleep(0.2)

        tools = by_name(await servers.tools(["x"]))

        assert said(await use(tools["fine"])) == "fine"
    assert len(pids()) == 2


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("hangs at the start", "the tool server `x` cannot be used: it has not answered within 2 s of its start"),
        ("hangs at the list", "the tool server `x` has not told its tools within 4 s"),
        ("lists for ever", "the tool server `x` has not told its tools within 4 s"),
    ],
)
async def test_a_server_that_hangs_has_a_deadline(pids: Pids, impatient: None, mode: str, words: str) -> None:
    """Real time: at its start, once, and when it lists its tools; nobody waits for ever, and no child stays behind."""
    async with open_servers(rude(mode)) as servers:
        with trio.fail_after(20), pytest.raises(ToolServerFailed) as caught:
            await servers.tools(["x"])

    assert str(caught.value).startswith(words)
    (pid,) = pids()
    assert not lives(pid)


async def test_what_a_server_says_as_it_dies_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Its last words too, with no line end after them: they say why it could not start."""
    with caplog.at_level(logging.INFO, "arawn.tools"):
        async with open_servers(rude("says why")) as servers:
            with pytest.raises(ToolServerFailed, match="there is no database here"):
                await servers.tools(["x"])

    assert "x: there is no database here" in [record.getMessage() for record in caplog.records]


async def test_a_server_that_does_not_end_is_ended(pids: Pids) -> None:
    """With its process group, within its grace; no descriptor stays open."""
    before = open_descriptors()
    async with open_servers(rude("does not end")) as servers:
        await servers.tools(["x"])
        began = trio.current_time()
    took = trio.current_time() - began

    assert took < 8
    assert not any(map(lives, pids()))
    assert open_descriptors() == before


async def test_a_cancelled_start_leaves_nothing_behind(pids: Pids) -> None:
    """Whoever leaves while the server starts: when the runtime ends, the child is gone and no descriptor is open."""
    before = open_descriptors()
    for seconds in (0.0, 0.05, 0.3):
        async with open_servers(rude()) as servers:
            with trio.move_on_after(seconds):
                await servers.tools(["x"])

    assert not any(map(lives, pids()))
    assert open_descriptors() == before


async def test_a_server_that_has_forgotten_its_session_gets_a_new_one() -> None:
    """As one over HTTP that was started again: listing does so unseen, a call fails once and says why."""
    with forgetful_server() as server:
        async with open_servers({"x": ToolSource(url=server.url)}) as servers:
            tools = by_name(await servers.tools(["x"]))
            assert said(await use(tools["fine"])) == "fine"

            server.sessions.clear()
            assert list(by_name(await servers.tools(["x"]))) == ["fine"]
            assert said(await use(tools["fine"])) == "fine"

            server.sessions.clear()
            with pytest.raises(ToolServerFailed, match="the tool server `x` failed: Session terminated"):
                await use(tools["fine"])
            assert said(await use(tools["fine"])) == "fine"


async def test_two_turns_that_meet_a_changed_configuration_start_one_server(pids: Pids) -> None:
    """The second finds the new one starting, and does not stop it again."""
    sources = rude()
    async with open_servers(sources) as servers:
        await servers.tools(["x"])
        sources["x"] = rude("changed")["x"]
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(servers.tools, ["x"])
        await servers.tools(["x"])

    assert len(pids()) == 2


async def test_a_child_that_calls_a_request_invalid_has_answered(pids: Pids) -> None:
    """It has no session to forget: the model is told, and the calls beside it go on."""
    answers: list[ToolAnswer] = []

    async def keep(tool: Tool) -> None:
        answers.append(await use(tool))

    async with open_servers(rude()) as servers:
        tools = by_name(await servers.tools(["x"]))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keep, tools["slow"])
            await trio.sleep(0.2)
            nursery.start_soon(keep, tools["refuses"])

    assert [(said(answer), answer.is_error) for answer in answers] == [("not like this", True), ("slow", False)]
    assert len(pids()) == 1
