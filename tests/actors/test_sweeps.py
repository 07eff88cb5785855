"""Sweeps: one fixed scenario, cancelled, stopped or crashed at every step there is (G2, G3, G11, G12, G15)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from actors import Backoff, Ref, Stopped, Supervisor, SupervisorGaveUp
from actors.testing import AtStep, CrashPoints, crash_sweep, run_taped, step_sweep
from tests.actors.rig import DEMAND, Refused, Rig, Work

GRACE, CLEANUP = 2.0, 0.5


class Scenario:
    """A group of actors, some of which crash, with clients of every kind; each run makes a new one."""

    def __init__(self, strategy: Any = "one_for_one", limit: int = 1000) -> None:
        self.rig = Rig()
        self.block = trio.CancelScope()
        self.client = trio.CancelScope()
        self.asked_to_stop: float | None = None
        self.root: Supervisor | None = None
        self.ended: float | None = None
        self._group = Rig.group(strategy=strategy, limit=limit)

    async def run(self) -> None:
        rig, wait = self.rig, Backoff(initial=0.5, jitter=0)
        timed: dict[str, Any] = {"stop_grace": GRACE, "cleanup_s": CLEANUP / 2, "cleanup_grace": CLEANUP}
        with self.block, self._until_ended():
            async with rig.open() as self.root:
                group = await self.root.start_supervisor(self._group)
                first = await group.start(rig.actor("a", mailbox=1, start_s=0.5, **timed))
                second = await group.start(rig.actor("b", workers=2, abandoned="cancel", backoff=wait, **timed))
                demand = await self.root.start_on_demand(DEMAND, lambda key: rig.actor(key, **timed), idle_after=1)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._impatient, second)
                    nursery.start_soon(self._teller, first, name="teller")
                    nursery.start_soon(self._asker, demand.ref("x"), first)
                with trio.move_on_after(5):
                    await self.root.stopped.wait()
        rig.check()

    @contextmanager
    def _until_ended(self) -> Iterator[None]:
        try:
            yield
        finally:
            self.ended = trio.current_time()

    async def _impatient(self, ref: Ref[Work]) -> None:
        with self.client:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.rig.ask, ref, Work(10, seconds=3), name="client")
                nursery.start_soon(self.rig.ask, ref, Work(11, seconds=1, raises=Refused))
                nursery.start_soon(self.rig.submit, ref, Work(12, seconds=1))

    async def _teller(self, ref: Ref[Work]) -> None:
        for number in range(20, 24):
            await self.rig.tell(ref, Work(number, seconds=0.5, raises=ValueError if number == 21 else None))

    async def _asker(self, passive: Ref[Work], ref: Ref[Work]) -> None:
        await self.rig.ask(passive, Work(30))
        await trio.sleep(1.1)  # it is being passivated, and its clean-up takes a while
        await self.rig.ask(passive, Work(31))
        await self.rig.ask(ref, Work(32))


TASKS = ["root", "root/group", "root/group/a", "root/group/b", "root/demand", "root/demand/x", "client", "teller"]


@pytest.mark.parametrize("task", TASKS)
def test_g3_g12_the_tree_may_be_cancelled_at_any_step(task: str) -> None:
    """G3, G12: with the block cancelled just before any step of any task, every caller hears, and nothing is left."""

    async def scenario(at_step: AtStep) -> None:
        tree = Scenario()
        at_step.action = tree.block.cancel
        await tree.run()

    assert step_sweep(scenario, task=task) > 1


@pytest.mark.parametrize("task", ["client", "root/group/b", "root/group"])
def test_g15_a_client_may_be_cancelled_at_any_step(task: str) -> None:
    """G15: an ask abandoned before it is taken is never started; one that runs is told, and the tree lives on."""

    async def scenario(at_step: AtStep) -> None:
        tree = Scenario()
        at_step.action = tree.client.cancel
        await tree.run()
        gone = [number for number in (10, 11, 12) if tree.rig.fates.get(number) == "cancelled"]
        assert not set(gone) & set(tree.rig.finished)
        assert tree.rig.fates[32] == "answered"

    assert step_sweep(scenario, task=task) > 1


@pytest.mark.parametrize("grace", [0.0, 0.5, GRACE])
@pytest.mark.parametrize("task", TASKS)
def test_g11_a_stop_at_any_step_ends_in_time(task: str, grace: float) -> None:
    """G11: asked to stop just before any step of any task, the tree ends within the graces of its actors."""

    async def scenario(at_step: AtStep) -> None:
        tree = Scenario()

        def stop() -> None:
            if tree.root is not None:
                tree.asked_to_stop = tree.asked_to_stop or trio.current_time()
                tree.root.request_stop(grace)

        at_step.action = stop
        try:
            await tree.run()
        except Stopped:
            assert tree.asked_to_stop is not None  # the scenario could not go on: it was stopped while it set out
            tree.rig.check()
        if tree.asked_to_stop is not None:
            assert tree.ended is not None
            assert tree.ended - tree.asked_to_stop <= 3 * (grace + CLEANUP) + 1e-6

    step_sweep(scenario, task=task)


@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
@pytest.mark.parametrize("limit", [1000, 1])
def test_g2_g3_actors_may_crash_at_any_point(strategy: str, limit: int) -> None:
    """G2, G3, G9: with a crash at any point of any start, handler or clean-up, every caller hears the truth."""

    async def scenario(points: CrashPoints) -> None:
        tree = Scenario(strategy, limit)
        tree.rig.reach = points.reach
        try:
            await tree.run()
        except (RuntimeError, SupervisorGaveUp):
            tree.rig.check()

    assert crash_sweep(scenario) > 20


@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
def test_g9_two_crashes_may_fall_together(strategy: str) -> None:
    """G9: a second crash at any point of a group's restart leaves each actor alive once, and at work."""

    async def scenario(points: CrashPoints) -> None:
        rig = Rig()
        async with rig.open() as root, trio.open_nursery() as nursery:
            group = await root.start_supervisor(Rig.group(strategy=strategy))
            refs = [await group.start(rig.actor(name, start_s=0.1, cleanup_s=0.2)) for name in "abc"]
            rig.reach = points.reach
            for number, ref in enumerate(refs):
                await rig.tell(ref, Work(number, seconds=0.1 * number, raises=ValueError if number < 2 else None))
            await trio.sleep(10)
            rig.reach = lambda: None
            for number, ref in enumerate(refs, 10):
                nursery.start_soon(partial(rig.ask, ref, Work(number)))
        rig.check()
        assert [rig.fates[number] for number in (10, 11, 12)] == ["answered"] * 3

    assert crash_sweep(scenario) >= 10


@pytest.mark.parametrize("draw", [0, 1, 2, 3])
@pytest.mark.parametrize("steps", range(8))
def test_g9_a_newer_restart_takes_over_at_any_moment(steps: int, draw: int) -> None:
    """A wider restart that falls on the very step at which a narrower one is due starts each actor once."""
    rig = Rig()

    async def main() -> None:
        clock = trio.lowlevel.current_clock()
        assert isinstance(clock, MockClock)
        async with rig.open() as root:
            group = await root.start_supervisor(Rig.group(strategy="rest_for_one"))
            first = await group.start(rig.actor("a"))
            last = await group.start(rig.actor("b", backoff=Backoff(initial=1, jitter=0), start_s=1))
            await rig.tell(last, Work(1, raises=ValueError))
            await trio.testing.wait_all_tasks_blocked()
            clock.autojump_threshold = math.inf
            await rig.tell(first, Work(2, raises=ValueError))
            for _ in range(steps):
                await trio.lowlevel.checkpoint()
            clock.jump(1)
            clock.autojump_threshold = 0
            await rig.ask(last, Work(3))

    run_taped(main, [draw] * 100)
    rig.check()
