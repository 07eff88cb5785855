"""Ctrl-C, whenever it comes: the clean-ups run to their end, and a reply stays given."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from actors import ChildSpec, Ref, SupervisorSpec, open_supervisor
from tests.actors.rig import Work


def test_interrupts_wait_for_the_clean_up() -> None:
    """However often they come, the block is left once the tree has ended, and then they are told."""
    story: list[str] = []

    @trio.lowlevel.enable_ki_protection
    def interrupt() -> None:
        signal.raise_signal(signal.SIGINT)

    @asynccontextmanager
    async def start() -> AsyncIterator[Any]:
        yield trio.sleep
        for _ in range(3):
            interrupt()
            await trio.sleep(1)
        story.append("cleaned up")

    async def main() -> None:
        try:
            async with open_supervisor(SupervisorSpec(name="root")) as root:
                await root.start(ChildSpec(name="a", start=start, mailbox=1))
        finally:
            story.append("left the block")

    with pytest.raises(KeyboardInterrupt):
        trio.run(main, clock=MockClock(autojump_threshold=0))
    assert story == ["cleaned up", "left the block"]


def test_an_interrupt_does_not_take_back_a_reply() -> None:
    """Ctrl-C in a `when_done` callback comes after the reply: it is given as it is, and the callback called once."""
    calls: list[int] = []
    replies: list[int] = []

    def interrupt() -> None:
        calls.append(1)
        signal.raise_signal(signal.SIGINT)

    @asynccontextmanager
    async def start() -> AsyncIterator[Any]:
        async def handle(work: Work) -> int:
            return work.id

        yield handle

    async def main() -> None:
        async with open_supervisor(SupervisorSpec(name="root"), hooks=()) as root:
            ref: Ref[Work] = await root.start(ChildSpec(name="a", start=start, mailbox=1))
            reply = await ref.submit(Work(7))
            reply.when_done(interrupt)
            replies.append(await reply.wait())

    with pytest.raises(KeyboardInterrupt):
        trio.run(main, clock=MockClock(autojump_threshold=0))
    assert (calls, replies) == ([1], [7])
