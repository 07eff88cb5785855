"""G16: an ask raises `AskCycle` if and only if its answer would wait for itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import AskCycle, ChildSpec, Ref, Request
from actors._cycles import Worker, find_cycle
from actors._envelope import Asked
from actors.testing import run_taped
from tests.actors.rig import GENEROUS, ROOT, Rig

# -- the pure search ------------------------------------------------------------------------------------------------


class Seat:
    def __init__(self, path: str, workers: int = 1) -> None:
        self.path = path
        self.workers: Sequence[Worker] = [Worker(self) for _ in range(workers)]


def asks(worker: Worker, target: Seat, by: Worker | None = None) -> None:
    """Let `worker` wait for `target`, whose worker `by` has the message in hand (None: it is queued)."""
    envelope: Asked[Any] = Asked("question")
    worker.awaiting[envelope] = target
    if by is not None:
        by.in_hand = (envelope,)


def test_an_actor_between_two_incarnations_will_answer() -> None:
    """No workers means that the next incarnation takes the message, whoever waits meanwhile."""
    a, b = Seat("a"), Seat("b", workers=0)

    assert find_cycle(a.workers[0], b) is None


def test_a_message_in_hand_is_answered_by_the_worker_that_has_it() -> None:
    """`b` waits for the first worker of `a`, which is free: the second may ask `b`."""
    a, b = Seat("a", workers=2), Seat("b")
    asks(b.workers[0], a, by=a.workers[0])

    assert find_cycle(a.workers[1], b) is None
    assert find_cycle(a.workers[0], b) == ("a", "b", "a")


def test_a_queued_message_is_answered_by_any_free_worker() -> None:
    """`b` waits in the queue of `a`: only when all workers of `a` wait for `b` is that for ever."""
    a, b = Seat("a", workers=2), Seat("b")
    asks(b.workers[0], a)
    assert find_cycle(a.workers[0], b) is None

    asks(a.workers[0], b, by=b.workers[0])
    assert find_cycle(a.workers[1], b) == ("a", "b", "a")


class Incomparable:
    """Compares as arrays and query expressions do: not to a truth."""

    def __eq__(self, other: object) -> bool:
        raise TypeError("cannot be compared")

    __hash__ = object.__hash__


def test_messages_in_hand_are_told_apart_without_comparing_them() -> None:
    """`a` handles what was told to it and `b` waits in its queue: a message may be of a type that refuses `==`."""
    a, b = Seat("a"), Seat("b")
    a.workers[0].in_hand = (Incomparable(),)
    asks(b.workers[0], a)

    assert find_cycle(a.workers[0], b) == ("a", "b", "a")


def test_two_questions_of_one_handler_do_not_take_two_workers() -> None:
    """A handler that asks twice at once holds one worker: the other is free to answer."""
    a, b, c = Seat("a", workers=2), Seat("b"), Seat("c")
    asks(a.workers[0], b, by=b.workers[0])
    asks(a.workers[0], c, by=c.workers[0])

    assert find_cycle(b.workers[0], a) is None


def test_a_handler_that_waits_for_two_is_stuck_when_one_of_them_is() -> None:
    """It needs both answers."""
    a, b, c = Seat("a"), Seat("b"), Seat("c")
    asks(a.workers[0], b, by=b.workers[0])
    asks(a.workers[0], c, by=c.workers[0])

    assert find_cycle(c.workers[0], a) == ("c", "a", "c")


def test_the_route_may_pass_actors_that_share_a_path() -> None:
    """The shortest of several routes is the one that is named."""
    a, b, c, d = (Seat(name) for name in "abcd")
    asks(b.workers[0], c)
    asks(b.workers[0], d)
    asks(c.workers[0], a)
    asks(d.workers[0], c)

    assert find_cycle(a.workers[0], b) == ("a", "b", "c", "a")


# -- whole actors ---------------------------------------------------------------------------------------------------


class Plan(msgspec.Struct, Request[list[Any]], frozen=True):
    """Whom to ask, one after another or all at once, and what they are to ask in turn."""

    target: int
    then: tuple[Plan, ...] = ()
    together: bool = False


PLANS = st.recursive(
    st.builds(Plan, st.integers(0, 3)),
    lambda plans: st.builds(Plan, st.integers(0, 3), st.lists(plans, max_size=3).map(tuple), st.booleans()),
    max_leaves=8,
)


def predicted(plan: Plan, waiting: tuple[int, ...] = ()) -> list[Any]:
    """Return what one lonely caller hears: a cycle exactly where an actor that waits would be asked again."""
    if plan.target in waiting:
        return ["cycle"]
    return [plan.target, *(predicted(step, (*waiting, plan.target)) for step in plan.then)]


class Askers:
    def __init__(self) -> None:
        self.refs: list[Ref[Plan]] = []

    async def ask(self, plan: Plan) -> list[Any]:
        try:
            return await self.refs[plan.target].ask(plan)
        except AskCycle as cycle:
            return ["cycle"] if cycle.names[0] == cycle.names[-1] else ["no cycle", *cycle.names]

    async def handle(self, plan: Plan) -> list[Any]:
        await trio.sleep(1)
        answers: list[Any] = [None] * len(plan.then)

        async def ask(place: int) -> None:
            answers[place] = await self.ask(plan.then[place])

        if plan.together:
            async with trio.open_nursery() as nursery:
                for place in range(len(plan.then)):
                    nursery.start_soon(ask, place)
        else:
            for place in range(len(plan.then)):
                await ask(place)
        return [plan.target, *answers]

    @asynccontextmanager
    async def start(self) -> AsyncIterator[Any]:
        yield self.handle

    async def run(self, workers: list[int], plans: list[Plan]) -> list[list[Any]]:
        answers: list[list[Any]] = [[] for _ in plans]

        async def client(place: int) -> None:
            answers[place] = await self.ask(plans[place])

        async with Rig().open(ROOT) as root:
            for name, count in enumerate(workers):
                spec = ChildSpec(
                    name=str(name), start=self.start, mailbox=1, workers=count, intensity=GENEROUS, stop_grace=0
                )
                self.refs.append(await root.start(spec))
            async with trio.open_nursery() as nursery:
                for place in range(len(plans)):
                    nursery.start_soon(client, place)
        return answers


@given(PLANS, st.lists(st.integers(0, 5), max_size=40))
@settings(max_examples=100, deadline=None)
def test_g16_one_caller_meets_a_cycle_exactly_where_there_is_one(plan: Plan, tape: list[int]) -> None:
    """Among actors with one worker each, an ask fails if and only if its target already waits for the asker."""

    async def main() -> list[list[Any]]:
        return await Askers().run([1] * 4, [one_at_a_time(plan)])

    assert run_taped(main, tape) == [predicted(plan)]


def one_at_a_time(plan: Plan) -> Plan:
    return Plan(plan.target, tuple(one_at_a_time(step) for step in plan.then))


@given(
    st.lists(st.integers(1, 3), min_size=4, max_size=4),
    st.lists(PLANS, min_size=1, max_size=4),
    st.lists(st.integers(0, 5), max_size=60),
)
@settings(max_examples=150, deadline=None)
def test_g16_many_callers_never_hang(workers: list[int], plans: list[Plan], tape: list[int]) -> None:
    """Whoever asks whom, however many workers there are, every ask ends: a run that hangs would be too slow."""

    async def main() -> list[list[Any]]:
        return await Askers().run(workers, plans)

    answers = run_taped(main, tape)

    assert all(answer[0] in (plan.target, "cycle") for answer, plan in zip(answers, plans, strict=True))
