"""A tree under test with its oracles: what was sent, what ran, what was said, and what must hold of all three."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Literal

import msgspec
import trio

from actors import (
    AskCycle,
    Backoff,
    ChildSpec,
    HandlerFailed,
    Intensity,
    NotStarted,
    OutcomeUnknown,
    Ref,
    Request,
    Supervisor,
    SupervisorSpec,
    open_supervisor,
)
from actors.events import DeadLetter, Event
from tests.actors.lifecycle import check_life_cycles

Fate = Literal["pending", "told", "answered", "refused", "failed", "unknown", "not started", "cancelled", "cycle"]

HOUR = 3600.0  # as good as for ever, but a test that waits for it fails instead of hanging
GENEROUS = Intensity(limit=1000, period=1.0)
AT_ONCE = Backoff(initial=0, jitter=0)
ROOT = SupervisorSpec(name="root", total=GENEROUS)
DEMAND = SupervisorSpec(name="demand", intensity=GENEROUS, backoff=AT_ONCE)


class Refused(Exception):
    """The reply error that the rig's actors declare."""


class Work(msgspec.Struct, Request[int], frozen=True):
    """A message: the handler waits `seconds`, then replies with `id`, or raises `raises`."""

    id: int
    seconds: float = 0.0
    raises: type[Exception] | None = None


class Rig:
    """Makes recording actors and sends to them; `check` holds the laws against the record."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.fates: dict[int, Fate] = {}
        self.started: list[int] = []
        self.finished: list[int] = []
        self.live: Counter[str] = Counter()
        self.violations: list[str] = []
        self.reach: Callable[[], None] = lambda: None

    @asynccontextmanager
    async def open(self, spec: SupervisorSpec = ROOT) -> AsyncIterator[Supervisor]:
        async with open_supervisor(spec, hooks=[self.events.append]) as root:
            yield root

    def actor(
        self, name: str, *, mailbox: int = 10, start_s: float = 0.0, cleanup_s: float = 0.0, **fields: Any
    ) -> ChildSpec[Work]:
        """Return the spec of an actor that records what it handles, and that it never lives twice at a time."""

        @asynccontextmanager
        async def start() -> AsyncIterator[Callable[[Work], Coroutine[Any, Any, int]]]:
            self.live[name] += 1
            if self.live[name] > 1:
                self.violations.append(f"two incarnations of {name}")
            try:
                self.reach()
                await trio.sleep(start_s)
                self.reach()
                yield self.handle
                await trio.sleep(cleanup_s)
                self.reach()
            finally:
                self.live[name] -= 1

        plain = {"intensity": GENEROUS, "backoff": AT_ONCE, "reply_errors": (Refused,)}
        return ChildSpec(name=name, start=start, mailbox=mailbox, **{**plain, **fields})

    def batching(
        self, name: str, batches: list[list[int]], *, batch: int, replies: int | None = None
    ) -> ChildSpec[Work]:
        """Return the spec of an actor that handles batches, gives `replies` of them, and notes them in `batches`."""

        @asynccontextmanager
        async def start() -> AsyncIterator[Callable[[list[Work]], Coroutine[Any, Any, list[int]]]]:
            async def handle(works: list[Work]) -> list[int]:
                batches.append([work.id for work in works])
                return [await self.handle(work) for work in works][:replies]

            yield handle

        return ChildSpec(name=name, start=start, mailbox=10, batch=batch, intensity=GENEROUS, backoff=AT_ONCE)

    @staticmethod
    def group(name: str = "group", *, limit: int = 1000, **fields: Any) -> SupervisorSpec:
        """Return the spec of a supervisor whose children may crash `limit` times in all."""
        total = Intensity(limit=limit, period=60)
        return SupervisorSpec(name=name, total=total, intensity=GENEROUS, backoff=AT_ONCE, **fields)

    async def handle(self, work: Work) -> int:
        self.started.append(work.id)
        self.reach()
        await trio.sleep(work.seconds)
        self.reach()
        if work.raises is not None:
            raise work.raises(f"message {work.id}")
        self.finished.append(work.id)
        return work.id

    # -- sending ----------------------------------------------------------------------------------------------------

    async def tell(self, ref: Ref[Work], work: Work) -> None:
        with self._fate_of(work.id):
            await ref.tell(work)
            self.fates[work.id] = "told"

    async def ask(self, ref: Ref[Work], work: Work) -> None:
        with self._fate_of(work.id):
            assert await ref.ask(work) == work.id
            self.fates[work.id] = "answered"

    async def submit(self, ref: Ref[Work], work: Work) -> None:
        """Send, do something else for a moment, and only then wait."""
        with self._fate_of(work.id):
            reply = await ref.submit(work)
            self.fates[work.id] = "cancelled"
            try:
                await trio.sleep(0.5)
                self.fates[work.id] = "pending"
                assert await reply.wait() == work.id
                self.fates[work.id] = "answered"
            finally:
                reply.abandon()

    def tell_nowait(self, ref: Ref[Work], work: Work) -> None:
        with self._fate_of(work.id):
            ref.tell_nowait(work)
            self.fates[work.id] = "told"

    def _fate_of(self, number: int) -> FateRecorder:
        return FateRecorder(self.fates, number)

    # -- the laws ---------------------------------------------------------------------------------------------------

    def dead(self, *, started: bool = False) -> list[int]:
        """Return the ids of dead letters, in order."""
        letters = [event for event in self.events if isinstance(event, DeadLetter) and event.started == started]
        return [letter.message.id for letter in letters if isinstance(letter.message, Work)]

    def check(self) -> None:
        """Hold every law that must hold once the tree has ended."""
        assert self.violations == []
        assert +self.live == Counter()
        check_life_cycles(self.events)
        starts, dead = Counter(self.started), Counter(self.dead())
        for number, fate in self.fates.items():
            told = f"message {number}: {fate}, {starts[number]} starts, {dead[number]} dead letters"
            assert starts[number] <= 1, told  # G2
            assert (starts[number], dead[number]) in _LAWFUL[fate], told  # G3, G4, G13
        assert set(starts) | set(dead) <= set(self.fates)


_RAN, _DEAD, _NEITHER = (1, 0), (0, 1), (0, 0)
_LAWFUL: dict[Fate, set[tuple[int, int]]] = {
    "pending": set(),  # a caller left waiting
    "told": {_RAN, _DEAD},  # nothing vanishes
    "answered": {_RAN},
    "refused": {_RAN},
    "failed": {_RAN},
    "unknown": {_RAN},
    "not started": {_NEITHER},  # safe to send again, and told once
    "cancelled": {_RAN, _DEAD, _NEITHER},
    "cycle": {_NEITHER},
}


def told(rig: Rig, kind: type[Any], *, since: int = 0) -> list[str]:
    """Return the names in the events of one kind, in order."""
    return [event.actor.rpartition("/")[2] for event in rig.events[since:] if isinstance(event, kind)]


class FateRecorder:
    """Sorts how a send ended; whatever a sender may see but the error of a test passes as a fate."""

    def __init__(self, fates: dict[int, Fate], number: int) -> None:
        assert number not in fates
        self._fates = fates
        self._number = number

    def __enter__(self) -> None:
        self._fates[self._number] = "pending"

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> bool:
        sorts: list[tuple[type[BaseException], Fate]] = [
            (NotStarted, "not started"),
            (HandlerFailed, "failed"),
            (OutcomeUnknown, "unknown"),
            (Refused, "refused"),
            (AskCycle, "cycle"),
            (trio.Cancelled, "cancelled"),
        ]
        for kind, fate in sorts:
            if isinstance(error, kind):
                self._fates[self._number] = fate
        return isinstance(error, Exception) and self._fates[self._number] != "pending"
