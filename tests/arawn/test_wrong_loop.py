"""Who calls from outside the trio run of a runtime is told so, and nothing is touched."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio

import arawn
from tests.arawn.test_wrong_arguments import CALLS, REQUEST
from tests.runtimes import configured, records, running

Run = Callable[[Callable[[], Awaitable[Any]]], Any]
FITTING = {
    "complete": REQUEST,
    "stream": REQUEST,
    "explain_routing": REQUEST,
    "workstream.send": "hi",
    "workstream.stream": "hi",
}
ANYWHERE = ("workstream", "workstream profile", "require_default")  # they only look


def _asyncio(function: Callable[[], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        return await function()

    return asyncio.run(main())


def _coroutine(function: Callable[[], Awaitable[Any]]) -> Any:
    function().__await__().__next__()


RUNS: dict[str, tuple[Run, str]] = {
    "asyncio": (_asyncio, "outside trio: found an asyncio loop; Arawn runs on trio: .*`trio.run.main.`.*library.md"),
    "none": (_coroutine, "outside trio: found a thread without a loop; Arawn runs on trio"),
    "another": (trio.run, "in another trio run than the one that opened it: found a second `trio.run`; Arawn runs"),
}


@pytest.mark.parametrize(("run", "said"), [RUNS["asyncio"], RUNS["none"]], ids=["asyncio", "none"])
def test_a_runtime_is_opened_in_trio_only(run: Run, said: str, tmp_path: Path) -> None:
    """The message says what was found, and what would be right; nothing was opened."""

    async def main() -> None:
        async with arawn.open_runtime(configured(tmp_path)):
            pass

    with pytest.raises(arawn.WrongLoop, match=f"`open_runtime` was entered {said}"):
        run(main)

    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("run", "said"), RUNS.values(), ids=RUNS)
@pytest.mark.parametrize("name", [name for name in CALLS if name not in ANYWHERE])
async def test_a_runtime_is_called_in_its_own_run_only(name: str, run: Run, said: str, tmp_path: Path) -> None:
    """Every method that does something says so, no part of the runtime is harmed, and no call was made."""
    async with running(configured(tmp_path)) as runtime:
        await runtime.workstream("research").send("hello")

        async def elsewhere() -> None:
            done = CALLS[name](runtime, FITTING.get(name))
            if isinstance(done, Awaitable):
                await done

        with pytest.raises(arawn.WrongLoop, match=f"a runtime was called {said}"):
            await trio.to_thread.run_sync(run, elsewhere)
        await runtime.workstream("research").send("hello again")
        tree = str(runtime.status().tree)

    assert "crash" not in tree
    assert len(records(tmp_path)) == 2


def test_asyncio_with_trio_as_its_guest_is_outside_too(tmp_path: Path) -> None:
    """There is a trio run in the thread then, but the caller is no task of it; trio tasks in it are served."""
    held: list[Any] = []

    async def guest(asked: asyncio.Event, over: trio.Event) -> None:
        async with arawn.open_runtime(configured(tmp_path)) as runtime:
            held.append(runtime)
            asked.set()
            await over.wait()
            await runtime.complete(REQUEST)

    async def host() -> None:
        asked, over, ended = asyncio.Event(), trio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()

        def done(outcome: object) -> None:
            held.append(outcome)
            ended.set()

        trio.lowlevel.start_guest_run(
            guest,
            asked,
            over,
            run_sync_soon_threadsafe=loop.call_soon_threadsafe,
            done_callback=done,
            host_uses_signal_set_wakeup_fd=True,
        )
        await asked.wait()
        with pytest.raises(arawn.WrongLoop, match="found an asyncio loop"):
            await held[0].complete(REQUEST)
        over.set()
        await ended.wait()

    asyncio.run(host())

    held[1].unwrap()
    assert len(records(tmp_path)) == 1
