"""Arawn for synchronous threads, such as the views of a Flask application: trio runs in a thread of its own."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import trio
from anyio.from_thread import start_blocking_portal

import arawn


async def within(seconds: float, workstream: arawn.Workstream, text: str) -> arawn.CompletionResponse:
    """Give a call a deadline: it runs in Arawn's thread, where trio's own are at hand."""
    with trio.fail_after(seconds):
        return await workstream.send(text)


with (  # for as long as the program runs; on leaving, calls under way have 5 s to end, then are cancelled
    start_blocking_portal("trio") as portal,
    portal.wrap_async_context_manager(arawn.open_runtime()) as runtime,
):

    def view(city: str) -> str:
        """Answer in any thread; many may be here at once."""
        workstream = runtime.workstream(f"guide-{city}")
        reply = portal.call(within, 300, workstream, f"What is there to see in {city}?")
        return reply.text

    with ThreadPoolExecutor(8) as threads:
        for answer in threads.map(view, ["Paris", "Madrid", "Rome"]):
            print(answer)

    request = arawn.CompletionRequest(messages=(arawn.user("Say OK"),))
    print(portal.call(partial(runtime.complete, request, tags={"job": "42"})).text)  # keywords go through `partial`

    with portal.wrap_async_context_manager(runtime.stream(request)) as events:
        while not isinstance(event := portal.call(anext, events), arawn.Completed):
            print(event)
