from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import msgspec
import trio

from actors import ActorError, Backoff, ChildSpec, Request, SupervisorSpec, open_supervisor
from actors.testing import AtStep, CrashPoints, crash_sweep, no_leaks, run_taped, step_sweep


class Add(msgspec.Struct, Request[int], frozen=True):
    amount: int


def counter(total: list[int], reach: Callable[[], None] = lambda: None) -> ChildSpec[Add]:
    """The actor under test: it keeps its sum in `total`, and calls `reach` where it may crash."""

    @asynccontextmanager
    async def start() -> AsyncIterator[Callable[[Add], Awaitable[int]]]:
        async def handle(message: Add) -> int:
            reach()
            total[0] += message.amount
            await trio.sleep(0.01)  # virtual time: it costs none
            reach()
            return total[0]

        yield handle

    return ChildSpec(name="counter", start=start, mailbox=4, backoff=Backoff(initial=0.1, jitter=0))


async def under_a_schedule() -> None:
    """Two clients, and every sum is right, whoever is first."""
    total = [0]
    with no_leaks():
        async with open_supervisor(SupervisorSpec(name="root")) as root:
            ref = await root.start(counter(total))
            async with trio.open_nursery() as nursery:
                for amount in (1, 10):
                    nursery.start_soon(ref.ask, Add(amount))
    assert total == [11]


async def client_cancelled(at_step: AtStep) -> None:
    """The client goes at any moment: the actor goes on, and no message is half done."""
    total = [0]
    async with open_supervisor(SupervisorSpec(name="root")) as root, trio.open_nursery() as nursery:
        ref = await root.start(counter(total))

        async def client() -> None:
            with trio.CancelScope() as scope:
                at_step.action = scope.cancel
                await ref.ask(Add(1))

        nursery.start_soon(client, name="client")
        await trio.sleep(1)
        assert await ref.ask(Add(10)) in {10, 11}


async def actor_crashed(points: CrashPoints) -> None:
    """The actor crashes at any of its points: the caller hears of it, and the next message is answered."""
    total = [0]
    async with open_supervisor(SupervisorSpec(name="root"), hooks=[]) as root:
        ref = await root.start(counter(total, points.reach))
        for _ in range(2):
            try:
                await ref.ask(Add(1))
            except ActorError as error:
                print(type(error).__name__)


for draws in ([], [1], [2, 1]):  # in a property test, let Hypothesis draw the numbers
    run_taped(under_a_schedule, draws)
print("steps of the client:", step_sweep(client_cancelled, task="client"))
print("points:", crash_sweep(actor_crashed))
