"""What users' own code does wrong, or leaves lying about, stays with them: it hurts no actor and no other caller."""

from __future__ import annotations

import gc
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any, cast

import msgspec
import pytest
import trio
from trio.testing import MockClock, assert_checkpoints

from actors import (
    ActorError,
    AskCycle,
    Backoff,
    ChildSpec,
    HandlerFailed,
    Ref,
    Request,
    Restarting,
    Stopped,
    SupervisorSpec,
    open_supervisor,
)
from actors.events import Crashed, DeadLetter, Started
from tests.actors.rig import DEMAND, HOUR, Rig, Work, told

_request_id: ContextVar[str] = ContextVar("request id", default="none")


class Silent(Exception):
    def __repr__(self) -> str:
        raise RuntimeError("no words")


class Get(Request[str]):
    pass


def actor(handle: Any, *, name: str = "a", **fields: Any) -> ChildSpec[Any]:
    @asynccontextmanager
    async def start() -> AsyncIterator[Any]:
        yield handle

    return ChildSpec(name=name, start=start, mailbox=10, **fields)


@pytest.mark.parametrize("when", ["before the reply", "after it"])
async def test_a_callback_that_raises_hurts_nobody(
    rig: Rig, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture, when: str
) -> None:
    """The reply is there, the actor lives, and the error is logged with its traceback."""

    def fail() -> None:
        raise ValueError("of the callback")

    async with rig.open() as root:
        ref = await root.start(rig.actor("a"))
        reply = await ref.submit(Work(1))
        rig.fates[1] = "answered"
        if when == "before the reply":
            reply.when_done(fail)
        assert await reply.wait() == 1
        if when == "after it":
            reply.when_done(fail)
        assert ref.status().restarts == 0

    (logged,) = caplog.records
    assert "when_done" in logged.getMessage()
    assert logged.exc_info is not None
    assert str(logged.exc_info[1]) == "of the callback"


async def test_an_error_without_words_reaches_every_asker_of_a_batch(rig: Rig, autojump_clock: MockClock) -> None:
    """The askers are told before anybody looks at the error, and a dead letter names its type."""

    async def handle(_messages: list[Any]) -> list[Any]:
        await trio.sleep(1)
        raise Silent

    async with rig.open() as root:
        ref: Ref[Any] = await root.start(actor(handle, batch=3, reply_errors=(Silent,)))
        replies = [ref.submit_nowait(Work(number)) for number in (1, 2)]
        rig.fates.update({1: "refused", 2: "refused", 3: "told"})
        rig.started += [1, 2, 3]
        ref.tell_nowait(Work(3))
        for reply in replies:
            with pytest.raises(Silent):
                await reply.wait()

    letters = [event for event in rig.events if isinstance(event, DeadLetter)]
    assert [letter.reason for letter in letters] == ["error reply to nobody: Silent"]


async def test_an_actor_lives_in_the_context_of_its_supervisor(rig: Rig, autojump_clock: MockClock) -> None:
    """Whoever happens to start it, with `start` or with a first message, leaves none of its context variables in it."""

    async def handle(_message: Any) -> str:
        return _request_id.get()

    async with rig.open() as root:
        demand = await root.start_on_demand(DEMAND, lambda key: actor(handle, name=key), idle_after=HOUR)
        _request_id.set("of the starter")
        ref: Ref[Any] = await root.start(actor(handle))

        assert await ref.ask(Get()) == "none"
        assert await demand.ref("x").ask(Get()) == "none"


@pytest.mark.parametrize("handler", [None, 3])
async def test_an_actor_without_a_handler_does_not_start(rig: Rig, autojump_clock: MockClock, handler: object) -> None:
    """The error says what `start` must yield."""
    async with rig.open() as root:
        with pytest.raises(TypeError, match="`start` of `root/a` must yield its handler, an async function; got"):
            await root.start(actor(handler))


async def test_a_start_that_is_no_context_manager_says_what_is_missing(rig: Rig, autojump_clock: MockClock) -> None:
    """The usual slip, a forgotten decorator, is named."""

    async def undecorated() -> AsyncIterator[Any]:
        yield trio.sleep

    async with rig.open() as root:
        with pytest.raises(TypeError, match="is `@asynccontextmanager` missing"):
            await root.start(ChildSpec(name="a", start=cast("Any", undecorated), mailbox=1))
        with pytest.raises(TypeError, match="`start` of `root/b` must return an async context manager, got 3"):
            await root.start(ChildSpec(name="b", start=cast("Any", lambda: 3), mailbox=1))


async def test_a_handler_that_is_not_async_is_a_crash_that_says_so(rig: Rig, autojump_clock: MockClock) -> None:
    """The asker gets `HandlerFailed` with the reason as its cause."""
    async with rig.open() as root:
        ref: Ref[Any] = await root.start(actor(lambda _message: 1))

        with pytest.raises(HandlerFailed) as failed:
            await ref.ask(Get())

    assert "await" in str(failed.value.__cause__)


async def test_a_cycle_is_refused_with_a_checkpoint(rig: Rig, autojump_clock: MockClock) -> None:
    """A loop that asks again and again cannot starve the others."""
    refs: list[Ref[Any]] = []

    async def handle(_message: Any) -> str:
        with assert_checkpoints(), pytest.raises(AskCycle):
            await refs[0].ask(Get())
        return "refused"

    async with rig.open() as root:
        refs.append(await root.start(actor(handle)))

        assert await refs[0].ask(Get()) == "refused"


async def test_a_closed_supervisor_on_demand_refuses_with_a_checkpoint(rig: Rig, autojump_clock: MockClock) -> None:
    """Its refs fail as those of a stopped actor do."""
    async with rig.open() as root:
        demand = await root.start_on_demand(DEMAND, rig.actor, idle_after=HOUR)
        ref = demand.ref("x")
        await demand.stop()

        for send in (ref.ask, ref.tell, ref.submit):
            with (
                assert_checkpoints(),
                pytest.raises(Stopped, match="to actor `root/demand/x`: `root/demand` is stopped"),
            ):
                await send(Work(1))


async def test_a_start_that_hangs_is_a_crash(rig: Rig, autojump_clock: MockClock) -> None:
    """Past `start_grace` it is cancelled: the starter is told, and a restart is tried again."""
    began = trio.current_time()
    async with rig.open() as root:
        with pytest.raises(ActorError, match="start of `root/a` was not done after 2 s"):
            await root.start(rig.actor("a", start_s=HOUR, start_grace=2.0))
        assert trio.current_time() - began == 2

        starts = iter([0.0, HOUR, 0.0])

        @asynccontextmanager
        async def start() -> AsyncIterator[Any]:
            await trio.sleep(next(starts))
            yield rig.handle

        ref: Ref[Any] = await root.start(ChildSpec(name="b", start=start, mailbox=10, start_grace=3.0))
        await rig.ask(ref, Work(1, raises=ValueError))
        await rig.ask(ref, Work(2))

    assert told(rig, Crashed) == ["a", "b", "b"]
    assert [event.incarnation for event in rig.events if isinstance(event, Started) and event.actor == "root/b"] == [
        1,
        3,
    ]


async def test_a_start_may_take_as_long_as_it_is_given(rig: Rig, autojump_clock: MockClock) -> None:
    """Once it is ready the deadline is gone: the work may take longer."""
    async with rig.open() as root:
        ref = await root.start(rig.actor("a", start_s=1.9, start_grace=2.0))
        await rig.ask(ref, Work(1, seconds=100))

    assert rig.fates == {1: "answered"}


async def test_mail_for_a_child_that_cannot_start_says_why(rig: Rig, autojump_clock: MockClock) -> None:
    """A first message whose actor never gets ready fails as not started, the last crash as its cause."""

    @asynccontextmanager
    async def start() -> AsyncIterator[Any]:
        raise LookupError("no such model")
        yield

    def make(key: str) -> ChildSpec[Any]:
        return ChildSpec(name=key, start=start, mailbox=1)

    async with rig.open() as root:
        demand = await root.start_on_demand(DEMAND, make, idle_after=HOUR)

        with pytest.raises(Stopped, match="it crashed too often; last: LookupError") as stopped:
            await demand.ref("x").ask(Work(1))

    assert isinstance(stopped.value.__cause__, LookupError)


async def test_while_its_supervisor_restarts_a_child_on_demand_says_restarting(
    rig: Rig, autojump_clock: MockClock
) -> None:
    """It is safe to send again, and worth it."""
    async with rig.open(Rig.group("root", strategy="one_for_all")) as root:
        crashing = await root.start(rig.actor("crashing", backoff=Backoff(initial=1, jitter=0)))
        demand = await root.start_on_demand(DEMAND, rig.actor, idle_after=HOUR)
        await rig.tell(crashing, Work(1, raises=ValueError))
        await trio.sleep(0.5)  # all are to start again together

        with assert_checkpoints(), pytest.raises(Restarting, match="`root/demand` is backing_off"):
            await demand.ref("x").tell(Work(2))


async def test_a_key_may_hold_any_text(rig: Rig, autojump_clock: MockClock) -> None:
    """The status of a child on demand has its key as the name, passive or not."""
    async with rig.open() as root:
        ref = (await root.start_on_demand(DEMAND, rig.actor, idle_after=HOUR)).ref("a/b")
        assert (ref.name, ref.status().name, ref.status().state) == ("root/demand/a/b", "a/b", "passive")

        await rig.ask(ref, Work(1))

        assert (ref.status().name, ref.status().state) == ("a/b", "running")


async def test_a_grace_for_a_supervisor_is_one_deadline_for_all_below(rig: Rig, autojump_clock: MockClock) -> None:
    """Three children that each would use all of it end within it together."""
    async with rig.open() as root:
        group = await root.start_supervisor(Rig.group("group"))
        for number, name in enumerate("abc"):
            await rig.tell(await group.start(rig.actor(name)), Work(number, seconds=HOUR))
        await trio.sleep(1)
        began = trio.current_time()

        await group.stop(grace=4)

        assert trio.current_time() - began == 4


class Weighty(msgspec.Struct, Request[None], frozen=True, weakref=True):
    """A message whose end can be seen."""


async def test_a_waiting_worker_holds_no_message(autojump_clock: MockClock) -> None:
    """What failed with a declared error is let go when it is told, not when the next one fails."""

    @asynccontextmanager
    async def start() -> AsyncIterator[Any]:
        async def refuse(_: Weighty) -> None:
            raise LookupError("not here")

        yield refuse

    async with open_supervisor(SupervisorSpec(name="root"), hooks=()) as root:
        ref: Ref[Weighty] = await root.start(ChildSpec(name="a", start=start, mailbox=1, reply_errors=(LookupError,)))
        message = Weighty()
        seen = weakref.ref(message)
        with pytest.raises(LookupError):
            await ref.ask(message)
        del message
        await trio.testing.wait_all_tasks_blocked()
        gc.collect()

        assert seen() is None
