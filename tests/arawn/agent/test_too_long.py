"""A conversation that has become longer than the model takes: what tools answered last is left out, and it goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from arawn.errors import BadRequest, ContextTooLong
from tests.arawn.agent.turns import LOOK, endless, history, look, playing, results, step
from tests.runtimes import lines, records

TOO_LONG = {"error": {"status": 400, "code": "context_length_exceeded"}}
TOO_LARGE = {"error": {"status": 413}}  # says a gateway, of all that is sent
REFUSED = pytest.mark.parametrize("refused", [TOO_LONG, TOO_LARGE], ids=["tokens", "bytes"])
READ = {"name": "read", "arguments": {"at": "book"}}
LEFT_OUT = (True, "left out: with this result the conversation was longer than the model takes; ask for less")


async def read(at: str) -> str:
    """Read all of it."""
    return f"{at} " * 1000


@REFUSED
async def test_a_result_that_is_too_long_is_left_out(
    tmp_path: Path, autojump_clock: MockClock, refused: dict[str, Any]
) -> None:
    """The caller has the error; the conversation goes on, in memory and as stored; results that fitted stay."""
    steps = (step(LOOK), step(READ, LOOK), refused, {"text": "less, then"})
    async with playing(tmp_path, *steps) as runtime:
        talk = runtime.workstream("w")
        with pytest.raises(BadRequest):
            await talk.send("read it", tools=[look, read])
        kept = await history(runtime)
        after = await talk.send("well?", tools=[look, read])

    assert results(kept) == [(False, "sky is blue"), LEFT_OUT, (False, "sky is blue")]
    assert after.text == "less, then"
    assert LEFT_OUT[1] in str(records(tmp_path)[-1]["messages"])


async def test_the_log_has_the_result_that_was_left_out(tmp_path: Path, autojump_clock: MockClock) -> None:
    """As the tool gave it, once, and in the record of the call that was refused."""
    async with playing(tmp_path, step(READ), TOO_LONG, {"text": "less, then"}) as runtime:
        talk = runtime.workstream("w")
        with pytest.raises(ContextTooLong):
            await talk.send("read it", tools=[read])
        await talk.send("well?", tools=[read])

    (line,) = [line for line in lines(tmp_path) if line["kind"] == "tool_result"]
    assert (line["success"], line["content"][:9]) == (True, "book book")
    assert "book book" in str(records(tmp_path)[1]["messages"])


async def test_a_first_call_that_is_too_long_never_was(tmp_path: Path, autojump_clock: MockClock) -> None:
    """There is no result in it that could be left out: the conversation is as it was, as without tools."""
    async with playing(tmp_path, {"text": "hi"}, TOO_LONG, {"text": "here"}) as runtime:
        talk = runtime.workstream("w")
        await talk.send("hello", tools=[read])
        before = await history(runtime)
        with pytest.raises(ContextTooLong):
            await talk.send("x" * 100_000, tools=[read])
        kept = await history(runtime)
        await talk.send("well?", tools=[read])

    assert kept == before
    assert [message["role"] for message in records(tmp_path)[-1]["messages"]] == ["user", "assistant", "user"]


@REFUSED
@pytest.mark.parametrize("tools", [None, [read]], ids=["without tools", "with tools"])
@pytest.mark.parametrize("restarted", [False, True])
async def test_a_result_of_a_cut_turn_is_left_out_by_the_next(
    tmp_path: Path, autojump_clock: MockClock, tools: Any, refused: dict[str, Any], *, restarted: bool
) -> None:
    """No model has taken it yet: the turn was cut after its tool, and the question after it is refused for it."""
    again = {"name": "endless", "arguments": {"at": "x"}}
    steps = (step(LOOK), step(READ, again))
    async with playing(tmp_path, *steps, refused, {"text": "less, then"}) as runtime:
        talk = runtime.workstream("w")
        with trio.move_on_after(5):
            await talk.send("read it", tools=[look, read, endless])
        if not restarted:
            await require_left_out(runtime, tools)
    if restarted:
        async with playing(tmp_path, refused, {"text": "less, then"}) as runtime:
            await require_left_out(runtime, tools)


async def require_left_out(runtime: Any, tools: Any) -> None:
    talk = runtime.workstream("w")
    with pytest.raises(BadRequest):
        await talk.send("well?", tools=tools)
    cut = (True, "the turn was cut short before this call had a result; it may have had effects")
    assert results(await history(runtime)) == [(False, "sky is blue"), LEFT_OUT, cut]
    assert (await talk.send("well?", tools=tools)).text == "less, then"
    roles = [message.role for message in await history(runtime)]
    assert roles == [*["user", "assistant"] * 2, "user", "user", "assistant"]
