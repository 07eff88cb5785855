"""Messages that are handled together: who is in a batch, and what its askers and the hooks are told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from actors import (
    ChildSpec,
    HandlerFailed,
    Ref,
    SupervisorSpec,
    open_supervisor,
)
from actors.events import DeadLetter
from tests.actors.rig import Refused, Rig, Work


async def test_g15_a_batch_leaves_out_abandoned_asks(rig: Rig, autojump_clock: MockClock) -> None:
    """A batch is made of the messages that somebody still waits for."""
    batches: list[list[int]] = []
    async with rig.open() as root:
        ref = await root.start(rig.batching("a", batches, batch=3))
        await rig.tell(ref, Work(1, seconds=1))
        await trio.testing.wait_all_tasks_blocked()
        abandoned = [await ref.submit(Work(2))]
        await rig.tell(ref, Work(3))
        abandoned.append(await ref.submit(Work(6)))
        for number in (4, 5):
            await rig.tell(ref, Work(number))
        for reply in abandoned:
            reply.abandon()

    rig.fates[2] = rig.fates[6] = "cancelled"
    assert batches == [[1], [3, 4, 5]]


async def test_a_replied_batch_of_the_wrong_size_is_a_crash(rig: Rig, autojump_clock: MockClock) -> None:
    """A batch handler owes one reply a message; anything else fails all its askers."""
    async with rig.open() as root:
        ref = await root.start(rig.batching("a", [], batch=2, replies=1))
        first, second = await ref.submit(Work(1)), await ref.submit(Work(2))

        for reply in (first, second):
            with pytest.raises(HandlerFailed, match="`a` gave 1 replies to a batch of 2 messages"):
                await reply.wait()
    rig.fates.update({1: "failed", 2: "failed"})


async def test_replies_to_a_batch_that_are_no_list_are_a_crash(rig: Rig, autojump_clock: MockClock) -> None:
    """Nothing is iterated by chance: the keys of a dictionary are no replies."""

    @asynccontextmanager
    async def start() -> AsyncIterator[Callable[[list[Work]], Awaitable[Any]]]:
        async def handle(works: list[Work]) -> dict[Work, int]:
            return dict.fromkeys(works, 1)

        yield handle

    async with rig.open() as root:
        ref: Ref[Work] = await root.start(ChildSpec(name="a", start=start, mailbox=4, batch=2))
        with pytest.raises(HandlerFailed, match="`a` gave a dict as the list of its replies to a batch"):
            await ref.ask(Work(1))


async def test_a_batch_may_answer_some_with_declared_errors(rig: Rig, autojump_clock: MockClock) -> None:
    """A reply that is one of the `reply_errors` is raised to its asker alone; the others have their answers."""

    @asynccontextmanager
    async def start() -> AsyncIterator[Callable[[list[Work]], Coroutine[Any, Any, list[object]]]]:
        async def handle(works: list[Work]) -> list[object]:
            return [Refused("no") if work.id == 2 else await rig.handle(work) for work in works]

        yield handle

    async with rig.open() as root:
        ref: Ref[Work] = await root.start(
            ChildSpec(name="a", start=start, mailbox=10, batch=3, reply_errors=(Refused,))
        )
        replies = [ref.submit_nowait(Work(number)) for number in (1, 2, 3)]
        rig.fates.update({1: "answered", 2: "refused", 3: "answered"})
        rig.started.append(2)

        assert (await replies[0].wait(), await replies[2].wait()) == (1, 3)
        with pytest.raises(Refused, match="no"):
            await replies[1].wait()
        assert ref.status().restarts == 0


async def test_g13_a_batch_that_refuses_what_was_told_leaves_a_dead_letter(rig: Rig, autojump_clock: MockClock) -> None:
    """A declared error for a message that nobody asked is a dead letter in a batch as well."""

    @asynccontextmanager
    async def start() -> AsyncIterator[Callable[[list[Work]], Coroutine[Any, Any, list[object]]]]:
        async def handle(works: list[Work]) -> list[object]:
            return [Refused("no") if work.id == 2 else await rig.handle(work) for work in works]

        yield handle

    async with rig.open() as root:
        ref: Ref[Work] = await root.start(
            ChildSpec(name="a", start=start, mailbox=10, batch=3, reply_errors=(Refused,))
        )
        rig.started.append(2)
        for number in (1, 2, 3):
            await rig.tell(ref, Work(number))
        await trio.testing.wait_all_tasks_blocked()

    dead = [event for event in rig.events if isinstance(event, DeadLetter)]
    assert [(letter.message, letter.started, str(letter.error)) for letter in dead] == [(Work(2), True, "no")]


async def test_a_batch_tells_its_askers_before_the_hooks(rig: Rig, autojump_clock: MockClock) -> None:
    """A hook may be slow: of what was told it hears when those who wait have their answers."""
    answered: list[bool] = []

    @asynccontextmanager
    async def start() -> AsyncIterator[Callable[[list[Work]], Coroutine[Any, Any, list[object]]]]:
        async def handle(works: list[Work]) -> list[object]:
            return [Refused(str(work.id)) for work in works]

        yield handle

    def hook(event: object) -> None:
        if isinstance(event, DeadLetter):
            answered.append(reply.done)

    async with open_supervisor(SupervisorSpec(name="root"), hooks=[hook]) as root:
        ref: Ref[Work] = await root.start(
            ChildSpec(name="a", start=start, mailbox=10, batch=3, reply_errors=(Refused,))
        )
        ref.tell_nowait(Work(1))
        reply = ref.submit_nowait(Work(2))
        with pytest.raises(Refused):
            await reply.wait()

    assert answered == [True]


async def test_a_batch_handles_abandoned_asks_all_the_same_if_so_specified(rig: Rig, autojump_clock: MockClock) -> None:
    """With `abandoned="run"`, behind the first message too."""
    batches: list[list[int]] = []
    async with rig.open() as root:
        spec = msgspec.structs.replace(rig.batching("a", batches, batch=3), abandoned="run")
        ref = await root.start(spec)
        await rig.tell(ref, Work(1, seconds=1))
        await trio.sleep(0.5)
        await rig.tell(ref, Work(2))
        reply = ref.submit_nowait(Work(3))
        rig.fates[3] = "cancelled"
        reply.abandon()
        await trio.sleep(2)

    assert batches == [[1], [2, 3]]
