"""The log's files are taken away under a running Arawn: it shows, and what can be written is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import trio

from arawn.errors import LogWriteFailed
from arawn.interactions.health import LogHealth
from arawn.messages import CompletionRequest, user
from arawn.runtime import start_runtime
from arawn.runtime_door import Runtime
from tests.runtimes import configured, records

ASK = CompletionRequest(messages=(user("hello"),))


async def wait_for(runtime: Runtime, state: str) -> LogHealth:
    """Wait until the log is in a state; disk and threads are real here, so this takes real time."""
    with trio.fail_after(10):
        while runtime.status().log.health.state != state:  # noqa: ASYNC110  # seen from outside, as a user would
            await trio.sleep(0.02)
    return runtime.status().log.health


async def test_a_removed_file_is_followed_by_another(tmp_path: Path) -> None:
    """What was not safe yet and all that comes later is in a new part; nothing goes on into a file without a name."""
    async with start_runtime(configured(tmp_path), {}) as runtime:
        await runtime.complete(ASK)
        await trio.sleep(0.3)
        for file in (tmp_path / "log").glob("*.jsonl"):
            file.unlink()
        second = await runtime.complete(ASK)
        with trio.fail_after(10):
            while not list((tmp_path / "log").glob("*.jsonl")):  # noqa: ASYNC110  # as above
                await trio.sleep(0.02)
        await wait_for(runtime, "ok")
        third = await runtime.complete(ASK)

    assert [record["id"] for record in records(tmp_path)] == [second.interaction_id, third.interaction_id]


@pytest.mark.slow  # leaving waits ten seconds for the disk
async def test_a_removed_directory_shows(tmp_path: Path) -> None:
    """Calls go on, the log is `degraded` with the reason, and the end says what is lost."""
    with pytest.raises(LogWriteFailed):
        async with start_runtime(configured(tmp_path, answer_wait_ms=100), {}) as runtime:
            await runtime.complete(ASK)
            shutil.rmtree(tmp_path / "log")
            await runtime.complete(ASK)
            health = await wait_for(runtime, "degraded")
            answer = await runtime.complete(ASK)

    assert answer.text
    assert health.reason
