"""What a call does that waits for its next attempt."""

from __future__ import annotations

from pathlib import Path

import trio
from trio.testing import MockClock

from tests.arawn.test_runtime_reload import HELLO
from tests.runtimes import configured, records, running, scripted


async def test_a_call_that_waits_for_its_next_attempt_keeps_its_place(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """A profile all of whose calls wait sends nothing; the call behind them waits in the queue."""
    busy = {"error": {"status": 503, "retry_after_s": 10}}
    profile = scripted(tmp_path, [busy, {"text": "first"}, {"text": "second"}], max_concurrency=1)
    async with running(configured(tmp_path, {"default": profile})) as runtime, trio.open_nursery() as nursery:
        nursery.start_soon(runtime.complete, HELLO)
        await trio.sleep(1)
        nursery.start_soon(runtime.complete, HELLO)
        await trio.sleep(1)
        (backend,) = runtime.status().backends
        assert (backend.in_hand, backend.queued) == (1, 1)

    first, again, second = records(tmp_path)
    assert first["call_id"] == again["call_id"] != second["call_id"]


async def test_a_backend_that_was_replaced_ends_with_its_last_call(tmp_path: Path, autojump_clock: MockClock) -> None:
    """`wait_drained` returns then, and the call has its answer."""
    slow = scripted(tmp_path, [{"text": "old", "delay_s": 30}])
    answers: list[str] = []
    config = configured(tmp_path, {"default": slow})

    async def ask() -> None:
        answers.append((await runtime.complete(HELLO)).text)

    async with running(config) as runtime, trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await trio.sleep(1)
        followed = await runtime.follow(configured(tmp_path))
        assert [backend.in_hand for backend in runtime.status().draining] == [1]
        await followed.wait_drained()
        await trio.testing.wait_all_tasks_blocked()

        assert (answers, runtime.status().draining) == (["old"], ())
