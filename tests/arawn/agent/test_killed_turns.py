"""A turn in the middle of which the program is killed: what was said and done stays, and the next turn goes on."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from arawn.messages import Message
from arawn.workstreams.store import WorkstreamStore
from tests.arawn.agent.turns import LOOK, history, look, playing, results, step

CUT = (True, "the turn was cut short before this call had a result; it may have had effects")

PROGRAM = """
import os, signal, sys
from pathlib import Path
import trio
from tests.arawn.agent.turns import look, playing

async def die(at: str) -> str:
    os.kill(os.getpid(), signal.SIGKILL)
    return at

async def main() -> None:
    import json
    directory = Path(sys.argv[1])
    async with playing(directory, *json.loads(sys.argv[2])) as runtime:
        await runtime.workstream("w").send("one", tools=[look, die])

trio.run(main)
"""
DIE = {"name": "die", "arguments": {"at": "x"}}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([step(DIE)], [CUT]),
        ([step(LOOK, DIE)], [CUT, CUT]),
        ([step(LOOK), step(DIE)], [(False, "sky is blue"), CUT]),
    ],
)
async def test_a_turn_that_is_killed_keeps_what_came_before(
    tmp_path: Path, steps: list[object], expected: list[object]
) -> None:
    """Every answer is stored before its tools run, and every round of results before the next call."""
    environ = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    program = [sys.executable, "-c", PROGRAM, str(tmp_path), json.dumps(steps)]
    with trio.fail_after(60):
        killed = await trio.run_process(program, env=environ, check=False)
    async with playing(tmp_path, {"text": "still here"}) as runtime:
        kept = results(await history(runtime))
        after = await runtime.workstream("w").send("two", tools=[look])
        await history(runtime)

    assert killed.returncode == -signal.SIGKILL
    assert kept == expected
    assert after.text == "still here"


async def test_each_message_of_a_turn_is_stored_as_it_comes(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written again but the stand-ins of results that were not there yet."""
    written: list[tuple[int, list[str]]] = []
    add_turn = WorkstreamStore.add_turn

    def noted(
        self: WorkstreamStore, state: Any, turn: Any, messages: tuple[Message, ...], *rest: Any, first: int
    ) -> None:
        written.append((first, [message.role for message in messages]))
        add_turn(self, state, turn, messages, *rest, first=first)

    monkeypatch.setattr(WorkstreamStore, "add_turn", noted)
    async with playing(tmp_path, step(LOOK), step(LOOK), {"text": "done"}) as runtime:
        await runtime.workstream("w").send("go", tools=[look])
        kept = await history(runtime)

    assert written == [
        (0, ["user", "assistant", "user"]),
        (2, ["user"]),
        (3, ["assistant", "user"]),
        (4, ["user"]),
        (5, ["assistant"]),
    ]
    assert [message.role for message in kept] == ["user", "assistant", "user", "assistant", "user", "assistant"]
