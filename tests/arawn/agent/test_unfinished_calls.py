"""Tool calls that never had a result: they are no successes, in the log and in its figures."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import trio
from trio.testing import MockClock

from arawn.interactions.filters import Filters
from arawn.interactions.reader import LogReader
from arawn.interactions.stats import NamedRow, Stats
from tests.arawn.agent.turns import endless, look, playing, step
from tests.runtimes import lines

CUT = step({"name": "endless", "arguments": {"at": "x"}})


def figures(directory: Path) -> NamedRow:
    """Return what `arawn interactions stats --by tool` says of all tools."""
    stats = Stats(("tool",), Filters(), ZoneInfo("UTC"))
    for _, _, head in LogReader(directory / "log", on_damage=lambda _: None).lines(stats.wanted):
        stats.add(head)
    return stats.report().total


async def test_a_call_that_was_cut_short_is_an_error_once_the_model_is_told(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Its line says so, in the words that the model reads."""
    async with playing(tmp_path, CUT, {"text": "fine"}) as runtime:
        with trio.move_on_after(5):
            await runtime.workstream("w").send("one", tools=[endless])
        await runtime.workstream("w").send("two")

    (line,) = [line for line in lines(tmp_path) if line["kind"] == "tool_result"]
    assert (line["success"], "was cut short" in line["content"]) == (False, True)
    assert (figures(tmp_path).errors, figures(tmp_path).unanswered) == (1, 0)


@pytest.mark.parametrize("goes_on", [True, False])
async def test_a_call_without_a_result_is_counted_apart(
    tmp_path: Path, autojump_clock: MockClock, *, goes_on: bool
) -> None:
    """Where the program ends before, whether the conversation goes on or not; the rate is of the others."""
    done = step({"name": "look", "arguments": {"at": "sky"}})
    async with playing(tmp_path, done, CUT) as runtime:
        with trio.move_on_after(5):
            await runtime.workstream("w").send("one", tools=[look, endless])
    if goes_on:
        async with playing(tmp_path, {"text": "fine"}) as runtime:
            await runtime.workstream("w").send("two")

    row = figures(tmp_path)
    assert (row.calls, row.errors, row.unanswered, row.error_rate) == (2, 0, 1, 0.0)
