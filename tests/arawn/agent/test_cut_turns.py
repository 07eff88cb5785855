"""Turns that are cut short: nothing is lost, nothing goes on, and the conversation can."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from arawn.agent import ToolStarted, tool
from arawn.errors import Overloaded
from tests.arawn.agent.turns import LOOK, endless, history, look, playing, results, step
from tests.runtimes import records
from tests.serving import PATIENCE


async def test_a_cancelled_tool_leaves_a_history_that_goes_on(tmp_path: Path, autojump_clock: MockClock) -> None:
    """The tool is cancelled; what was said and done until then is kept, with a result for every call."""
    undone: list[str] = []

    async def slow(at: str) -> str:
        try:
            await trio.sleep_forever()
        finally:
            undone.append(at)
        return at

    both = step(LOOK, {"name": "slow", "arguments": {"at": "tea"}}, LOOK)
    async with playing(tmp_path, both, {"text": "fine"}) as runtime:
        talk = runtime.workstream("w")
        with trio.move_on_after(5):
            await talk.send("make tea", tools=[look, slow])
        after = await talk.send("well?", tools=[look, slow])
        kept = await history(runtime)

    cut = (True, "the turn was cut short before this call had a result; it may have had effects")
    assert undone == ["tea"]
    assert results(kept) == [(False, "sky is blue"), cut, cut]
    assert (after.text, records(tmp_path)[1]["turn_id"]) == ("fine", 2)


async def test_a_turn_that_never_had_an_answer_never_was(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Cancelled during the first call: the conversation is as it was."""
    async with playing(tmp_path, {"hang": True}) as runtime:
        with trio.move_on_after(5):
            await runtime.workstream("w").send("hello", tools=[look])
        stored = await runtime.stored_workstream("w")

    assert stored is None
    assert [each["status"] for each in records(tmp_path)] == ["cancelled"]


@pytest.mark.parametrize("ending", ["fails", "is left"])
async def test_a_turn_cut_off_at_the_model_keeps_what_tools_did(
    tmp_path: Path, autojump_clock: MockClock, ending: str
) -> None:
    """A later call fails, or its caller leaves: question, answer and results stay, and the next turn goes on."""
    last = {"error": {"status": 503}} if ending == "fails" else {"hang": True}
    async with playing(tmp_path, step(LOOK), *[last] * (4 if ending == "fails" else 1), {"text": "here"}) as runtime:
        talk = runtime.workstream("w")
        if ending == "fails":
            with pytest.raises(Overloaded):
                await talk.send("one", tools=[look])
        else:
            with trio.move_on_after(5):
                await talk.send("one", tools=[look])
        kept = await history(runtime)
        after = await talk.send("two", tools=[look])
        await history(runtime)

    assert [message.role for message in kept] == ["user", "assistant", "user"]
    assert results(kept) == [(False, "sky is blue")]
    assert after.text == "here"


async def test_leaving_a_stream_stops_model_and_tools(tmp_path: Path, autojump_clock: MockClock) -> None:
    """As soon as the block is left."""
    async with playing(tmp_path, step({"name": "endless", "arguments": {"at": "x"}}), {"text": "ok"}) as runtime:
        talk = runtime.workstream("w")
        async with talk.stream("go", tools=[endless]) as events:
            async for event in events:
                if isinstance(event, ToolStarted):
                    break
        reply = await talk.send("and now?", tools=[endless])
        await history(runtime)

    assert reply.text == "ok"
    assert trio.current_time() < 100


async def test_a_thread_is_left_behind_by_a_cancellation(tmp_path: Path) -> None:
    """Real time: the caller has the error at once, not when the thread ends."""
    woken = threading.Event()

    @tool(deadline_s=0.1)
    def nap() -> str:
        woken.wait(PATIENCE)
        return "rested"

    async with playing(tmp_path, step({"name": "nap", "arguments": {}}), {"text": "ok"}) as runtime:
        await runtime.workstream("w").send("sleep", tools=[nap])
        ((is_error, text),) = results(await history(runtime))
        woken.set()

    assert (is_error, text) == (True, "`nap` was not done after 0.1 s; it may have had effects")
