"""More callers than a profile can serve: memory is bounded, the queue is in order, and nobody is passed over."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import httpx
import pytest
import trio
from trio.testing import MockClock

from actors import MailboxFull
from arawn.config.schema import Profile, RetryConfig
from arawn.errors import RateLimited
from arawn.messages import CompletionRequest, user
from arawn.runtime_door import Runtime
from tests.arawn.server.sdk.doors import TOKEN, open_api
from tests.runtimes import configured, records, running, scripted

WORKERS, MAILBOX = 50, 256
_LONGEST_WAIT_S = 20.0
_CALLER_BYTES = 16 * 1024  # what one waiting caller may take: its task, its call, its place in the queue


def one_second(directory: Path, **settings: object) -> Profile:
    return scripted(directory, [{"text": "ok", "delay_s": 1}], **settings)


async def all_at_once(runtime: Runtime, callers: int) -> tuple[list[int], set[tuple[bool, bool]], int]:
    """Have so many callers ask; return the order in which they were answered, what was seen of the queue, and bytes."""
    order: list[int] = []
    seen: set[tuple[bool, bool]] = set()

    async def ask(number: int) -> None:
        await runtime.complete(CompletionRequest(messages=(user(f"{number}"),)), session_id=f"{number}")
        order.append(number)

    tracemalloc.start()
    async with trio.open_nursery() as nursery:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(callers):
            nursery.start_soon(ask, number)
            await trio.lowlevel.checkpoint()
        waiting, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        while len(order) < callers:
            (backend,) = runtime.status().backends
            seen.add((backend.queued >= callers - len(order) - 2 * WORKERS, backend.in_hand <= WORKERS))
            await trio.sleep(1)
    return order, seen, waiting - before


@pytest.mark.parametrize("callers", [500, pytest.param(10_000, marks=pytest.mark.slow)])
async def test_every_caller_of_a_flood_is_answered_in_its_turn(
    tmp_path: Path, autojump_clock: MockClock, callers: int
) -> None:
    """First come, first served, within the profile's bounds; each record says how long its call has waited."""
    profile = one_second(tmp_path, max_concurrency=WORKERS, mailbox=MAILBOX)
    async with running(configured(tmp_path, {"default": profile})) as runtime:
        order, seen, taken = await all_at_once(runtime, callers)

    waits = {int(record["session_id"]): record["queue_ms"] / 1000 for record in records(tmp_path)}
    assert [number // WORKERS for number in order] == [turn // WORKERS for turn in range(callers)]
    assert seen == {(True, True)}
    assert taken / callers < _CALLER_BYTES
    assert [waits[number] for number in range(callers)] == pytest.approx([turn // WORKERS for turn in range(callers)])


async def test_a_conversation_that_floods_does_not_keep_others_waiting(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """A workstream has one call in the queue at a time, however many messages wait for it."""
    profile = one_second(tmp_path, max_concurrency=1)
    async with running(configured(tmp_path, {"default": profile})) as runtime, trio.open_nursery() as nursery:
        for number in range(100):
            nursery.start_soon(runtime.workstream("loud").send, f"{number}")
        await trio.sleep(10.5)
        began = trio.current_time()
        await runtime.workstream("quiet").send("only this")
        waited = trio.current_time() - began
        nursery.cancel_scope.cancel(reason="seen enough")

    assert 1.499 <= waited <= 1.5 + 1.0  # what was under way, and its own


async def test_a_limit_that_is_used_up_says_so_at_once(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Callers that would wait longer than `retry.max_s` are told when; whoever then comes back is served."""
    retry = RetryConfig(attempts=1, max_s=_LONGEST_WAIT_S)
    profile = scripted(tmp_path, [{"text": "ok"}], requests_per_minute=60, retry=retry, max_concurrency=500)
    told: list[float] = []

    async with running(configured(tmp_path, {"default": profile})) as runtime:

        async def ask() -> None:
            try:
                await runtime.complete(CompletionRequest(messages=(user("hi"),)))
            except RateLimited as error:
                told.append(error.retry_after_s or 0.0)
                assert trio.current_time() == began

        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            for _ in range(500):
                nursery.start_soon(ask)
        took = trio.current_time() - began
        await trio.sleep(max(told) - took)
        await runtime.complete(CompletionRequest(messages=(user("again"),)))

    assert len(told) == 500 - 60 - _LONGEST_WAIT_S
    assert took == pytest.approx(_LONGEST_WAIT_S)
    assert min(told) > _LONGEST_WAIT_S


async def test_calls_that_are_not_taken_are_counted(tmp_path: Path, autojump_clock: MockClock) -> None:
    """What was shed is seen by whoever watches: every call is among those that ended or those that were refused."""
    refused = 0

    async def ask(runtime: Runtime) -> None:
        nonlocal refused
        try:
            await runtime.complete(CompletionRequest(messages=(user("hi"),)))
        except MailboxFull:
            refused += 1

    config = configured(tmp_path, {"default": one_second(tmp_path, max_concurrency=1, mailbox=3)})
    async with running(config, waits_for_room=False) as runtime:
        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(ask, runtime)
        counts = runtime.counts.of("default")

    assert counts.refused == refused > 0
    assert counts.calls["ok"] == len(records(tmp_path)) == 10 - refused


@pytest.mark.slow
@pytest.mark.parametrize("stream", [False, True])
async def test_a_full_mailbox_is_told_at_the_door(stream: bool, tmp_path: Path) -> None:
    """Over HTTP nobody waits for room: 503 says when to come back, in the dialect; those before are answered."""
    profile = scripted(tmp_path, [{"text": "ok", "delay_s": 0.5}], max_concurrency=1, mailbox=2)
    statuses: list[int] = []
    refused: list[httpx.Response] = []

    async with open_api(tmp_path, {"p": profile}) as url, httpx.AsyncClient(timeout=10) as client:

        async def ask() -> None:
            body = {"model": "p", "stream": stream, "messages": [{"role": "user", "content": "hi"}]}
            headers = {"authorization": f"Bearer {TOKEN}"}
            response = await client.post(f"{url}/v1/chat/completions", json=body, headers=headers)
            statuses.append(response.status_code)
            if response.status_code != 200:
                refused.append(response)

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(ask)

    assert statuses.count(200) >= 2  # what the mailbox holds, and one more if a worker was quick
    assert statuses.count(503) == len(refused) == 5 - statuses.count(200) >= 1
    assert {response.headers["retry-after"] for response in refused} == {"1"}
    assert {response.json()["error"]["code"] for response in refused} == {"mailbox_full"}
    (message,) = {response.json()["error"]["message"] for response in refused}
    assert message.startswith("profile `p` has as many calls waiting as its `mailbox` holds; this one was not taken")
    assert "raise `mailbox` or `max_concurrency`" in message
