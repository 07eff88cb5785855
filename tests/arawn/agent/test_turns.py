"""A workstream with tools: complete, run the tools, complete again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from arawn.agent import ToolEnded, ToolStarted, TurnEvent, tool
from arawn.messages import Completed, TextDelta
from tests.arawn.agent.turns import LOOK, endless, history, look, playing, results, step
from tests.runtimes import lines, records


async def test_the_model_is_asked_until_it_needs_no_tool(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Each call carries the results of the one before; the reply is the last answer."""
    async with playing(tmp_path, step(LOOK), step("look", text="again"), {"text": "blue it is"}) as runtime:
        reply = await runtime.workstream("w").send("how is it?", tools=[look])
        kept = await history(runtime)

    assert (reply.text, reply.iterations, reply.truncated) == ("blue it is", 3, False)
    assert [message.role for message in kept] == ["user", "assistant", "user", "assistant", "user", "assistant"]
    assert kept == reply.messages
    assert [error for error, _ in results(kept)] == [False, True]  # the second call came without its argument
    assert records(tmp_path)[1]["messages"][-1]["content"][0]["content"][0]["text"] == "sky is blue"


async def test_each_iteration_is_a_record_and_each_result_a_line(tmp_path: Path, autojump_clock: MockClock) -> None:
    """One session and one turn, iterations counted from 1; results are joined to the call that asked."""
    async with playing(tmp_path, step(LOOK, LOOK), step(LOOK), {"text": "done"}) as runtime:
        talk = runtime.workstream("w")
        await talk.send("hello", session_id="s", tools=[look])
        await talk.send("once more", session_id="s", tools=[look])

    made = records(tmp_path)
    assert [(each["session_id"], each["turn_id"], each["iteration"]) for each in made] == [
        ("s", 1, 1),
        ("s", 1, 2),
        ("s", 1, 3),
        ("s", 2, 1),
        ("s", 2, 2),
        ("s", 2, 3),
    ]
    assert all(each["tools_available"] == ["look"] for each in made)
    found = [(line["interaction_id"], line["success"]) for line in lines(tmp_path) if line["kind"] == "tool_result"]
    asked = [made[place]["id"] for place in (0, 0, 1, 3, 3, 4)]
    assert found == [(each, True) for each in asked]


async def test_tokens_of_the_whole_turn_are_added_up(tmp_path: Path, autojump_clock: MockClock) -> None:
    """`usage` stays what the provider said of the last call."""
    used = {"usage": {"input_tokens": 10, "output_tokens": 2}}
    async with playing(tmp_path, step(LOOK, **used), {"text": "x", "usage": {"output_tokens": 5}}) as runtime:
        reply = await runtime.workstream("w").send("hello", tools=[look])

    assert (reply.turn_usage.input_tokens, reply.turn_usage.output_tokens) == (10, 7)
    assert reply.turn_usage.cache_read_tokens is None
    assert reply.usage.output_tokens == 5


async def test_a_turn_ends_at_the_limit_and_says_so(tmp_path: Path, autojump_clock: MockClock) -> None:
    """25 calls, the last one's tools are not run, and the conversation goes on after it."""
    ran: list[str] = []

    async def again() -> None:
        ran.append("")

    async with playing(tmp_path, *[step("again")] * 25, {"text": "yes"}) as runtime:
        talk = runtime.workstream("w")
        reply = await talk.send("for ever", tools=[again])
        kept = await history(runtime)
        after = await talk.send("still there?")

    assert (reply.truncated, reply.iterations, len(ran)) == (True, 25, 24)
    assert results(kept)[-1] == (True, "not run: the turn has reached its limit of 25 calls to the model")
    assert after.text == "yes"


async def broken(at: str) -> str:
    raise ValueError(f"no {at} here")


async def opaque(at: str) -> object:
    return object()


@tool(deadline_s=0.5)
async def impatient(at: str) -> str:
    return await endless(at)


@pytest.mark.parametrize(
    ("function", "call", "words"),
    [
        (broken, {"arguments": {"at": "sky"}}, "`broken` failed: ValueError('no sky here')"),
        (endless, {"arguments": {"at": "x"}}, "`endless` was not done after 120 s; it may have had effects"),
        (impatient, {"arguments": {"at": "x"}}, "`impatient` was not done after 0.5 s; it may have had effects"),
        (opaque, {"arguments": {"at": "x"}}, "`opaque` failed: TypeError('it returned an object of type `object`"),
        (look, {"arguments": {"at": 7}}, "the arguments do not fit `look`: Expected `str`, got `int` - at `$.at`"),
        (look, {"invalid_arguments": "{oh"}, "the arguments of `look` are not a JSON object"),
        (look, {"name": "lok"}, "there is no tool `lok`; the tools are: `look`"),
    ],
)
async def test_what_goes_wrong_is_told_to_the_model(
    tmp_path: Path, autojump_clock: MockClock, function: Callable[..., object], call: dict[str, Any], words: str
) -> None:
    """As an error result without a traceback; the turn goes on."""
    asked = {"name": getattr(function, "__name__", ""), **call}
    async with playing(tmp_path, step(asked), {"text": "I see"}) as runtime:
        reply = await runtime.workstream("w").send("hello", tools=[function])
        ((is_error, text),) = results(await history(runtime))

    assert reply.text == "I see"
    assert is_error
    assert text.startswith(words)
    assert "Traceback" not in text
    assert 'File "' not in text


async def test_tools_that_only_read_run_together_and_others_in_order(tmp_path: Path, autojump_clock: MockClock) -> None:
    """What is read is never older than the write that was asked for before it."""
    order: list[str] = []

    @tool(read_only=True)
    async def read(name: str, seconds: float) -> str:
        order.append(f"+{name}")
        await trio.sleep(seconds)
        order.append(f"-{name}")
        return name

    async def write(name: str) -> str:
        order.append(f"+{name}")
        await trio.sleep(1)
        order.append(f"-{name}")
        return name

    asked = [
        {"name": "read", "arguments": {"name": "a", "seconds": 3}},
        {"name": "read", "arguments": {"name": "b", "seconds": 1}},
        {"name": "write", "arguments": {"name": "c"}},
        {"name": "write", "arguments": {"name": "d"}},
        {"name": "read", "arguments": {"name": "e", "seconds": 1}},
    ]
    async with playing(tmp_path, step(*asked), {"text": "done"}) as runtime:
        began = trio.current_time()
        await runtime.workstream("w").send("go", tools=[read, write])
        took = trio.current_time() - began
        kept = await history(runtime)

    assert "".join(order) in ("+a+b-b-a+c-c+d-d+e-e", "+b+a-b-a+c-c+d-d+e-e")
    assert took == pytest.approx(6)
    assert [text for _, text in results(kept)] == ["a", "b", "c", "d", "e"]


async def test_a_stream_tells_of_text_and_tools_as_they_come(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Each iteration is one streamed call; the last event holds the whole reply."""
    seen: list[TurnEvent] = []
    async with playing(tmp_path, step(LOOK, text="wait"), {"text": "blue"}) as runtime:
        async with runtime.workstream("w").stream("how?", tools=[look]) as events:
            async for event in events:
                seen.append(event)

    told = [event for event in seen if isinstance(event, TextDelta | ToolStarted | ToolEnded)]
    assert told[0] == TextDelta(0, "wait")
    assert told[1] == ToolStarted("call_0_1", "look", {"at": "sky"})
    assert told[2] == ToolEnded("call_0_1", "look", "sky is blue", is_error=False)
    assert told[3] == TextDelta(0, "blue")
    last = seen[-1]
    assert isinstance(last, Completed)
    assert (last.response.text, getattr(last.response, "iterations", None)) == ("blue", 2)
    assert [each["stream"] for each in records(tmp_path)] == [True, True]


async def test_tools_that_run_together_are_told_of_in_the_order_of_their_calls(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """As they start; they end when they end."""
    reading = tool(read_only=True)(look)
    asked = [{**LOOK, "id": f"c{number}"} for number in range(6)]
    async with playing(tmp_path, step(*asked), {"text": "blue"}) as runtime:
        async with runtime.workstream("w").stream("how?", tools=[reading]) as events:
            begun = [event.id async for event in events if isinstance(event, ToolStarted)]

    assert begun == [f"c{number}" for number in range(6)]


async def test_a_call_that_nobody_offered_a_tool_for_is_answered_too(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Without tools a model may still ask for one; the history is valid all the same."""
    async with playing(tmp_path, step(LOOK), {"text": "ok"}) as runtime:
        talk = runtime.workstream("w")
        reply = await talk.send("hello")
        kept = await history(runtime)
        await talk.send("go on")

    assert [call.name for call in reply.tool_calls] == ["look"]
    assert results(kept) == [(True, "there is no such tool: none was offered")]


async def test_what_a_tool_says_can_always_be_stored(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Half characters, in answers and in errors."""

    async def half(fails: bool) -> str:
        if fails:
            raise ValueError("\ud800")
        return "a\ud800b"

    asked = [{"name": "half", "arguments": {"fails": fails}} for fails in (False, True)]
    async with playing(tmp_path, step(*asked), {"text": "ok"}) as runtime:
        await runtime.workstream("w").send("hello", tools=[half])
        found = results(await history(runtime))

    msgspec.json.encode(found)
    told = "[changed: 1 x `?` stands for half a character or a byte that is no UTF-8]"
    assert found == [(False, f"a?b{told}"), (True, "`half` failed: ValueError('\\ud800')")]
