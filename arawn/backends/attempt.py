"""One attempt at one call: its clock, its stream, its record."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
import trio

from arawn.backends.assembly import ContentAssembly
from arawn.backends.protocol import Provider
from arawn.backends.verbatim import VerbatimMessages
from arawn.config.schema import Profile
from arawn.errors import ArawnError, BackendError
from arawn.interactions.build import AttemptFacts, build_record
from arawn.interactions.record import InteractionRecord, Status
from arawn.interactions.redact import Redactor
from arawn.messages import Begun, CompletionRequest, CompletionResponse, StreamEvent

if TYPE_CHECKING:
    from arawn.backends.actor import BackendParts, Call

_LOG = logging.getLogger("arawn.backends")
_READER_GONE = "the reader of the stream went away"
_RECORD_S = 5.0  # bounds the record of a failed call when the log has no room; it is counted as lost then

__all__ = ["Attempt", "Outcome", "ReaderGone", "with_profile"]


class ReaderGone(ArawnError):
    """The reader of a stream went away in the middle of it."""


class CallCancelled(ArawnError):
    """A call was cancelled; only records say so, callers get trio's `Cancelled`."""


class Outcome(msgspec.Struct, frozen=True):
    """How an attempt ended: the answer (or what arrived of it), and the error if there was one."""

    status: Status
    response: CompletionResponse | None = None
    error: BaseException | None = None


class Attempt:
    """Asks the provider once, and knows all that the record of it will say."""

    def __init__(
        self, parts: BackendParts, redactor: Redactor, defaults: Profile, call: Call, *, call_id: str, number: int
    ) -> None:
        self.on_first_delta: Callable[[], None] = lambda: None
        self.number = number
        self._parts = parts
        self._call = call
        self._request = with_profile(call.request, defaults)
        self._redactor = redactor
        self._call_id = call_id
        self._received = ContentAssembly()
        self._first_delta_at: float | None = None
        self._known = Begun(self._request.model or "")  # of the answer
        self._own_id: str | None = None  # of the record to be written, once something has been said
        self._record_id: str | None = None
        self.begin()

    def begin(self) -> None:
        """Start the clock: what went before counts as time in the queue."""
        self._started = datetime.now(UTC)
        self._begun_at = trio.current_time()
        self._waited = max(0.0, self._begun_at - self._call.sent_at)

    async def ask(self, provider: Provider) -> CompletionResponse:
        """Ask the provider, plainly or as a stream into the caller's sink.

        Raises:
            BackendError, BadInput: As for `Provider.complete` and `Provider.stream`.
            ReaderGone: Nobody reads the stream any more.

        Checkpoint: always.
        If cancelled: the provider is left; `cancelled` has what had arrived of a stream.
        """
        if self._call.sink is None:
            return await provider.complete(self._request)
        return await provider.stream(self._request, self._emit)

    def _emit(self, event: StreamEvent | Begun) -> Awaitable[None] | None:
        """Hand an event to the reader, if it waits for one; else return what is to be awaited until it does."""
        assert self._call.sink is not None
        if isinstance(event, Begun):
            event = self._begun(event)
        else:
            self._received.add(event)
        try:
            self._call.sink.send_nowait(event)
        except trio.WouldBlock:
            return self._send(event)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise ReaderGone(_READER_GONE) from error
        return None

    def _begun(self, begun: Begun) -> Begun:
        """Return `begun` with its profile and the record of its answer: once begun, there is no other attempt."""
        self._first_delta_at = trio.current_time()
        self.on_first_delta()
        self._own_id = self._new_id()
        self._known = begun
        record_id = self._own_id if self._parts.journal.enabled else None
        return msgspec.structs.replace(begun, interaction_id=record_id, routing=self._call.context.routing)

    def _new_id(self) -> str:
        return self._parts.ids.next(int(self._started.timestamp() * 1000))

    async def _send(self, event: StreamEvent | Begun) -> None:
        assert self._call.sink is not None
        try:
            await self._call.sink.send(event)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise ReaderGone(_READER_GONE) from error

    def failed(self, error: Exception) -> Outcome:
        """Return the outcome of an attempt that ended with `error`."""
        if isinstance(error, ReaderGone):
            return Outcome("cancelled", self._arrived(), error)
        partial = error.partial if isinstance(error, BackendError) else None
        partial = partial or self._arrived()
        return Outcome("partial" if partial is not None else "error", partial, error)

    def cancelled(self) -> Outcome:
        """Return the outcome of an attempt whose caller went away, with what had arrived of a stream."""
        cut = CallCancelled("cancelled before the answer was whole: the caller left, or the backend was stopped")
        return Outcome("cancelled", self._arrived(), cut)

    def _arrived(self) -> CompletionResponse | None:
        """Return what has arrived of a stream as an answer without an end; None if nothing has."""
        if not len(self._received):
            return None
        known = self._known
        return CompletionResponse(
            content=self._received.content(), model=known.model, usage=known.usage, request_id=known.request_id
        )

    async def record_shielded(self, outcome: Outcome) -> None:
        """Record an attempt without an answer, also for a caller who has left or while the backend is being stopped.

        Checkpoint: always, unless the log is off.
        If cancelled: it takes its time all the same, 5 s at most.
        """
        with trio.move_on_after(_RECORD_S, shield=True):
            await self.record(outcome)

    async def record(self, outcome: Outcome) -> None:
        """Count this attempt, and write the record of it.

        Checkpoint: always, unless the log is off.
        If cancelled: the record is written all the same; see `Journal.record`.
        """
        self._count(outcome)
        if not self._parts.journal.enabled:
            return
        record_id = self._own_id or self._new_id()
        try:
            record = self._build(record_id, outcome)
        except Exception as error:  # noqa: BLE001  # the log never fails a call, and never is silent
            _LOG.exception("the record of a call to profile `%s` could not be built", self._parts.name)
            self._parts.journal.lose(f"a record could not be built ({type(error).__name__})")
            return
        self._record_id = record_id
        self._parts.open_tool_calls.asked(record)
        await self._parts.journal.record(record)

    def _count(self, outcome: Outcome) -> None:
        self._parts.counts.count_attempt(
            outcome.status,
            number=self.number,
            waited=self._waited,
            first_token=None if self._first_delta_at is None else self._first_delta_at - self._begun_at,
            usage=None if outcome.response is None else outcome.response.usage,
        )

    def _build(self, record_id: str, outcome: Outcome) -> InteractionRecord:
        now = trio.current_time()
        first = self._first_delta_at
        facts = AttemptFacts(
            record_id=record_id,
            call_id=self._call_id,
            attempt=self.number,
            profile=self._parts.name,
            provider=self._parts.profile.backend,
            request=self._request,
            context=self._call.context,
            started=self._started,
            duration_ms=(now - self._begun_at) * 1000,
            ttft_ms=None if first is None else (first - self._begun_at) * 1000,
            queue_ms=self._waited * 1000,
            status=outcome.status,
            response=outcome.response,
            error=outcome.error,
            stream=self._call.sink is not None,
            model_default=self._request.model,
        )
        return build_record(facts, config=self._parts.log, secrets=self._redactor)

    def answered(self, response: CompletionResponse) -> CompletionResponse:
        """Return the answer as the caller gets it."""
        return msgspec.structs.replace(
            response,
            profile=self._parts.name,
            interaction_id=self._record_id,
            routing=self._call.context.routing,
        )

    def explain(self, error: Exception) -> None:
        """Complete the error with all that the caller should know of where it happened."""
        if isinstance(error, BackendError):
            error.profile = self._parts.name
            error.provider = self._parts.profile.backend
            error.attempt = self.number
            error.interaction_id = self._record_id
            error.routing = self._call.context.routing


def with_profile(request: CompletionRequest, profile: Profile) -> CompletionRequest:
    """Return `request` with the profile's settings where it has none.

    `extra` is merged key by key; the request's value wins. Of what is no completion, only the model is left open.
    """
    model = profile.model if request.model is None else request.model
    if isinstance(request.messages, VerbatimMessages) and request.messages.is_of_other_endpoint:
        return msgspec.structs.replace(request, model=model)
    return msgspec.structs.replace(
        request,
        model=model,
        max_tokens=profile.max_tokens if request.max_tokens is None else request.max_tokens,
        temperature=profile.temperature if request.temperature is None else request.temperature,
        top_p=profile.top_p if request.top_p is None else request.top_p,
        stop=profile.stop if request.stop is None else request.stop,
        extra={**profile.extra, **request.extra},
    )
