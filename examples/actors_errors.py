from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import msgspec
import trio

from actors import (
    AskCycle,
    ChildSpec,
    HandlerFailed,
    NotStarted,
    OutcomeUnknown,
    Ref,
    Request,
    SupervisorSpec,
    open_supervisor,
)


class NoFunds(Exception):
    pass


class Pay(msgspec.Struct, Request[str], frozen=True):
    amount: int
    seconds: float = 0.0


@asynccontextmanager
async def till() -> AsyncIterator[Callable[[Pay], Awaitable[str]]]:
    async def handle(message: Pay) -> str:
        await trio.sleep(message.seconds)
        if message.amount > 100:
            raise NoFunds("at most 100")
        return f"paid {100 // message.amount} times"

    yield handle


async def pay(ref: Ref[Pay], message: Pay) -> None:
    try:
        print(await ref.ask(message))
    except NoFunds as error:
        print("an answer like any other:", error)
    except NotStarted as error:
        print("safe to send again:", error)
    except HandlerFailed as error:
        print("began and crashed:", repr(error.__cause__))
    except OutcomeUnknown as error:
        print("began, then was cut short:", error)
    except AskCycle as error:
        print("it would wait for itself:", error)


async def main() -> None:
    spec = SupervisorSpec(name="root")
    async with open_supervisor(spec, hooks=[]) as root, trio.open_nursery() as nursery:  # no log: one crash is meant
        ref = await root.start(ChildSpec(name="till", start=till, mailbox=4, reply_errors=(NoFunds,)))
        await pay(ref, Pay(25))
        await pay(ref, Pay(200))
        await pay(ref, Pay(0))
        nursery.start_soon(pay, ref, Pay(1, seconds=3600))
        await trio.sleep(0.2)  # that one is being handled now, and the next one waits behind it
        nursery.start_soon(pay, ref, Pay(2))
        await trio.sleep(0.1)
        await ref.stop(grace=0)


trio.run(main)
