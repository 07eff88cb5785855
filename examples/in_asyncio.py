"""Arawn in an asyncio program, such as a FastAPI application: trio runs in a thread of its own."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

from anyio.from_thread import BlockingPortal, start_blocking_portal

import arawn


async def called(portal: BlockingPortal, function: Callable[..., Any], *args: Any) -> Any:
    """Call into Arawn without blocking asyncio's loop; cancelling this cancels the call, at the provider too."""
    return await asyncio.wrap_future(portal.start_task_soon(function, *args))


async def words(  # noqa: ASYNC900  # asyncio programs are used to generators, and it cleans up wherever it is left
    portal: BlockingPortal, workstream: arawn.Workstream, text: str
) -> AsyncIterator[str]:
    """Yield an answer as it comes, as fast as it is read: what FastAPI's `StreamingResponse` takes."""
    block = AsyncExitStack()
    try:
        events = await called(portal, block.enter_async_context, workstream.stream(text))
        while not isinstance(event := await called(portal, anext, events), arawn.Completed):
            if isinstance(event, arawn.TextDelta):
                yield event.text
    finally:
        await called(portal, block.aclose)  # cancels the call if it is not over


async def main() -> None:
    with (  # for FastAPI: the body of its `lifespan`; entering and leaving block the loop for as long as they take
        start_blocking_portal("trio") as portal,
        portal.wrap_async_context_manager(arawn.open_runtime()) as runtime,
    ):
        research = runtime.workstream("research-asyncio")
        try:
            async with asyncio.timeout(300):
                reply = await called(portal, research.send, "What is the capital of France?")
        except arawn.ArawnError as error:  # they come over as they are
            print(error)
        else:
            print(reply.text)

        async for word in words(portal, research, "And of Spain?"):
            print(word, end="", flush=True)
        print()


asyncio.run(main())
