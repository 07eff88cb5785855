"""Tests of an agent: a model that plays a script, files of their own, and a clock that jumps."""

import json
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import trio
from trio.testing import MockClock

import arawn
from arawn.agent import tool

ROOMS = {"kitchen": 19.5}


@tool
async def heat(room: str, degrees: float) -> str:
    """Heat a room up to so many degrees."""
    ROOMS[room] = degrees
    return f"the {room} has {degrees:g} degrees"


async def make_warm(runtime: arawn.Runtime, room: str) -> str:
    """Do the job of the agent: this is what is tested."""
    try:
        with trio.fail_after(10):
            return (await runtime.workstream("warmth").send(f"Make the {room} warm.", tools=[heat])).text
    except trio.TooSlowError:
        return "The model takes too long; try again later."


def played(steps: list[dict[str, Any]], directory: Path, job: Callable[[arawn.Runtime], Awaitable[str]]) -> str:
    """Run a job against a model that answers its calls with these steps; all files are below `directory`."""
    script = directory / "script.json"
    script.write_text(json.dumps({"steps": steps}))
    config = arawn.Config(profiles={"default": arawn.Profile(backend="scripted", script=str(script))})
    environ = {"ARAWN_CONFIG_DIR": str(directory), "ARAWN_STATE_DIR": str(directory)}

    async def main() -> str:
        async with arawn.open_runtime(config, environ=environ) as runtime:
            return await job(runtime)

    # A fifth of a second in which nothing happens, on the disk too, and the clock jumps to the next deadline.
    return trio.run(main, clock=MockClock(autojump_threshold=0.2))


def test_the_tool_is_used(tmp_path: Path) -> None:
    """The model asks for it, the agent runs it, and the answer is the model's last."""
    asked = {"tool_calls": [{"name": "heat", "arguments": {"room": "kitchen", "degrees": 21}}]}

    answer = played([asked, {"text": "Done."}], tmp_path, partial(make_warm, room="kitchen"))

    assert (answer, ROOMS["kitchen"]) == ("Done.", 21)


def test_a_busy_provider_is_asked_again(tmp_path: Path) -> None:
    """As the profile's `retry` says; the clock jumps over the waits between."""
    busy = {"error": {"status": 503, "retry_after_s": 3}}

    assert played([busy, busy, {"text": "Done."}], tmp_path, partial(make_warm, room="attic")) == "Done."


def test_a_silent_model_is_not_waited_for(tmp_path: Path) -> None:
    """Ten seconds, and the user is told."""
    answer = played([{"hang": True}], tmp_path, partial(make_warm, room="attic"))

    assert answer == "The model takes too long; try again later."


if __name__ == "__main__":  # `pytest testing_agent.py` runs them too
    logging.basicConfig(level=logging.ERROR)  # that a profile is `degraded` is meant to be here
    for test in (test_the_tool_is_used, test_a_busy_provider_is_asked_again, test_a_silent_model_is_not_waited_for):
        with TemporaryDirectory() as directory:
            test(Path(directory))
        print(f"{test.__name__}: passed")
