"""What the examples of docs/library.md promise beyond that they run: what is cancelled ends, and is recorded."""

from __future__ import annotations

import asyncio
import json
import os
import runpy
import signal
import subprocess
import sys
import time
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import anyio
import pytest
import trio
from anyio.from_thread import start_blocking_portal

import arawn
from tests.runtimes import configured, records, scripted

EXAMPLES = Path("examples").resolve()


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> arawn.Config:
    """One model is silent for a minute, one after its first word; the examples find one that echoes."""
    (tmp_path / "arawn.toml").write_text('[llm]\nbackend = "scripted"\n')
    for name in ("ARAWN_CONFIG_DIR", "ARAWN_STATE_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "examples"))
    monkeypatch.chdir(tmp_path)
    silent, slow = {"text": "one", "delay_s": 60}, {"text": "one two three", "token_delay_s": 60}
    return configured(tmp_path, {"default": scripted(tmp_path, [silent]), "slow": scripted(tmp_path, [slow])})


def run(example: str) -> dict[str, Any]:
    return runpy.run_path(str(EXAMPLES / example))


async def under_way(runtime: arawn.Runtime) -> None:
    """Return when the model has a call in hand: on a busy machine that may take longer than any wait by the clock."""
    with trio.fail_after(30):
        while not any(backend.in_hand for backend in runtime.status().backends):  # noqa: ASYNC110  # nothing tells of it
            await trio.sleep(0.01)


def test_an_asyncio_task_that_is_cancelled_cancels_its_call(config: arawn.Config, tmp_path: Path) -> None:
    """The provider is left, the record says so, and the next call is served."""
    called = run("in_asyncio.py")["called"]

    async def main() -> None:
        with (
            start_blocking_portal("trio") as portal,
            portal.wrap_async_context_manager(arawn.open_runtime(config)) as runtime,
        ):
            task = asyncio.create_task(called(portal, runtime.workstream("research").send, "hello"))
            await called(portal, under_way, runtime)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await called(portal, runtime.status)

    asyncio.run(main())

    assert [record["status"] for record in records(tmp_path)] == ["cancelled"]


@pytest.mark.parametrize("way", ["asyncio", "anyio", "left"])
def test_an_asyncio_stream_that_is_left_cancels_its_call(config: arawn.Config, tmp_path: Path, way: str) -> None:
    """Whether its reader is cancelled or has enough: what had come is in the record."""
    words = run("in_asyncio.py")["words"]

    async def main() -> None:
        with (
            start_blocking_portal("trio") as portal,
            portal.wrap_async_context_manager(arawn.open_runtime(config)) as runtime,
        ):
            stream = words(portal, runtime.workstream("research", profile="slow"), "hello")
            assert await anext(stream) == "one"
            if way == "asyncio":
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.1):
                        await anext(stream)
            elif way == "anyio":  # as FastAPI does when its client hangs up; it cancels what cleans up, too
                with anyio.move_on_after(0.1):
                    await anext(stream)
            else:
                await stream.aclose()

    asyncio.run(main())

    (record,) = records(tmp_path)
    assert record["status"] == "cancelled"
    assert record["response_content"] == [{"type": "text", "text": "one"}]


def test_a_deadline_in_a_thread_cancels_the_call(config: arawn.Config, tmp_path: Path) -> None:
    """The thread gets trio's own error, and others may go on."""
    within = run("in_threads.py")["within"]

    with (
        start_blocking_portal("trio") as portal,
        portal.wrap_async_context_manager(arawn.open_runtime(config)) as runtime,
        pytest.raises(trio.TooSlowError),
    ):
        portal.call(within, 2, runtime.workstream("research"), "hello")

    assert [record["status"] for record in records(tmp_path)] == ["cancelled"]


@pytest.mark.slow
def test_leaving_ends_the_calls_of_other_threads(config: arawn.Config, tmp_path: Path) -> None:
    """Whoever waits in a thread hears of it after 5 s, typed; the record is written before the block is left."""
    with start_blocking_portal("trio") as portal:
        with portal.wrap_async_context_manager(arawn.open_runtime(config)) as runtime:
            waiting = portal.start_task_soon(runtime.workstream("research").send, "hello")
            portal.call(under_way, runtime)
        told = waiting.exception(timeout=10)

    assert isinstance(told, arawn.ActorError)
    assert [record["status"] for record in records(tmp_path)] == ["cancelled"]


def test_an_interrupted_cell_cancels_its_call(config: arawn.Config, tmp_path: Path) -> None:
    """What the notebook's `ask` does when its wait is broken off; the runtime serves the next cell."""
    run("in_notebook.py")
    with (
        start_blocking_portal("trio") as portal,
        portal.wrap_async_context_manager(arawn.open_runtime(config)) as runtime,
    ):
        future = portal.start_task_soon(runtime.workstream("research").send, "hello")
        portal.call(under_way, runtime)
        future.cancel()
        with pytest.raises(CancelledError):
            future.result()
        assert portal.call(runtime.workstreams) == []

    assert [record["status"] for record in records(tmp_path)] == ["cancelled"]


@pytest.mark.slow
@pytest.mark.parametrize("again", [False, True], ids=["each cell once", "the first one twice"])
def test_a_notebook_without_its_last_cell_ends_in_order(again: bool, config: arawn.Config, tmp_path: Path) -> None:
    """The process ends by itself, and the log is closed as by the last cell."""
    cells = (EXAMPLES / "in_notebook.py").read_text("utf-8").removesuffix("opened.close()\n")
    cells = cells.partition("# %% any cell")[0] * again + cells
    environ = {**os.environ, "PYTHONPATH": str(EXAMPLES.parent)}

    done = subprocess.run(
        [sys.executable, "-c", cells], check=False, env=environ, capture_output=True, text=True, timeout=30
    )

    assert (done.returncode, done.stderr) == (0, "")
    (log,) = (tmp_path / "examples").rglob("interactions-*.jsonl")
    assert [json.loads(line).get("event") for line in log.read_bytes().splitlines()][-1] == "stop"


@pytest.mark.slow
@pytest.mark.parametrize("signals", [1, 2], ids=["the call ends", "a second signal cancels it"])
def test_a_program_stops_in_order_on_sigterm(config: arawn.Config, tmp_path: Path, signals: int) -> None:
    """After the first nothing new is begun and what is under way is answered; a second one cancels that, on record."""
    script = tmp_path / "slow.json"
    script.write_text(json.dumps({"steps": [{"text": "one", "delay_s": 3 if signals == 1 else 60}]}))
    (tmp_path / "arawn.toml").write_text(f'[llm]\nbackend = "scripted"\nscript = "{script}"\n')
    program = [sys.executable, str(EXAMPLES / "sigterm.py")]
    environ = {**os.environ, "PYTHONPATH": str(EXAMPLES.parent)}

    with subprocess.Popen(program, env=environ, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline().startswith("asked: ")
        for _ in range(signals):
            time.sleep(0.5)
            running.send_signal(signal.SIGTERM)
        said, _ = running.communicate(timeout=30)

    assert (running.returncode, said) == (0, "answered: one\n" * (signals == 1) + "stopped in order\n")
    (log,) = (tmp_path / "examples").rglob("interactions-*.jsonl")
    lines = [json.loads(line) for line in log.read_bytes().splitlines()]
    assert [line["status"] for line in lines if line["kind"] == "interaction"] == [
        "ok" if signals == 1 else "cancelled"
    ]
    assert lines[-1].get("event") == "stop"
