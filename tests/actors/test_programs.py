"""Random programs under random schedules: the laws hold for each (G1, G2, G3, G4, G9, G10, G13, G19, G20)."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors import Backoff, Ref, Supervisor, SupervisorGaveUp, SupervisorSpec
from actors.events import Crashed
from actors.testing import AtStep, run_taped
from tests.actors.rig import DEMAND, ROOT, Refused, Rig, Work

Step = tuple[str, str, float, type[Exception] | None]

ACTORS = ("a", "b", "c", "d", "x", "y")
SECONDS = st.sampled_from([0.0, 0.0, 0.5, 1.0, 3.0])
STEPS = st.tuples(
    st.sampled_from(["tell", "tell", "ask", "ask", "tell_nowait", "submit", "impatient", "sleep", "stop"]),
    st.sampled_from(ACTORS),
    SECONDS,
    st.sampled_from([None, None, None, ValueError, Refused]),
)
PROGRAMS = st.lists(st.lists(STEPS, min_size=2, max_size=8), min_size=2, max_size=4)
TAPES = st.lists(st.integers(0, 5), max_size=60)
STRATEGIES = st.sampled_from(["one_for_one", "one_for_all", "rest_for_one"])
TASKS = st.sampled_from(["root", "root/group", *(f"root/group/{name}" for name in "abcd"), "root/demand/x", "client 0"])

thorough = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Program:
    """One tree with every kind of actor, and clients that run their steps against it."""

    def __init__(self, clients: Sequence[Sequence[Step]], group: SupervisorSpec, root: SupervisorSpec = ROOT) -> None:
        self.rig = Rig()
        self.block = trio.CancelScope()
        self._clients = clients
        self._group = group
        self._root = root
        self._numbers = itertools.count()
        self._refs: dict[str, Ref[Work]] = {}

    async def run(self) -> None:
        with self.block:
            async with self.rig.open(self._root) as root:
                await self._plant(root)
                async with trio.open_nursery() as nursery:
                    for number, steps in enumerate(self._clients):
                        nursery.start_soon(self._client, steps, name=f"client {number}")

    async def _plant(self, root: Supervisor) -> None:
        make = self.rig.actor
        group = await root.start_supervisor(self._group)
        wait = Backoff(initial=0.5, jitter=0)
        self._refs["a"] = await group.start(make("a", mailbox=1, start_s=0.5))
        self._refs["b"] = await group.start(make("b", mailbox=2, workers=2, abandoned="cancel", backoff=wait))
        self._refs["c"] = await group.start(make("c", mailbox=2, while_restarting="fail", cleanup_s=1, backoff=wait))
        self._refs["d"] = await group.start(make("d", mailbox=1, restart="temporary", stop_grace=0))
        demand = await root.start_on_demand(
            DEMAND, lambda key: make(key, mailbox=1, workers=2, cleanup_s=0.5), idle_after=1
        )
        self._refs |= {"x": demand.ref("x"), "y": demand.ref("y")}

    async def _client(self, steps: Sequence[Step]) -> None:
        for kind, name, seconds, raises in steps:
            ref, work = self._refs[name], partial(Work, seconds=seconds, raises=raises)
            if kind == "sleep":
                await trio.sleep(seconds)
            elif kind == "stop":
                await ref.stop(seconds)
            elif kind == "tell_nowait":
                self.rig.tell_nowait(ref, work(next(self._numbers)))
            elif kind == "impatient":
                with trio.move_on_after(0.5):
                    await self.rig.ask(ref, work(next(self._numbers)))
            else:
                await getattr(self.rig, kind)(ref, work(next(self._numbers)))


def execute(program: Program, tape: Sequence[int], at_step: AtStep | None = None) -> Rig:
    instruments: Any = [] if at_step is None else [at_step]
    run_taped(program.run, tape, instruments=instruments)
    program.rig.check()
    return program.rig


@given(PROGRAMS, TAPES, STRATEGIES)
@thorough
def test_g2_g3_g4_the_laws_hold_for_any_program_under_any_schedule(
    clients: Any, tape: list[int], strategy: Any
) -> None:
    """G2, G3, G4, G9, G13, G19: no caller is lost, nothing runs or lives twice, errors tell the truth."""
    execute(Program(clients, Rig.group(strategy=strategy)), tape)


@given(PROGRAMS, TAPES, STRATEGIES, TASKS, st.integers(1, 25))
@thorough
def test_g3_g12_the_laws_hold_when_the_tree_is_cancelled_anywhere(
    clients: Any, tape: list[int], strategy: Any, task: str, step: int
) -> None:
    """G3, G11, G12: the same with the whole block cancelled just before some step of some task."""
    program = Program(clients, Rig.group(strategy=strategy))
    at_step = AtStep(task, step)
    at_step.action = partial(program.block.cancel, reason="drawn step")

    execute(program, tape, at_step)


@given(PROGRAMS, TAPES, STRATEGIES, st.integers(0, 3), st.integers(0, 2))
@thorough
def test_g10_a_crash_storm_ends_within_the_product_of_the_budgets(
    clients: Any, tape: list[int], strategy: Any, inner: int, outer: int
) -> None:
    """G10: a tree whose budgets are spent gives up in order, and restarts no more often than they allow."""
    group = Rig.group(strategy=strategy, limit=inner)
    program = Program(clients, group, SupervisorSpec(name="root", total=Rig.group(limit=outer).total))
    with contextlib.suppress(SupervisorGaveUp):
        execute(program, tape)
    program.rig.check()

    crashes = [event for event in program.rig.events if isinstance(event, Crashed)]
    inside = [crash for crash in crashes if crash.actor.startswith("root/group/") and crash.actor != "root/group/d"]
    assert sum(crash.actor == "root/group" for crash in crashes) <= outer + 1
    assert len(inside) <= 4 * (inner + 1) * (outer + 1)  # several may crash before the first is judged


@given(st.lists(st.lists(st.booleans(), max_size=8), min_size=1, max_size=4), TAPES)
@thorough
def test_g1_each_sender_is_heard_in_its_own_order(senders: list[list[bool]], tape: list[int]) -> None:
    """G1: whatever the schedule, and across crashes, the messages of one sender are taken in the order it sent them."""
    rig = Rig()

    async def send(ref: Ref[Work], number: int, crashes: list[bool]) -> None:
        for place, crash in enumerate(crashes):
            await rig.tell(ref, Work(100 * number + place, raises=ValueError if crash else None))

    async def main() -> None:
        async with rig.open() as root:
            ref = await root.start(rig.actor("a", mailbox=2))
            async with trio.open_nursery() as nursery:
                for number, crashes in enumerate(senders):
                    nursery.start_soon(send, ref, number, crashes)
            await trio.sleep(1)

    run_taped(main, tape)

    rig.check()
    for number, crashes in enumerate(senders):
        mine = [taken for taken in rig.started if taken // 100 == number]
        assert mine == [100 * number + place for place in range(len(crashes))]


@given(PROGRAMS, TAPES)
@settings(max_examples=30, deadline=None)
def test_g20_the_same_tape_gives_the_same_run(clients: Any, tape: list[int]) -> None:
    """G20: two runs of one program on one tape have the same events, byte for byte."""
    logs = []
    for _ in range(2):
        rig = execute(Program(clients, Rig.group()), tape)
        logs.append("\n".join(repr(event) for event in rig.events))

    assert logs[0] == logs[1]


@pytest.mark.slow
@given(PROGRAMS, TAPES, STRATEGIES, TASKS, st.integers(1, 25))
@settings(parent=thorough, max_examples=5000)
def test_the_laws_hold_for_many_more_programs(
    clients: Any, tape: list[int], strategy: Any, task: str, step: int
) -> None:
    """The cancelled programs again, as many as an overnight run has time for."""
    program = Program(clients, Rig.group(strategy=strategy))
    at_step = AtStep(task, step)
    at_step.action = partial(program.block.cancel, reason="drawn step")

    execute(program, tape, at_step)
