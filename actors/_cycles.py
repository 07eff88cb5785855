"""Who waits for whom: finds the cycle that an ask would close. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from actors._envelope import Asked, Mail


class Answering(Protocol):
    """What the search needs to know of an actor."""

    path: str
    workers: Sequence[Worker]


class Worker:
    """One task that handles an actor's mail: what it has in hand since when, and whose replies it waits for.

    `depth` is how many nurseries the task had open before it began: tasks in those outlive a message.
    """

    __slots__ = ("awaiting", "depth", "in_hand", "seat", "since", "task")

    def __init__(self, seat: Answering) -> None:
        self.seat = seat
        self.in_hand: Sequence[Mail[Any]] = ()
        self.since = 0.0
        self.task: Any = None
        self.depth = 0
        self.awaiting: dict[Asked[Any], Answering] = {}


def find_cycle(asker: Worker, target: Answering) -> tuple[str, ...] | None:
    """Return the paths of the actors in the cycle that `asker` would close by asking `target`, or None.

    A reply comes from the worker that has the message in hand, or from any worker of the actor while it is queued. An
    actor without workers is between two incarnations: its next one will answer.
    """
    if any(worker is not asker and not worker.awaiting for worker in target.workers):
        return None  # the usual case, found without a search
    stuck = _stuck(asker, target)
    if not _never_answered(target.workers, stuck):
        return None
    routes: deque[tuple[Worker, tuple[str, ...]]] = deque(
        (worker, (asker.seat.path, target.path)) for worker in target.workers
    )
    while routes[0][0] is not asker:  # breadth first; a deadlock without the asker was refused when it was made
        worker, route = routes.popleft()
        stuck.discard(worker)
        for envelope, seat in worker.awaiting.items():
            routes.extend((after, (*route, seat.path)) for after in _answering(envelope, seat) if after in stuck)
    return routes[0][1]


def _stuck(asker: Worker, target: Answering) -> set[Worker]:
    """Return the workers within reach of `target` that can never go on once `asker` waits for it.

    Whoever waits for nothing goes on; a reply comes once one of those that may give it goes on; who has all its
    replies goes on as well. Each wait is looked at once.
    """
    stuck = _reach(target.workers)
    hopes: dict[Worker, list[tuple[Worker, Asked[Any]]]] = {}
    missing = dict.fromkeys(stuck, 0)
    for worker in stuck:
        for envelope, seat in worker.awaiting.items():
            answering = _answering(envelope, seat)
            missing[worker] += bool(answering)
            for other in answering:
                hopes.setdefault(other, []).append((worker, envelope))
    going = [worker for worker, count in missing.items() if not count and worker is not asker]
    given: set[Asked[Any]] = set()
    while going:
        worker = going.pop()
        stuck.discard(worker)
        for waiter, envelope in hopes.get(worker, ()):
            if envelope not in given:
                given.add(envelope)
                missing[waiter] -= 1
                if not missing[waiter] and waiter is not asker:
                    going.append(waiter)
    return stuck


def _reach(workers: Iterable[Worker]) -> set[Worker]:
    found: set[Worker] = set()
    pending = list(workers)
    while pending:
        worker = pending.pop()
        if worker not in found:
            found.add(worker)
            for envelope, seat in worker.awaiting.items():
                pending += _answering(envelope, seat)
    return found


def _never_answered(answering: Sequence[Worker], stuck: set[Worker]) -> bool:
    return bool(answering) and stuck.issuperset(answering)


def _answering(envelope: Asked[Any], seat: Answering) -> Sequence[Worker]:
    """Return the workers that may answer: the one that has the envelope in hand, or all while it is queued."""
    return [worker for worker in seat.workers if any(mail is envelope for mail in worker.in_hand)] or seat.workers
