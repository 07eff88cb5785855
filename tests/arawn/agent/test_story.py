"""A turn in the log: told as one story by the readers, and whole in the exports."""

from __future__ import annotations

import json
from datetime import UTC
from pathlib import Path

import pytest
from trio.testing import MockClock

from arawn.cli.record_page import record_lines
from arawn.interactions.export.rules import Format
from arawn.interactions.filters import Filters
from arawn.interactions.reader import LogReader
from tests.arawn.agent.turns import step
from tests.arawn.interactions.export.logs import made
from tests.arawn.interactions.export.shapes import require_shape
from tests.runtimes import configured, running, scripted


async def look(at: str) -> str:
    """Look at something."""
    return f"{at} is blue"


async def played(directory: Path) -> None:
    steps = [step({"name": "look", "arguments": {"at": "the sky"}}, text="wait"), {"text": "it is blue"}]
    async with running(configured(directory, {"default": scripted(directory, steps)})) as runtime:
        await runtime.workstream("w").send("what colour?", session_id="s", tools=[look])


async def test_the_last_call_of_a_turn_shows_the_whole_of_it(tmp_path: Path, autojump_clock: MockClock) -> None:
    """What was asked, what the model wanted, what the tool said and what came of it, in that order."""
    await played(tmp_path)
    reader = LogReader(tmp_path / "log", on_damage=print)
    (latest,) = reader.newest_first(Filters(limit=1))

    page = "\n".join(record_lines(latest.record(), UTC))

    places = [page.find(words) for words in ("what colour?", "wait", "look", "the sky is blue", "it is blue")]
    assert -1 not in places
    assert page.find("what colour?") < page.find("the sky is blue") < page.rfind("it is blue")


async def test_the_call_that_asked_shows_what_the_tool_said(tmp_path: Path, autojump_clock: MockClock) -> None:
    """The line of the result is joined to its call."""
    await played(tmp_path)
    first, _ = LogReader(tmp_path / "log", on_damage=print).oldest_first(Filters())

    (call,) = first.record().tool_calls
    assert (call.tool_name, call.result_success, call.result_content) == ("look", True, "the sky is blue")
    assert "the sky is blue" in "\n".join(record_lines(first.record(), UTC))


async def test_a_tool_that_failed_says_so_once(tmp_path: Path, autojump_clock: MockClock) -> None:
    """On the page of the call that asked for it."""

    async def burn() -> str:
        raise OSError("too hot")

    steps = [step("burn"), {"text": "ok"}]
    async with running(configured(tmp_path, {"default": scripted(tmp_path, steps)})) as runtime:
        await runtime.workstream("w").send("go", tools=[burn])
    first, _ = LogReader(tmp_path / "log", on_damage=print).oldest_first(Filters())

    assert "  failed: OSError('too hot')" in list(record_lines(first.record(), UTC))


@pytest.mark.parametrize("export_format", ["openai-chat", "trl", "sharegpt"])
async def test_a_turn_is_exported_as_one_conversation(
    tmp_path: Path, autojump_clock: MockClock, export_format: Format
) -> None:
    """One row of the published shape, with the tool's whole schema."""
    await played(tmp_path)

    exported = made(tmp_path / "log", export_format)

    (row,) = exported.rows
    require_shape(row, export_format)
    told = json.dumps(row)
    for words in ("what colour?", "the sky", "the sky is blue", "it is blue", "Look at something.", "required"):
        assert words in told
