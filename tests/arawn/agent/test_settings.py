"""`[agent]`: how far a turn may go."""

from __future__ import annotations

from collections.abc import Callable

import trio
from trio.testing import MockClock

from arawn.agent import TurnReply
from arawn.agent.functions import tools_by_name
from arawn.agent.turn import Turn
from arawn.backends.actor import Call
from arawn.config.schema import AgentConfig
from arawn.messages import CallContext, CompletionRequest, CompletionResponse, Text, ToolResult, ToolUse, user


async def forever_asking(call: Call) -> CompletionResponse:
    """Answer as a model that never has enough of one tool."""
    await trio.lowlevel.checkpoint()
    return CompletionResponse(content=(ToolUse(f"call-{call.context.iteration}", "wait", {"seconds": 5}),), model="m")


async def wait(seconds: float) -> str:
    await trio.sleep(seconds)
    return "waited"


async def turned(limits: AgentConfig, function: Callable[..., object] = wait) -> TurnReply:
    first = Call(CompletionRequest(messages=(user("go"),)), CallContext(), trio.current_time())
    return await Turn(first, tools_by_name([function]), limits, forever_asking, trio.lowlevel.checkpoint).run()


def first_result(reply: TurnReply) -> ToolResult:
    (block,) = reply.messages[2].content
    assert isinstance(block, ToolResult)
    return block


async def test_max_iterations_is_how_often_the_model_is_asked(autojump_clock: MockClock) -> None:
    """One is a turn whose tools are never run."""
    for limit in (1, 2, 7):
        reply = await turned(AgentConfig(max_iterations=limit))

        assert (reply.iterations, reply.truncated) == (limit, True)
        assert len(reply.messages) == 1 + 2 * limit


async def test_tool_result_bytes_is_how_much_text_of_a_result_the_model_is_given(autojump_clock: MockClock) -> None:
    """With a word on what was cut."""

    async def wait(seconds: float) -> str:
        return "x" * 1_500

    whole = first_result(await turned(AgentConfig(max_iterations=2, tool_result_bytes=1_500), wait))
    cut = first_result(await turned(AgentConfig(max_iterations=2, tool_result_bytes=1_499), wait))

    assert whole.content == (Text("x" * 1_500),)
    told = "[cut: this answer has 1,500 bytes of text, of which you see the first 1,499]"
    assert cut.content == (Text("x" * 1_499), Text(told))


async def test_tool_deadline_s_is_how_long_a_tool_may_take(autojump_clock: MockClock) -> None:
    """To the moment."""
    patient = await turned(AgentConfig(max_iterations=2, tool_deadline_s=5.5))
    hasty = await turned(AgentConfig(max_iterations=2, tool_deadline_s=4.5))

    assert not first_result(patient).is_error
    assert first_result(hasty).is_error
