"""Whatever the model and the tools do, and whenever the caller leaves: what holds of turns."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from arawn.agent import TurnReply, tool
from arawn.agent.plan import batches, closed, distinct, refusals
from arawn.agent.sendable import sendable
from arawn.agent.tool import Tool, ToolAnswer
from arawn.backends.scripted import ScriptedProvider
from arawn.config.schema import RetryConfig
from arawn.errors import BackendError
from arawn.messages import CompletionResponse, Image, Message, Text, ToolDefinition, ToolResult, ToolUse, user
from tests.arawn.agent.turns import require_valid
from tests.runtimes import configured, lines, records, running, scripted

PICTURE = Image(media_type="image/png", data="aGk=")
SECONDS = st.sampled_from([0, 1, 200])  # the last is past the deadline of a tool
NAMES = st.sampled_from(["read", "write", "fail"])
CALLS = st.one_of(
    st.builds(lambda name, seconds: {"name": name, "arguments": {"seconds": seconds}}, NAMES, SECONDS),
    st.just({"name": "read", "arguments": {"seconds": "long"}}),
    st.just({"name": "write", "invalid_arguments": "{"}),
    st.just({"name": "nowhere"}),
    st.builds(lambda own: {"id": own, "name": "read", "arguments": {"seconds": 1}}, st.sampled_from(["a", "a_2"])),
)
ANSWERS = st.one_of(
    st.builds(
        lambda calls, delay, reason: {"tool_calls": calls, "delay_s": delay, "stop_reason": reason},
        st.lists(CALLS, max_size=4),
        SECONDS,
        st.sampled_from([None, "max_tokens", "end_turn"]),
    ),
    st.just({"text": "done", "delay_s": 1}),
    st.just({"error": {"status": 503}}),
    st.just({"text": "one two", "cut_after": 1}),
)
TURNS = st.lists(st.tuples(st.none() | st.integers(0, 400), st.booleans()), min_size=1, max_size=3)


@tool(read_only=True)
async def read(seconds: float) -> str:
    await trio.sleep(seconds)
    return "read"


async def write(seconds: float) -> str:
    await trio.sleep(seconds)
    return "written"


async def fail(seconds: float) -> str:
    await trio.sleep(seconds)
    raise OSError("no disk")


class Played:
    """What came of one script."""

    def __init__(self) -> None:
        self.attempts = 0
        self.replies: list[TurnReply] = []
        self.history: tuple[Message, ...] = ()


async def play(directory: Path, steps: list[dict[str, Any]], turns: list[tuple[int | None, bool]]) -> Played:
    played = Played()
    take = ScriptedProvider._take

    def counted(provider: ScriptedProvider) -> Any:
        played.attempts += 1
        return take(provider)

    profile = scripted(directory, steps, retry=RetryConfig(attempts=2, initial_s=0))
    with patch.object(ScriptedProvider, "_take", counted):
        async with running(configured(directory, {"default": profile})) as runtime:
            talk = runtime.workstream("w")
            for leave_after, streamed in turns:
                with trio.move_on_after(float("inf") if leave_after is None else leave_after), suppress(BackendError):
                    if streamed:
                        async with talk.stream("go", tools=[read, write, fail]) as events:
                            async for _ in events:
                                pass
                    else:
                        played.replies.append(await talk.send("go", tools=[read, write, fail]))
                await trio.sleep(1)
            stored = await runtime.stored_workstream("w")
            played.history = stored.history if stored is not None else ()
            with suppress(BackendError), trio.move_on_after(1000):
                await talk.send("what came of it?")
    return played


@pytest.mark.slow
@settings(max_examples=100)
@given(steps=st.lists(ANSWERS, min_size=1, max_size=5), turns=TURNS)
def test_every_turn_leaves_a_valid_history_and_a_whole_log(
    steps: list[dict[str, Any]], turns: list[tuple[int | None, bool]]
) -> None:
    """Each tool call has exactly one result, here and in the log; no turn is too long; every attempt has its record."""
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place)
        played = trio.run(play, directory, steps, turns, clock=MockClock(autojump_threshold=0))

        require_valid(played.history)
        assert all(reply.iterations <= 25 for reply in played.replies)
        made = records(directory)
        assert len(made) == played.attempts
        assert all(each["iteration"] <= 25 for each in made)
        results = [block for message in played.history for block in message.content if isinstance(block, ToolResult)]
        told = [line["tool_call_id"] for line in lines(directory) if line["kind"] == "tool_result"]
        assert told == [result.tool_use_id for result in results]


def named(name: str, *, read_only: bool) -> Tool:
    async def run(*_: object) -> ToolAnswer:
        return ToolAnswer(())

    return Tool(definition=ToolDefinition(name), run=run, read_only=read_only)


@given(st.lists(st.sampled_from(["a", "a_2", "a_2_2", "b", ""]), max_size=8))
def test_every_call_of_an_answer_gets_an_id_of_its_own(ids: list[str]) -> None:
    """The first of each keeps the one that it has, and nothing else changes."""
    blocks = [part for own in ids for part in (Text(own), ToolUse(own, "look", {"at": own}))]
    response = CompletionResponse(content=tuple(blocks), model="m")

    made = distinct(response)

    found = [call.id for call in made.tool_calls]
    assert len(set(found)) == len(ids)
    assert all(found[place] == own for place, own in enumerate(ids) if own not in ids[:place])
    assert [call.arguments for call in made.tool_calls] == [{"at": own} for own in ids]
    assert made.text == response.text


@given(st.lists(st.one_of(st.builds(Text, st.text(max_size=40)), st.just(PICTURE)), max_size=5), st.integers(1, 60))
def test_no_result_has_more_text_than_the_limit(content: list[Text | Image], limit: int) -> None:
    """It begins as the answer did, says what was cut, and has every picture."""
    size = sum(len(block.text.encode("utf-8", "replace")) for block in content if isinstance(block, Text))

    made = sendable(tuple(content), limit)

    assert [block for block in made if isinstance(block, Image)] == [PICTURE] * content.count(PICTURE)
    texts = [block.text for block in made if isinstance(block, Text)]
    cut = f"[cut: this answer has {size:,} bytes of text, of which you see the first {limit:,}]"
    assert (texts[-1:] == [cut]) == (size > limit)
    kept = "".join(texts[:-1] if size > limit else texts)
    assert limit - 4 < len(kept.encode()) <= limit if size > limit else len(kept.encode()) == size
    whole = "".join(block.text for block in content if isinstance(block, Text))
    assert whole.encode("utf-8", "replace").decode().startswith(kept)


USES = st.lists(st.builds(ToolUse, st.uuids().map(str), st.sampled_from(["read", "write", "nowhere"])), max_size=8)


@given(USES)
def test_every_call_is_in_one_batch_in_order_and_a_write_alone(calls: list[ToolUse]) -> None:
    """However reads, writes and unknown names follow each other."""
    tools = {"read": named("read", read_only=True), "write": named("write", read_only=False)}
    response = CompletionResponse(content=tuple(calls), model="m")
    found = batches(calls, tools, refusals(response, tools))

    assert [place for batch in found for place in batch] == list(enumerate(calls))
    assert all(len(batch) == 1 for batch in found if any(call.name == "write" for _, call in batch))
    kinds = [batch[0][1].name == "write" for batch in found]
    assert all(one or other for one, other in pairwise(kinds))  # no group of reads is split


@given(USES, st.data())
def test_closing_gives_each_call_one_result(calls: list[ToolUse], data: st.DataObject) -> None:
    """Those that are known stay; the others say why there is none."""
    known = data.draw(st.sets(st.sampled_from(range(len(calls))))) if calls else set()
    results = {place: ToolResult(calls[place].id) for place in known}

    history = closed((user("hi"), Message("assistant", tuple(calls))), results, "gone")

    require_valid(history)
    given_back = [block for block in history[-1].content if isinstance(block, ToolResult)]
    assert [not result.is_error for result in given_back] == [place in known for place in range(len(calls))]
