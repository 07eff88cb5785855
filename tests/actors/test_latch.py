"""`Latch`: something that happens once."""

from __future__ import annotations

from typing import cast

import trio
from trio.testing import assert_checkpoints, wait_all_tasks_blocked

from actors._latch import Latch


async def test_everybody_who_waits_goes_on_when_it_happens() -> None:
    """Who waited before, and who comes later; and one who gave up takes nothing from the others."""
    latch, gone_on = Latch(), []

    async def wait(who: str) -> None:
        await latch.wait()
        gone_on.append(who)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait, "first")
        nursery.start_soon(wait, "second")
        with trio.move_on_after(0):
            await wait("who gave up")
        await wait_all_tasks_blocked()
        assert (latch.is_set(), gone_on) == (False, [])
        latch.set()
        latch.set()
    with assert_checkpoints():
        await wait("late")

    assert latch.is_set()
    assert sorted(gone_on) == ["first", "late", "second"]


async def test_an_interrupt_waits_until_everybody_has_been_told() -> None:
    """Half set, it would keep a stop waiting for ever."""
    seen: list[bool] = []

    class Told:
        def set(self) -> None:
            seen.append(trio.lowlevel.currently_ki_protected())

    latch = Latch()
    latch._event = cast("trio.Event", Told())
    latch.set()

    assert seen == [True]
