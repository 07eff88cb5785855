"""The ASGI lifespan protocol, for applications that have one."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import trio

from arawn.wire.asgi import ASGIApp, Event, Scope

__all__ = ["LifespanFailed", "open_lifespan"]

logger = logging.getLogger("arawn.wire")


class LifespanFailed(Exception):
    """The application said that it cannot start, or that it could not stop in order."""


@asynccontextmanager
async def open_lifespan(app: ASGIApp) -> AsyncGenerator[dict[str, Any]]:
    """Start the application, yield the state it wants in every request, stop it at the end.

    An application that raises on the lifespan scope does not speak the protocol and is served without, as ASGI demands.

    Raises:
        LifespanFailed: On `lifespan.startup.failed` at the start, on `lifespan.shutdown.failed` at the end.

    Checkpoint: always, on entry and exit. If cancelled: the application's lifespan task is cancelled.
    """
    lifespan = _Lifespan(app)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lifespan.run)
        await lifespan.say("startup")
        yield lifespan.state
        await lifespan.say("shutdown")
        nursery.cancel_scope.cancel(reason="the lifespan is over")


class _Lifespan:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._to_app, self._inbox = trio.open_memory_channel[Event](2)
        self._answered: dict[str, trio.Event] = {"startup": trio.Event(), "shutdown": trio.Event()}
        self._failure: str | None = None
        self._gone = False
        self.state: dict[str, Any] = {}

    async def run(self) -> None:
        scope: Scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
        }
        with self._to_app, self._inbox:
            try:
                await self._app(scope, self._inbox.receive, self._send)
            except Exception as error:
                if self._answered["startup"].is_set():
                    raise
                logger.debug("the application does not speak the lifespan protocol: %r", error)
            finally:
                self._gone = True
                for answered in self._answered.values():
                    answered.set()

    async def say(self, phase: str) -> None:
        """Send one phase and wait until it is answered or the application has left the protocol."""
        if not self._gone:
            self._to_app.send_nowait({"type": f"lifespan.{phase}"})
        await self._answered[phase].wait()
        if self._failure is not None:
            raise LifespanFailed(f"the application failed at {phase}: {self._failure or 'it gave no reason'}")

    async def _send(self, event: Event) -> None:
        _, phase, verdict = event["type"].split(".")
        if verdict == "failed":
            self._failure = event.get("message", "")
        self._answered[phase].set()
