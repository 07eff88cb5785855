"""Arawn in a notebook or at a prompt: opened in one cell, used in others, closed in the last one or at the end."""

# %% first cell: trio runs in a thread of its own, beside the loop that the notebook has
import atexit
from contextlib import ExitStack

from anyio.from_thread import start_blocking_portal

import arawn

if isinstance(before := globals().get("opened"), ExitStack):  # this cell is run again
    before.close()
opened = ExitStack()
atexit.register(opened.close)  # does nothing if the last cell has run
portal = opened.enter_context(start_blocking_portal("trio"))
runtime = opened.enter_context(portal.wrap_async_context_manager(arawn.open_runtime()))

# %% any cell
research = runtime.workstream("research-notebook")
print(portal.call(research.send, "What is the capital of France?").text)


# %% another one: interrupting this cell cancels the call
def ask(text: str) -> str:
    future = portal.start_task_soon(research.send, text)
    try:
        return future.result().text
    finally:
        future.cancel()  # does nothing to a call that is over


print(ask("And of Spain?"))

# %% last cell: what waits is written, and another process may have the log
opened.close()
