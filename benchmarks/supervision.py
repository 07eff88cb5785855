"""What does supervision cost a message: an actor beside a bare loop that reads the same mailbox and envelopes?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

import trio

from actors import ChildSpec, Ref, Stopped, SupervisorSpec, open_supervisor
from actors._envelope import NO_MAIL, Asked
from actors._mailbox import Mailbox
from actors._seat import ActorSeat
from actors.events import Hooks
from benchmarks.ask import Double, doubler
from benchmarks.measure import Comparison, Run, alternate

CLIENTS = 100
ASKS = 400  # each

SPEC = ChildSpec(name="doubler", start=doubler, mailbox=128)

Ask = Callable[[Double], Awaitable[int]]


async def _clients(ask: Ask) -> None:
    async def client() -> None:
        for number in range(ASKS):
            await ask(Double(number))

    async with trio.open_nursery() as nursery:
        for _ in range(CLIENTS):
            nursery.start_soon(client)


async def _supervised() -> None:
    async with open_supervisor(SupervisorSpec(name="root")) as root:
        ref = await root.start(SPEC)
        await _clients(ref.ask)


async def _read_by_a_loop(mailbox: Mailbox[Double], ask: Ask) -> None:
    """Nobody would restart this loop, tell the caller of a message that it fails on, or skip an abandoned one."""

    async def serve() -> None:
        async with doubler() as handle:
            while await mailbox.wait_mail():
                while (envelope := mailbox.take_nowait()) is not NO_MAIL:
                    assert isinstance(envelope, Asked)
                    envelope.reply(await handle(envelope.message))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        await _clients(ask)
        mailbox.finish(lambda _message: Stopped("the benchmark is over"))


async def _unsupervised() -> None:
    seat: ActorSeat[Double] = ActorSeat(SPEC, "doubler", Hooks())
    ref: Ref[Double] = Ref("bare", "doubler", seat.mailbox.offer, lambda: seat, lambda: seat)
    await _read_by_a_loop(seat.mailbox, ref.ask)


async def _without_a_ref() -> None:
    mailbox: Mailbox[Double] = Mailbox("doubler", 128)

    async def ask(message: Double) -> int:
        envelope = Asked(message)
        await mailbox.put(envelope)
        reply: int = await envelope.wait()
        return reply

    await _read_by_a_loop(mailbox, ask)


def _counted(main: Callable[[], Awaitable[None]]) -> Run:
    def run() -> int:
        trio.run(main)
        return CLIENTS * ASKS

    return run


def run() -> Iterator[Comparison]:
    """Compare; yields one result."""
    contestants = {
        f"actors: ask, {CLIENTS} clients": _counted(_supervised),
        "the same ref and mailbox, read by a loop": _counted(_unsupervised),
        "mailbox and envelope alone, read by a loop": _counted(_without_a_ref),
    }
    yield alternate("An ask, supervised", contestants, target=">= 0.9 x unsupervised", at_least=0.9)
