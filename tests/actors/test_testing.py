"""The test tools themselves: each finds what it is for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from actors import ChildSpec, SupervisorSpec, open_supervisor
from actors.testing import AtStep, CrashPoints, GuestHost, Tape, crash_sweep, no_leaks, run_taped, step_sweep


def order_under(draws: list[int]) -> list[int]:
    order: list[int] = []

    async def note(number: int) -> None:
        await trio.lowlevel.checkpoint()
        order.append(number)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for number in range(4):
                nursery.start_soon(note, number)

    run_taped(main, draws)
    return order


def test_trio_still_asks_the_tape_for_its_schedule() -> None:
    """The private seam holds: zeros keep the natural order, other numbers change it, the same ones the same way."""
    assert order_under([]) == order_under([0] * 50) == [0, 1, 2, 3]
    orders = {tuple(order_under([draw] * 50)) for draw in range(6)}
    assert len(orders) > 3
    assert order_under([1, 3, 2] * 10) == order_under([1, 3, 2] * 10)


def test_a_tape_only_orders() -> None:
    """Any numbers give a permutation."""
    batch = list(range(10))

    Tape([7, 3, 9, 1, 4]).shuffle(batch)

    assert sorted(batch) == list(range(10))


def test_a_taped_run_that_hangs_is_too_slow() -> None:
    """Virtual time passes until the limit; nobody has to interrupt the test."""
    with pytest.raises(trio.TooSlowError):
        run_taped(trio.sleep_forever)


def test_a_step_sweep_acts_before_every_step() -> None:
    """A task with two checkpoints has three steps, and is cancelled at each that can still be."""
    reached: list[int] = []

    async def scenario(at_step: AtStep) -> None:
        async def victim() -> None:
            with trio.CancelScope() as scope:
                at_step.action = scope.cancel
                reached.append(0)
                for number in (1, 2):
                    await trio.lowlevel.checkpoint()
                    reached.append(number)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(victim, name="victim")

    assert step_sweep(scenario, task="victim") == 3
    assert reached == [0, 1, 2, 0, 1, 2, 0, 0, 1]


def test_a_step_sweep_reports_what_its_action_raises() -> None:
    """trio drops an instrument that raises; the sweep does not."""

    async def scenario(at_step: AtStep) -> None:
        at_step.action = lambda: dict[str, int]()["missing"]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.lowlevel.checkpoint, name="victim")

    with pytest.raises(KeyError, match="missing"):
        step_sweep(scenario, task="victim")


def test_a_crash_sweep_crashes_at_every_point() -> None:
    """Three points are three crashes, each in a run of its own."""
    ends: list[int] = []

    async def scenario(points: CrashPoints) -> None:
        passed = 0
        try:
            for passed in range(3):  # noqa: B007  # how far it got is the point
                points.reach()
            passed = 3
        except RuntimeError:
            pass
        ends.append(passed)

    assert crash_sweep(scenario) == 3
    assert ends == [3, 0, 1, 2]


async def test_no_leaks_names_a_task_that_outlives_its_block() -> None:
    """What is still running is an error, not a guess."""
    async with trio.open_nursery() as nursery:
        with pytest.raises(AssertionError, match=r"tasks outlived the block: .*stray"), no_leaks():
            nursery.start_soon(trio.sleep_forever, name="stray")
        nursery.cancel_scope.cancel()


async def test_no_leaks_names_a_mailbox_that_is_still_open() -> None:
    """An actor that lives on has its mailbox open."""

    @asynccontextmanager
    async def start() -> AsyncIterator[Any]:
        yield print

    async with open_supervisor(SupervisorSpec(name="root")) as root:
        await root.start(ChildSpec(name="a", start=start, mailbox=1))
        with pytest.raises(AssertionError, match=r"mailboxes are still open: \['root/a'\]"), no_leaks():
            pass


def test_a_guest_host_runs_until_every_task_waits() -> None:
    """The test moves the clock; jobs say how they ended."""

    async def wait(seconds: float) -> str:
        await trio.sleep(seconds)
        return "done"

    async def fail() -> None:
        raise KeyError

    host = GuestHost()
    patient, impatient, failing = (
        host.start(lambda: wait(2)),
        host.start(lambda: wait(1)),
        host.start(fail),
    )
    assert not patient.done
    assert isinstance(failing.error, KeyError)
    host.advance(1)
    assert (impatient.value, patient.value) == ("done", None)
    patient.scope.cancel()
    host.settle()
    assert (patient.done, patient.cancelled) == (True, True)
    host.close()


def test_a_guest_host_that_hangs_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that never comes to rest ends the test instead of blocking it."""
    host = GuestHost()
    monkeypatch.setattr("actors._guest_host._PUMP_LIMIT_S", 0.01)

    with pytest.raises(AssertionError, match="the run under test has done nothing for"):
        for _ in range(100):
            host._step()

    monkeypatch.undo()
    host.close()


def test_a_guest_host_closes_over_a_clean_up_that_sleeps() -> None:
    """Time passes by itself then, and another host may be opened."""
    ended = []

    async def clean_up_slowly() -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.move_on_after(5, shield=True):
                await trio.sleep(1)
                ended.append("slept")

    for _ in range(2):
        host = GuestHost()
        host.start(clean_up_slowly)
        host.close()

    assert ended == ["slept", "slept"]


def test_a_sweep_that_would_prove_nothing_is_an_error() -> None:
    """A misspelt task, an action never set, a scenario without crash points."""

    async def without_action(_at_step: AtStep) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.lowlevel.checkpoint, name="victim")

    async def without_points(_points: CrashPoints) -> None:
        await trio.lowlevel.checkpoint()

    with pytest.raises(AssertionError, match="no task called `typo` made a step"):
        step_sweep(without_action, task="typo")
    with pytest.raises(AssertionError, match="the scenario sets no `action`"):
        step_sweep(without_action, task="victim")
    with pytest.raises(AssertionError, match="the scenario reached no crash point"):
        crash_sweep(without_points)


def test_a_failing_sweep_says_where() -> None:
    """The step, or the point, at which it can be tried again."""

    async def cancelled(at_step: AtStep) -> None:
        async def victim() -> None:
            with trio.CancelScope() as scope:
                at_step.action = scope.cancel
                await trio.lowlevel.checkpoint()
            assert not scope.cancelled_caught, "cancelled"

        async with trio.open_nursery() as nursery:
            nursery.start_soon(victim, name="victim")

    async def crashed(points: CrashPoints) -> None:
        points.reach()
        points.reach()

    with pytest.raises(ExceptionGroup) as failed:
        step_sweep(cancelled, task="victim")
    assert failed.value.__notes__ == ["`step_sweep` acted before step 2 of 2 of the task `victim`"]
    with pytest.raises(RuntimeError, match="planted crash") as crash:
        crash_sweep(crashed)
    assert crash.value.__notes__ == ["`crash_sweep` crashed at point 1 of 2"]
