"""What answers for a provider that is not there: it has calls wait while it starts, refuses them when it cannot."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import trio

from arawn.backends.attempt import Attempt, Outcome
from arawn.backends.health import BackendHealth
from arawn.errors import Unavailable
from arawn.interactions.redact import Redactor
from arawn.messages import CompletionResponse

if TYPE_CHECKING:
    from arawn.backends.actor import BackendParts, Call

__all__ = ["RETRY_START_S", "StandIn"]

RETRY_START_S = 15.0  # how long a backend that could not start answers `Unavailable` before it tries again


class StandIn:
    """Stands in for a provider that is not there, and gives way to it when it is."""

    def __init__(
        self,
        parts: BackendParts,
        open_ready: Callable[[], AbstractAsyncContextManager[Callable[[Call], Awaitable[CompletionResponse]]]],
        reason: Unavailable | None,
    ) -> None:
        """Open nothing yet; `run` does.

        Args:
            parts: Of the backend.
            open_ready: Opens the provider and yields the handler of its calls; raises `Unavailable` if it is not there.
            reason: Why it was not there a moment ago; None if nobody has looked.
        """
        self._parts = parts
        self._open_ready = open_ready
        self._redactor = Redactor(parts.secrets)
        self._answer: Callable[[Call], Awaitable[CompletionResponse]] = self._wait
        self._looked = trio.Event()
        if reason is not None:
            self._refuse_for(reason)

    async def handle(self, call: Call) -> CompletionResponse:
        """Answer as things are now.

        Raises:
            Unavailable: The provider is not there, and why.
            BackendError, BadInput: As for its own handler, where it is.

        Checkpoint: always, unless a call is refused while the log is off.
        If cancelled: the call is cancelled, and recorded as such.
        """
        return await self._answer(call)

    async def run(self) -> None:
        """Open the provider; while it cannot be, look again every `RETRY_START_S`. Never returns.

        Checkpoint: always.
        If cancelled: the provider is closed if it is there by then.
        """
        if self._looked.is_set():
            await trio.sleep(RETRY_START_S)
        while True:
            was_there = False
            try:
                async with self._open_ready() as answer:
                    was_there = True
                    self._answer = answer
                    self._looked.set()
                    await trio.sleep_forever()
            except Unavailable as reason:
                self._refuse_for(reason)
            except Exception as error:
                if was_there:
                    raise
                self._refuse_for(self._fault(error))  # a crash would leave whoever waits for the start waiting for ever
            await trio.sleep(RETRY_START_S)

    def _fault(self, error: Exception) -> Unavailable:
        """Return what is said of an error that nobody foresaw, such as that of a wrong proxy or certificate file."""
        said, _ = self._redactor.redact(f"{type(error).__name__}: {error}")
        return Unavailable(f"profile `{self._parts.name}` cannot be started: {said}", retryable=False)

    def _refuse_for(self, reason: Unavailable) -> None:
        """Refuse calls for `reason`, and say so, since when it first was for this reason."""
        self._reason = reason
        self._answer = self._refuse
        self._looked.set()
        before = self._parts.health.value
        if (before.state, before.reason) != ("unavailable", reason.user_message):
            self._parts.health.value = BackendHealth("unavailable", reason.user_message, datetime.now(UTC))

    async def _wait(self, call: Call) -> CompletionResponse:
        """Answer once it is known whether the provider is there: the wait counts as time in the queue."""
        try:
            await self._looked.wait()
        except trio.Cancelled:
            attempt = self._attempt(call)
            await attempt.record_shielded(attempt.cancelled())  # noqa: ASYNC102  # shielded, with a deadline, inside
            raise
        return await self._answer(call)

    async def _refuse(self, call: Call) -> CompletionResponse:
        """Answer with the reason, and leave a record of it."""
        error = Unavailable(self._reason.user_message, retryable=self._reason.retryable)
        attempt = self._attempt(call)
        try:
            await attempt.record_shielded(Outcome("error", error=error))  # this stand-in may end at any moment
            attempt.explain(error)
            raise error
        finally:
            del error  # it has this frame, which would keep it

    def _attempt(self, call: Call) -> Attempt:
        parts = self._parts
        return Attempt(parts, self._redactor, parts.profile, call, call_id=parts.new_id(), number=1)
