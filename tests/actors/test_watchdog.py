"""A handler that holds the thread is named; all others are not."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest
import trio
import trio.testing

from actors import ChildSpec, Request, SupervisorSpec, open_supervisor
from actors.watchdog import SlowStep, Watchdog


class Work(msgspec.Struct, Request[None], frozen=True):
    """Ask for so many seconds of the thread."""

    seconds: float


def test_the_task_that_holds_the_thread_is_named() -> None:
    """By the actor's path, with the time it took; a wait in trio holds nobody up."""
    now = [0.0]
    told: list[SlowStep] = []

    async def work(message: Work) -> None:
        now[0] += message.seconds
        await trio.sleep(5)

    @asynccontextmanager
    async def worker() -> AsyncIterator[Callable[[Work], Awaitable[None]]]:
        yield work

    async def main() -> None:
        async with open_supervisor(SupervisorSpec(name="root")) as root:
            ref = await root.start(ChildSpec(name="worker", start=worker, mailbox=8))
            for seconds in (0.125, 0.5, 0.25):
                await ref.ask(Work(seconds))

    watchdog = Watchdog(0.25, told.append, clock=lambda: now[0])
    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0), instruments=[watchdog])

    assert told == [SlowStep("root/worker", 0.5)]


@pytest.mark.parametrize("limit", [0, -1, math.nan])
def test_a_limit_that_means_nothing_is_refused(limit: float) -> None:
    """The error says what was found."""
    with pytest.raises(ValueError, match="need limit > 0, got"):
        Watchdog(limit, print)
