"""G16: an ask that would wait for itself raises where it is made."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from actors import AskCycle, Backoff, ChildSpec, HandlerFailed, Ref, Request, Supervisor
from tests.actors.rig import Rig, Work


class Route(msgspec.Struct, Request[str], frozen=True):
    """Ask the actor that the first letter names to follow the others."""

    letters: str


class Asker:
    """Actors that follow routes."""

    def __init__(self) -> None:
        self.refs: dict[str, Ref[Any]] = {}

    async def start(self, root: Supervisor, name: str, **fields: Any) -> None:
        @asynccontextmanager
        async def start() -> AsyncIterator[Any]:
            yield self._handle

        self.refs[name] = await root.start(ChildSpec(name=name, start=start, mailbox=5, **fields))

    async def follow(self, letters: str) -> str:
        return await self.refs[letters[0]].ask(Route(letters[1:]))

    async def _handle(self, route: Route) -> str:
        await trio.sleep(1)
        return route.letters[0] + await self.follow(route.letters) if route.letters else ""


async def test_g16_an_ask_cycle_is_an_error_that_names_it(rig: Rig, autojump_clock: MockClock) -> None:
    """The ask that would close the cycle raises where it is made."""
    asker = Asker()
    async with rig.open() as root:
        for name in "abc":
            await asker.start(root, name, reply_errors=(AskCycle,))

        with pytest.raises(AskCycle) as caught:
            await asker.follow("abca")

        assert caught.value.names == ("root/c", "root/a", "root/b", "root/c")
        assert str(caught.value) == "ask cycle: `root/c` -> `root/a` -> `root/b` -> `root/c`"
        assert await asker.follow("abc") == "bc"


async def test_g16_an_actor_may_not_ask_itself(rig: Rig, autojump_clock: MockClock) -> None:
    """The shortest cycle; as an undeclared error it is a crash."""
    asker = Asker()
    async with rig.open() as root:
        await asker.start(root, "a")

        with pytest.raises(HandlerFailed) as caught:
            await asker.follow("aa")

    assert isinstance(caught.value.__cause__, AskCycle)


async def test_g16_a_free_worker_keeps_a_circle_from_being_a_cycle(rig: Rig, autojump_clock: MockClock) -> None:
    """With two workers an actor may be asked back; with both taken it may not."""
    asker = Asker()
    async with rig.open() as root:
        await asker.start(root, "a", workers=2, reply_errors=(AskCycle,))
        await asker.start(root, "b", reply_errors=(AskCycle,))

        assert await asker.follow("aba") == "ba"
        with pytest.raises(AskCycle):
            await asker.follow("abab")


async def test_g16_a_starting_actor_that_is_asked_back_closes_a_cycle(rig: Rig, autojump_clock: MockClock) -> None:
    """An actor that asks while it starts cannot answer until it has started."""
    asker = Asker()
    async with rig.open() as root:
        await asker.start(root, "b", reply_errors=(AskCycle,))

        @asynccontextmanager
        async def start() -> AsyncIterator[Any]:
            if "a" in asker.refs:
                with pytest.raises(AskCycle):
                    await asker.follow("ba")
            yield rig.handle

        backoff = Backoff(initial=0, jitter=0)
        asker.refs["a"] = await root.start(ChildSpec(name="a", start=start, mailbox=5, backoff=backoff))
        await rig.ask(asker.refs["a"], Work(1, raises=ValueError))
        await rig.ask(asker.refs["a"], Work(2))


@pytest.mark.parametrize("workers", [1, 2])
async def test_g16_a_task_that_a_handler_leaves_running_asks_for_itself(
    rig: Rig, autojump_clock: MockClock, workers: int
) -> None:
    """Nobody waits for it: it may ask the actor that started it, which is as free as before."""
    heard: list[str] = []
    refs: dict[str, Ref[Route]] = {}

    async def ask_later(name: str) -> None:
        await trio.sleep(1)
        heard.append(await refs[name].ask(Route("")))

    @asynccontextmanager
    async def start() -> AsyncIterator[Any]:
        async def handle(route: Route) -> str:
            for letter in route.letters:
                nursery.start_soon(ask_later, letter)
            await trio.sleep(2 * (not route.letters))
            return "here"

        async with trio.open_nursery() as nursery:
            yield handle

    async with rig.open() as root:
        for name in "ab":
            refs[name] = await root.start(ChildSpec(name=name, start=start, mailbox=5, workers=workers))
        await refs["a"].ask(Route("ab"))
        await refs["b"].ask(Route("a"))
        await trio.sleep(10)

    assert heard == ["here"] * 3


async def test_g16_a_task_that_a_handler_waits_for_asks_for_the_handler(rig: Rig, autojump_clock: MockClock) -> None:
    """A cycle through a nursery of the handler, however deep, is a cycle."""
    refs: dict[str, Ref[Route]] = {}

    async def ask_in_a_nursery(depth: int) -> None:
        async with trio.open_nursery() as nursery:
            if depth:
                nursery.start_soon(ask_in_a_nursery, depth - 1)
            else:
                nursery.start_soon(refs["a"].ask, Route(""))

    @asynccontextmanager
    async def start() -> AsyncIterator[Any]:
        async def handle(_route: Route) -> None:
            await ask_in_a_nursery(2)

        async with trio.open_nursery():
            yield handle

    async with rig.open() as root:
        refs["a"] = await root.start(ChildSpec(name="a", start=start, mailbox=5))

        with pytest.raises(HandlerFailed) as caught:
            await refs["a"].ask(Route(""))

    assert isinstance(caught.value.__cause__, ExceptionGroup)
    assert caught.value.__cause__.subgroup(AskCycle) is not None
