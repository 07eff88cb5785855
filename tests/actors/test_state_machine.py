"""A group of actors driven by hand, step by step, beside a model of lists (G1, G5, G9, G13, G14, G18)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import trio
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from actors import Backoff, ChildSpec, HandlerFailed, MailboxFull, NotStarted, OutcomeUnknown, Ref, Status, Supervisor
from actors.testing import GuestHost, Job
from tests.actors.lifecycle import check_life_cycles
from tests.actors.rig import GENEROUS, Rig, Work

NAMES = ("a", "b", "c")
BOUND = 2
DELAY = 1.0

Names = st.sampled_from(NAMES)


class Model:
    """What one actor should look like: lists of message ids, and when it starts again."""

    def __init__(self) -> None:
        self.queue: list[int] = []
        self.blocked: list[int] = []
        self.in_hand: int | None = None
        self.due: float | None = None
        self.stopped = False
        self.restarts = 0
        self.peak = 0

    @property
    def runs(self) -> bool:
        return self.due is None and not self.stopped

    def admit(self) -> None:
        while self.blocked and len(self.queue) < BOUND:
            self.queue.append(self.blocked.pop(0))
        self.peak = max(self.peak, len(self.queue))


class Group(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.host = GuestHost()
        self.rig = Rig()
        self.models = {name: Model() for name in NAMES}
        self.gates: dict[int, trio.Event] = {}
        self.failing: set[int] = set()
        self.asks: dict[int, Job[int]] = {}
        self.expected: dict[int, type[Exception] | None] = {}
        self.told: set[int] = set()
        self.abandoned: set[int] = set()
        self.dead: list[int] = []
        self.handled: list[int] = []
        self.returned: set[int] = set()
        self.next = 0
        self.now = 0.0
        self.end = trio.Event()
        self.group: Supervisor
        self.refs: dict[str, Ref[Work]] = {}

    @initialize(strategy=st.sampled_from(["one_for_one", "one_for_all", "rest_for_one"]))
    def plant(self, strategy: Any) -> None:
        self.strategy = strategy
        self.tree = self.host.start(self._run)
        assert set(self.refs) == set(NAMES)

    async def _run(self) -> None:
        async with self.rig.open() as root:
            self.group = await root.start_supervisor(Rig.group(strategy=self.strategy))
            for name in NAMES:
                self.refs[name] = await self.group.start(self._spec(name))
            await self.end.wait()

    def _spec(self, name: str) -> ChildSpec[Work]:
        @asynccontextmanager
        async def start() -> AsyncIterator[Callable[[Work], Coroutine[Any, Any, int]]]:
            yield self._handle

        wait = Backoff(initial=DELAY, factor=1, maximum=DELAY, jitter=0)
        return ChildSpec(name=name, start=start, mailbox=BOUND, intensity=GENEROUS, backoff=wait)

    async def _handle(self, work: Work) -> int:
        self.handled.append(work.id)
        await self.gates[work.id].wait()
        if work.id in self.failing:
            raise ValueError(work.id)
        return work.id

    def teardown(self) -> None:
        try:
            self._end_tree()
        finally:
            self.host.close()

    def _end_tree(self) -> None:
        for gate in self.gates.values():
            gate.set()
        self.end.set()
        self.host.settle()
        for _ in range(5):
            self.host.advance(10)
        if self.refs:
            assert (self.tree.done, self.tree.error) == (True, None)
            check_life_cycles(self.rig.events)

    # -- the model's moves --------------------------------------------------------------------------------------

    def _number(self) -> int:
        self.next += 1
        self.gates[self.next] = trio.Event()
        return self.next

    def _pull(self, model: Model) -> None:
        """Take mail in hand as far as the actor would; what nobody waits for is passed over."""
        while model.runs and model.in_hand is None and (model.queue or model.blocked):
            model.admit()
            number = model.queue.pop(0)
            model.admit()
            if number in self.abandoned:
                self.dead.append(number)
            else:
                model.in_hand = number

    def _undeliverable(self, numbers: list[int]) -> None:
        for number in numbers:
            if number in self.told or number in self.abandoned:
                self.dead.append(number)
            else:
                self.expected[number] = NotStarted
                self.returned.add(number)
        numbers.clear()

    def _interrupted(self, model: Model) -> None:
        if model.in_hand is not None:
            self.expected[model.in_hand] = OutcomeUnknown
            model.in_hand = None

    # -- rules --------------------------------------------------------------------------------------------------

    @rule(name=Names)
    def tell(self, name: str) -> None:
        model, number = self.models[name], self._number()
        job = self.host.start(partial(self._tell, name, number))
        if model.stopped or len(model.queue) >= BOUND:
            assert isinstance(job.error, NotStarted)
            assert isinstance(job.error, MailboxFull) != model.stopped
            self.returned.add(number)
        else:
            assert (job.done, job.error) == (True, None)
            self.told.add(number)
            model.queue.append(number)
            model.admit()
            self._pull(model)

    async def _tell(self, name: str, number: int) -> None:
        self.refs[name].tell_nowait(Work(number))

    @rule(name=Names)
    def ask(self, name: str) -> None:
        model, number = self.models[name], self._number()
        self.asks[number] = self.host.start(partial(self.refs[name].ask, Work(number)))
        model.blocked.append(number)
        if model.stopped:
            self._undeliverable(model.blocked)
        else:
            model.admit()
            self._pull(model)

    @rule(name=Names, fails=st.booleans())
    def finish(self, name: str, fails: bool) -> None:
        model = self.models[name]
        number, model.in_hand = model.in_hand, None
        if number is None:
            return
        if fails:
            self._fail(name, number)
        else:
            self.expected[number] = None
        self.gates[number].set()
        self.host.settle()
        self._pull(model)

    def _fail(self, name: str, number: int) -> None:
        self.failing.add(number)
        self.expected[number] = HandlerFailed
        first = {"one_for_one": NAMES.index(name), "one_for_all": 0, "rest_for_one": NAMES.index(name)}[self.strategy]
        affected = [name] if self.strategy == "one_for_one" else NAMES[first:]
        for member in affected:
            model = self.models[member]
            if not model.stopped:
                self._interrupted(model)
                model.due = self.now + DELAY

    @rule(seconds=st.sampled_from([0.25, 0.75, 1.5]))
    def advance(self, seconds: float) -> None:
        self.now += seconds
        self.host.advance(seconds)
        for model in self.models.values():
            if model.due is not None and model.due <= self.now and not model.stopped:
                model.due = None
                model.restarts += 1
                self._pull(model)

    @rule(name=Names)
    def stop(self, name: str) -> None:
        model = self.models[name]
        job = self.host.start(partial(self.refs[name].stop, 0))
        assert job.done
        self._interrupted(model)
        self._undeliverable(model.queue)
        self._undeliverable(model.blocked)
        model.stopped, model.due = True, None

    @precondition(lambda self: any(not job.done for job in self.asks.values()))
    @rule(choice=st.integers(0, 100))
    def give_up_an_ask(self, choice: int) -> None:
        waiting = [number for number, job in self.asks.items() if not job.done]
        number = waiting[choice % len(waiting)]
        self.asks[number].scope.cancel()
        self.host.settle()
        assert self.asks[number].cancelled
        for model in self.models.values():
            if number in model.blocked:
                model.blocked.remove(number)
                self.returned.add(number)
        self.abandoned.add(number)

    # -- what must hold at every step ---------------------------------------------------------------------------

    @invariant()
    def snapshots_equal_the_model(self) -> None:
        """G18, G5: the status tree says what the model says, whoever takes it whenever."""
        for name, ref in self.refs.items():
            model, status = self.models[name], self._look(ref)
            assert (status.queued, status.in_hand) == (len(model.queue), int(model.in_hand is not None)), name
            assert status.queued <= status.bound == BOUND
            assert status.peak >= status.queued
            state = "stopped" if model.stopped else "running" if model.runs else "backing_off"
            assert status.state == state, name
        for child in self._look(self.group).children if self.refs else ():
            model = self.models[child.name]
            assert child.restarts == model.restarts
            left = None if model.due is None else model.due - self.now
            assert child.next_restart_s == left or abs((child.next_restart_s or 0) - (left or 0)) < 1e-6

    def _look(self, at: Ref[Work] | Supervisor) -> Status:
        async def look() -> Status:
            with trio.testing.assert_no_checkpoints():
                return at.status()

        job = self.host.start(look)
        assert job.value is not None
        return job.value

    @invariant()
    def callers_hear_what_they_should(self) -> None:
        """G3, G4, G14: each ask that has ended says what the model predicts, and none has ended that should not."""
        for number, job in self.asks.items():
            if number in self.abandoned:
                continue
            assert job.done == (number in self.expected), number
            kind = self.expected.get(number)
            assert isinstance(job.error, kind) if kind is not None else job.error is None

    @invariant()
    def messages_are_conserved(self) -> None:
        """G13, G1: sent = handled + returned + dead-lettered + queued; and dead letters come in order."""
        held = [number for model in self.models.values() for number in (*model.queue, *model.blocked)]
        assert sorted([*self.handled, *self.returned, *self.dead, *held]) == list(range(1, self.next + 1))
        assert sorted(self.rig.dead()) == sorted(self.dead)


TestGroup = Group.TestCase
TestGroup.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
