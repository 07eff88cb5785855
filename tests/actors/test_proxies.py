"""Messages that lie about their class: what is told is looked at by its type alone."""

from __future__ import annotations

import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal

import pytest
import trio
from trio.testing import MockClock

from actors import Backoff, ChildSpec, MailboxFull, Ref, Request, Stopped, open_supervisor
from actors.events import DeadLetter
from tests.actors.rig import ROOT


class Question(Request[int]):
    """Asks for the seven."""


class Gone:
    """What the proxies stood for."""


def dead() -> Any:
    """Return a message whose `__class__` raises: `isinstance` cannot be asked about it."""
    return weakref.proxy(Gone())


def actor(batch: int, abandoned: Literal["skip", "cancel"] = "skip") -> ChildSpec[Any]:
    @asynccontextmanager
    async def start() -> AsyncIterator[Callable[[Any], Awaitable[object]]]:
        async def handle(message: Any) -> object:
            await trio.sleep(1)
            return [7] * len(message) if batch > 1 else 7

        yield handle

    at_once = Backoff(initial=0, jitter=0)
    return ChildSpec(name="a", start=start, mailbox=2, batch=batch, abandoned=abandoned, backoff=at_once)


@pytest.mark.parametrize(("batch", "abandoned"), [(1, "skip"), (1, "cancel"), (3, "skip")])
@pytest.mark.parametrize("question_first", [False, True])
async def test_g3_a_proxy_of_nothing_costs_no_caller_its_answer(
    autojump_clock: MockClock, batch: int, abandoned: Literal["skip", "cancel"], question_first: bool
) -> None:
    """It is handled like any message; a question before or behind it is answered."""
    with trio.fail_after(60):
        async with open_supervisor(ROOT, hooks=[]) as root:
            ref: Ref[Any] = await root.start(actor(batch, abandoned))
            await ref.tell("busy")
            await trio.sleep(0.1)
            if question_first:
                reply = await ref.submit(Question())
                await ref.tell(dead())
            else:
                await ref.tell(dead())
                reply = await ref.submit(Question())
            with pytest.raises(MailboxFull, match="ProxyType"):
                ref.tell_nowait(dead())
            assert await reply.wait() == 7
            assert root.status().children[0].restarts == 0


async def test_g13_a_proxy_of_nothing_is_a_dead_letter_at_the_stop(autojump_clock: MockClock) -> None:
    """The stop goes on to the caller behind it."""
    letters: list[DeadLetter] = []
    with trio.fail_after(60):
        async with open_supervisor(
            ROOT, hooks=[lambda e: letters.append(e) if isinstance(e, DeadLetter) else None]
        ) as root:
            ref: Ref[Any] = await root.start(actor(1))
            await ref.tell("busy")
            await trio.sleep(0.1)
            await ref.tell(dead())
            reply = await ref.submit(Question())
            await ref.stop(grace=0)
            with pytest.raises(Stopped):
                await reply.wait()

    assert [letter.started for letter in letters] == [True, False]
