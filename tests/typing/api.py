"""The types that callers see, checked by mypy; nothing here runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, assert_type

import msgspec

from actors import ChildSpec, OnDemand, Ref, Reply, Request, Status, Supervisor, SupervisorSpec, open_supervisor


class Get(msgspec.Struct, Request[int], frozen=True):
    key: str


class Put(msgspec.Struct, Request[None], frozen=True):
    key: str
    value: int


@asynccontextmanager
async def start() -> AsyncIterator[Callable[[Get | Put], Awaitable[int | None]]]:
    async def handle(message: Get | Put) -> int | None:
        return len(message.key)

    yield handle


async def replies_have_the_type_that_the_message_names(ref: Ref[Get | Put]) -> None:
    assert_type(await ref.ask(Get("a")), int)
    await ref.ask(Put("a", 1))
    assert_type(await ref.submit(Get("a")), Reply[int])
    assert_type(await (await ref.submit(Get("a"))).wait(), int)
    assert_type(ref.submit_nowait(Put("a", 1)), Reply[None])
    assert_type(ref.status(), Status)


async def a_ref_takes_the_messages_of_its_actor_and_no_others(ref: Ref[Get]) -> None:
    await ref.tell(Get("a"))
    ref.tell_nowait(Get("a"))
    await ref.tell("a")  # type: ignore[arg-type]
    ref.tell_nowait(Put("a", 1))  # type: ignore[arg-type]
    await ref.ask("a")  # type: ignore[arg-type]


async def a_ref_of_more_messages_serves_as_one_of_fewer(ref: Ref[Get | Put]) -> None:
    fewer: Ref[Get] = ref
    await fewer.tell(Get("a"))


@asynccontextmanager
async def start_batch() -> AsyncIterator[Callable[[list[Get]], Awaitable[list[int]]]]:
    async def handle(messages: list[Get]) -> list[int]:
        return [len(message.key) for message in messages]

    yield handle


async def a_ref_of_an_actor_that_takes_batches_is_annotated(root: Supervisor) -> None:
    ref: Ref[Get] = await root.start(ChildSpec(name="a", start=start_batch, mailbox=4, batch=4))
    await ref.tell(Get("a"))


async def a_supervisor_gives_refs_of_the_messages_that_its_child_handles() -> None:
    async with open_supervisor(SupervisorSpec(name="root")) as root:
        assert_type(root, Supervisor)
        spec: ChildSpec[Get | Put] = ChildSpec(name="a", start=start, mailbox=1)
        assert_type(await root.start(spec), Ref[Get | Put])
        nested = await root.start_on_demand(SupervisorSpec(name="b"), lambda _key: spec, idle_after=1)
        assert_type(nested, OnDemand)
        assert_type(nested.ref("x"), Ref[Any])
