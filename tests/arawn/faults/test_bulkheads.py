"""One of eight backends misbehaves: callers of the others notice nothing, its own are told within its limits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from actors import ActorError, Backoff
from arawn.backends.open import open_provider
from arawn.backends.protocol import Provider
from arawn.config.schema import Profile, RetryConfig, TimeoutsConfig
from arawn.errors import ArawnError, TimedOut, Unavailable
from arawn.messages import CompletionRequest, user
from arawn.runtime_door import Runtime
from tests.runtimes import configured, records, running, scripted

ASK = CompletionRequest(messages=(user("hi"),))
OTHERS = [f"b{number}" for number in range(1, 8)]
SECONDS = 30


def eight(directory: Path, first: Profile) -> dict[str, Profile]:
    return {"b0": first, **{name: scripted(directory, [{"delay_s": 1}]) for name in OTHERS}}


def first_of(directory: Path, step: dict[str, object], **settings: object) -> Profile:
    timeouts, retry = TimeoutsConfig(total_s=5), RetryConfig(attempts=1)
    return scripted(directory, [step], timeouts=timeouts, retry=retry, **settings)


async def calls_to_others(runtime: Runtime) -> list[float]:
    """Ask the seven others once a second; return how long each call took."""
    took: list[float] = []

    async def ask(name: str) -> None:
        began = trio.current_time()
        await runtime.complete(ASK, profile=name)
        took.append(trio.current_time() - began)

    async with trio.open_nursery() as nursery:
        for _ in range(SECONDS):
            for name in OTHERS:
                nursery.start_soon(ask, name)
            await trio.sleep(1)
    return took


async def beside(
    runtime: Runtime, misuse: Callable[[Runtime, list[tuple[float, Exception]]], Awaitable[None]]
) -> tuple[list[float], list[tuple[float, Exception]]]:
    """Call the others while the first is misused; return their times, and what the callers of the first were told."""
    told: list[tuple[float, Exception]] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(misuse, runtime, told)
        took = await calls_to_others(runtime)
        nursery.cancel_scope.cancel(reason="seen enough")
    return took, told


async def ask_first(runtime: Runtime, told: list[tuple[float, Exception]]) -> None:
    began = trio.current_time()
    try:
        await runtime.complete(ASK, profile="b0")
    except (ArawnError, ActorError) as error:
        told.append((trio.current_time() - began, error))


async def again_and_again(runtime: Runtime, told: list[tuple[float, Exception]]) -> None:
    async with trio.open_nursery() as nursery:
        while True:
            nursery.start_soon(ask_first, runtime, told)
            await trio.sleep(0.5)


async def a_flood(runtime: Runtime, told: list[tuple[float, Exception]]) -> None:
    async with trio.open_nursery() as nursery:
        for _ in range(1_000):
            nursery.start_soon(ask_first, runtime, told)


async def test_one_that_hangs_holds_up_nobody_else(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Its callers are told after `total_s`, and at once when the breaker has opened."""
    profiles = eight(tmp_path, first_of(tmp_path, {"hang": True}))
    async with running(configured(tmp_path, profiles)) as runtime:
        took, told = await beside(runtime, again_and_again)

    assert took == pytest.approx([1.0] * SECONDS * len(OTHERS))
    assert {type(error) for _, error in told} == {TimedOut, Unavailable}
    assert max(seconds for seconds, _ in told) == pytest.approx(5)


async def test_one_that_is_flooded_holds_up_nobody_else(tmp_path: Path, autojump_clock: MockClock) -> None:
    """A thousand callers at once queue at their own profile."""
    profiles = eight(tmp_path, first_of(tmp_path, {"delay_s": 4}, max_concurrency=4, mailbox=16))
    async with running(configured(tmp_path, profiles)) as runtime:
        took, told = await beside(runtime, a_flood)

    assert took == pytest.approx([1.0] * SECONDS * len(OTHERS))
    assert told == []
    of_first = [record for record in records(tmp_path) if record["profile"] == "b0"]
    assert len(of_first) > 4 * (SECONDS // 4 - 1)  # it was busy all the time


async def test_one_that_crashes_in_a_loop_holds_up_nobody_else(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its callers get a typed error each, after one restart at the latest; the back-off bounds that."""

    @asynccontextmanager
    async def crashing(name: str, profile: Profile, *, environ: Mapping[str, str]) -> AsyncIterator[Provider]:
        async with open_provider(name, profile, environ=environ) as provider, trio.open_nursery() as nursery:
            if name == "b0":
                nursery.start_soon(_crash)
            yield provider
            nursery.cancel_scope.cancel(reason="the backend stops")

    monkeypatch.setattr("arawn.backends.actor.open_provider", crashing)
    profiles = eight(tmp_path, first_of(tmp_path, {"hang": True}))
    async with running(configured(tmp_path, profiles)) as runtime:
        took, told = await beside(runtime, again_and_again)
        restarts = runtime.status().backends[0].restarts

    assert took == pytest.approx([1.0] * SECONDS * len(OTHERS))
    assert told
    assert restarts > 3
    assert max(seconds for seconds, _ in told) <= Backoff().maximum + 1


async def _crash() -> None:
    await trio.sleep(0.2)
    raise RuntimeError("again")
