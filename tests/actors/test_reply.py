"""Replies that are waited for later."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import ActorError
from actors._envelope import Asked
from tests.actors.rig import Refused, Rig, Work


async def test_a_submitted_message_is_answered_later(rig: Rig, autojump_clock: MockClock) -> None:
    """The reply may be waited for at any time, and again; a callback hears of it at once."""
    async with rig.open() as root:
        ref = await root.start(rig.actor("a", mailbox=1))
        reply = await ref.submit(Work(1))
        rig.fates[1] = "answered"
        heard: list[str] = []
        reply.when_done(lambda: heard.append("early"))
        await trio.sleep(1)
        reply.when_done(lambda: heard.append("late"))

        assert heard == ["early", "late"]
        assert await reply.wait() == await reply.wait() == 1
        now = ref.submit_nowait(Work(2))
        rig.fates[2] = "answered"
        assert await now.wait() == 2


async def test_an_error_is_raised_once_and_not_kept(rig: Rig, autojump_clock: MockClock) -> None:
    """Kept, it would keep the frames that it has passed, and all that is in them; who waits again is told so."""
    async with rig.open() as root:
        ref = await root.start(rig.actor("a", mailbox=1))
        reply = await ref.submit(Work(1, raises=Refused))
        rig.fates[1] = "refused"
        await trio.sleep(1)

        with pytest.raises(Refused):
            await reply.wait()
        with pytest.raises(ActorError, match="waited for before, and raised Refused"):
            await reply.wait()
        with pytest.raises(ActorError, match="waited for before"):
            await reply.wait()


async def test_only_one_task_waits_for_a_reply(rig: Rig, autojump_clock: MockClock) -> None:
    """A second waiter is a programming error that says so."""
    async with rig.open() as root, trio.open_nursery() as nursery:
        ref = await root.start(rig.actor("a"))
        reply = await ref.submit(Work(1, seconds=1))
        rig.fates[1] = "answered"
        nursery.start_soon(reply.wait)
        await wait_all_tasks_blocked()

        with pytest.raises(trio.BusyResourceError, match="another task waits for this reply"):
            await reply.wait()


async def test_a_reply_to_another_run_says_why_it_fails() -> None:
    """Who waits there cannot be woken: the crash that follows tells of it."""
    asked = Asked(1)

    async def reply() -> None:
        asked.reply(1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(asked.wait)
        await wait_all_tasks_blocked()
        with pytest.raises(RuntimeError, match="the asker waits in another trio run"):
            await trio.to_thread.run_sync(trio.run, reply)
        nursery.cancel_scope.cancel()
