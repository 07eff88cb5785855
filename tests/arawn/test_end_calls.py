"""The end of every call, as the daemon asks for it when its grace is over."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import OutcomeUnknown, Stopped
from arawn.messages import CompletionRequest, user
from arawn.runtime_door import Runtime
from tests.arawn.agent.turns import LOOK, endless, step
from tests.runtimes import configured, custom, records, running, scripted


async def test_every_caller_is_told_and_nothing_is_taken_any_more(tmp_path: Path, autojump_clock: MockClock) -> None:
    """A plain call, one of a conversation, one that waits behind it, and one whose tool goes on for ever."""
    silent = scripted(tmp_path, [{"delay_s": 900.0}])
    acting = scripted(tmp_path, [step({"name": "endless", "arguments": LOOK["arguments"]})])
    told: dict[str, str] = {}

    async def talk(runtime: Runtime, name: str) -> None:
        try:
            if name == "alone":
                await runtime.complete(CompletionRequest(messages=(user("hi"),)))
            elif name == "acts":
                await runtime.workstream("acts", "acting").send("hi", tools=[endless])
            else:
                await runtime.workstream("w").send("hi")
        except (OutcomeUnknown, Stopped) as error:
            told[name] = type(error).__name__

    async with running(configured(tmp_path, {"default": silent, "acting": acting})) as runtime:
        async with trio.open_nursery() as nursery:
            for name in ("alone", "first", "behind", "acts"):
                nursery.start_soon(talk, runtime, name)
                await wait_all_tasks_blocked()
            began = trio.current_time()
            await runtime.end_calls()
        with pytest.raises(Stopped):
            await runtime.complete(CompletionRequest(messages=(user("hi"),)))
        with pytest.raises(Stopped):
            await runtime.workstream("new").send("hi")

    unknown = "OutcomeUnknown"
    assert told == {"alone": unknown, "first": unknown, "behind": "Stopped", "acts": unknown}
    assert trio.current_time() - began < 2
    assert sorted(record["status"] for record in records(tmp_path)) == ["cancelled", "cancelled", "ok"]


async def test_old_backends_end_their_calls_too(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Those that a reload has replaced, and that still have some."""
    told: list[str] = []

    async def talk(runtime: Runtime) -> None:
        try:
            await runtime.complete(CompletionRequest(messages=(user("hi"),)))
        except OutcomeUnknown as error:
            told.append(type(error).__name__)

    silent = scripted(tmp_path, [{"delay_s": 900.0}])
    async with running(configured(tmp_path, {"default": silent})) as runtime:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(talk, runtime)
            await wait_all_tasks_blocked()
            await runtime.follow(configured(tmp_path, {"default": custom("http://127.0.0.1:9")}))
            await runtime.end_calls()

    assert told == ["OutcomeUnknown"]
