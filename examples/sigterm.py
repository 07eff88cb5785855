"""A program that stops in order on SIGTERM, as service managers send it: no call is lost, the log is closed."""

import signal

import trio

import arawn

QUESTIONS = ["What is the capital of France?", "And of Spain?", "And of Italy?"]
GRACE_S = 20  # less than the service manager waits before it kills


async def watch(stopping: trio.Event, calls: trio.CancelScope) -> None:
    """Wait for the first signal, which asks to stop; a second one, or the end of the grace, cancels the call."""
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        await anext(signals)
        stopping.set()
        with trio.move_on_after(GRACE_S):
            await anext(signals)
        calls.cancel()


async def main() -> None:
    stopping = trio.Event()
    async with arawn.open_runtime() as runtime, trio.open_nursery() as nursery:
        nursery.start_soon(watch, stopping, nursery.cancel_scope)
        for question in QUESTIONS:
            if stopping.is_set():  # what is under way was finished; nothing new is begun
                break
            print("asked:", question, flush=True)
            reply = await runtime.workstream("sigterm").send(question)
            print("answered:", reply.text, flush=True)
        nursery.cancel_scope.cancel()
    print("stopped in order", flush=True)  # every record is written, and another process may have the log


trio.run(main)
