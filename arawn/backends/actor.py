"""The backend actor: a call comes in, attempts go out to the provider, each leaves its record, one answer goes back."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from functools import partial

import msgspec
import stamina
import trio
from trio_util import AsyncValue  # type: ignore[import-untyped]

from actors import Request
from arawn.backends.admission import Admission
from arawn.backends.attempt import Attempt, Outcome
from arawn.backends.health import BackendHealth, ToldHealth
from arawn.backends.local import LocalProvider, ModelServerDied
from arawn.backends.open import open_provider, takes_long
from arawn.backends.protocol import Provider
from arawn.backends.retry_hooks import RETRIES, hide_own_retries
from arawn.backends.stand_in import StandIn
from arawn.config.schema import InteractionLogConfig, Profile
from arawn.errors import ArawnError, BackendError, Unavailable
from arawn.interactions.ids import RecordIds
from arawn.interactions.journal import Journal
from arawn.interactions.redact import Redactor
from arawn.interactions.secret_set import SecretSet
from arawn.interactions.tool_results import OpenToolCalls, build_tool_result
from arawn.messages import CallContext, CompletionRequest, CompletionResponse, RoutingMetadata, StreamEvent
from arawn.metrics.counts import ProfileCounts
from arawn.stream import Begun

__all__ = ["BackendParts", "Call", "open_backend"]

_LOG = logging.getLogger("arawn.backends")
_LAST_CALLS_S = 1.0  # calls under way get this long to fail by themselves when their model server has died


class Call(msgspec.Struct, Request[CompletionResponse], frozen=True):
    """One completion asked of a backend; with a `sink` it is streamed, each delta sent there as it arrives.

    `sent_at` is the sender's `trio.current_time()`.
    """

    request: CompletionRequest
    context: CallContext
    sent_at: float
    sink: trio.MemorySendChannel[StreamEvent | Begun] | None = None


class BackendParts(msgspec.Struct, frozen=True):
    """What outlives the incarnations of one backend, and what it shares with the others."""

    name: str
    profile: Profile
    environ: Mapping[str, str]
    log: InteractionLogConfig
    journal: Journal
    secrets: SecretSet
    ids: RecordIds
    open_tool_calls: OpenToolCalls
    counts: ProfileCounts
    health: ToldHealth

    def new_id(self) -> str:
        """Return the id of a call that begins now."""
        return self.ids.next(time.time_ns() // 1_000_000)


class CallFailed(BackendError):
    """A call failed inside Arawn itself; its cause is attached, and its traceback is in the program's log."""

    def __init__(self, profile: str, cause: Exception, routing: RoutingMetadata | None) -> None:
        what = type(cause).__name__  # its text may hold content
        super().__init__(f"the call to profile `{profile}` failed inside Arawn ({what}); please report it")
        self.routing = routing


@asynccontextmanager
async def open_backend(parts: BackendParts) -> AsyncIterator[Callable[[Call], Awaitable[CompletionResponse]]]:
    """Open one incarnation of a backend and yield the handler of its calls.

    A provider that takes long to start keeps nobody else waiting: the block begins at once, and calls wait for it. One
    that cannot start makes a backend that answers every call with the reason, at once, and looks again and again
    whether it can start now: it waits for what is missing, which is no crash and no restart; see `StandIn`.

    Raises:
        ConfigError: The profile can never work as it stands.
        ModelServerDied: The model server of a `local` backend ended while the block was running.

    Checkpoint: always.
    If cancelled: the provider is closed.
    """
    async with AsyncExitStack() as stack:
        reason = None
        if not takes_long(parts.name, parts.profile):
            try:
                backend = await stack.enter_async_context(_open_ready(parts))
            except Unavailable as error:
                reason = error
            else:
                yield backend.handle
                return
        async with trio.open_nursery() as nursery:
            stand_in = StandIn(parts, partial(_open_watched, parts, nursery), reason)
            nursery.start_soon(stand_in.run)
            yield stand_in.handle
            nursery.cancel_scope.cancel(reason="the backend is stopping")


@asynccontextmanager
async def _open_ready(parts: BackendParts) -> AsyncIterator[_Backend]:
    """Yield a backend whose provider is there; raises `Unavailable` on the way in if it is not."""
    async with open_provider(parts.name, parts.profile, environ=parts.environ) as provider:
        parts.health.value = BackendHealth("ready", since=datetime.now(UTC))
        try:
            yield _Backend(parts, provider)
        finally:
            parts.health.value = BackendHealth("starting", since=datetime.now(UTC))


@asynccontextmanager
async def _open_watched(
    parts: BackendParts, nursery: trio.Nursery
) -> AsyncIterator[Callable[[Call], Awaitable[CompletionResponse]]]:
    """Yield the handler of a backend that is there; when its model server dies, `nursery` ends before it is closed."""
    async with _open_ready(parts) as backend:
        if not isinstance(backend.provider, LocalProvider):
            yield backend.handle
            return
        under_way = AsyncValue(0)

        async def handle(call: Call) -> CompletionResponse:
            under_way.value += 1
            try:
                return await backend.handle(call)
            finally:
                under_way.value -= 1

        nursery.start_soon(_crash_with_server, backend.provider, under_way)
        yield handle


async def _crash_with_server(provider: LocalProvider, under_way: AsyncValue) -> None:
    story = await provider.wait_died()
    with trio.move_on_after(_LAST_CALLS_S):
        await under_way.wait_value(0)
    raise ModelServerDied(story)


class _AttemptFailed(Exception):
    """Tells stamina that an attempt has failed."""


class _Backend:
    """Handles calls, several at a time, on one provider."""

    def __init__(self, parts: BackendParts, provider: Provider) -> None:
        self._parts = parts
        parts.secrets.add(provider.secrets)  # what `api_key_command` has printed may turn up in any record
        self._redactor = Redactor(parts.secrets)
        self.provider = provider
        self._admission = Admission(parts.name, parts.profile, parts.health, self._redactor)

    async def handle(self, call: Call) -> CompletionResponse:
        """Answer one call: attempts with back-off until one succeeds or a retry cannot help.

        Raises:
            BackendError: The last attempt's error; every attempt has its record.

        Checkpoint: always.
        If cancelled: the attempt under way is cancelled, and recorded as cancelled (or partial).
        """
        try:
            return await self._with_retries(call)
        except ArawnError:
            raise
        except Exception as error:  # one call's fault must not end the others on this backend
            _LOG.exception("a call to profile `%s` failed inside Arawn", self._parts.name)
            raise CallFailed(self._parts.name, error, call.context.routing) from error

    async def _with_retries(self, call: Call) -> CompletionResponse:
        """Make attempts until one succeeds or a retry cannot help.

        The first is made before stamina is asked at all, which takes as long as the rest of a call's bookkeeping.
        """
        call_id = self._parts.new_id()
        await self._log_tool_results(call)
        try:
            return await self._attempt(self._new_attempt(call, call_id, 1))
        except Exception as error:
            if wait_before_retry(error, self._parts.profile.retry.max_s) is False:
                raise
            failed = [error]
        try:
            response = await self._again(call, call_id, failed)
        except _AttemptFailed as token:
            token.__traceback__ = None
        except BaseException:
            failed.clear()  # an error in it has this frame
            raise
        else:
            failed.clear()
            return response
        raise failed.pop()

    async def _again(self, call: Call, call_id: str, failed: list[Exception]) -> CompletionResponse:
        """Make the attempts after the first; the error of the last one is kept in `failed`.

        Stamina is not given the errors: it would keep the last of them, with the frames that it has passed and all that
        is in them, until the collector comes. It keeps a token.
        """
        retry = self._parts.profile.retry
        hide_own_retries()
        attempts = stamina.retry_context(
            on=lambda _: self._whether_to_retry(failed[0]),
            attempts=retry.attempts,
            timeout=None,
            wait_initial=retry.initial_s,
            wait_max=retry.max_s,
            wait_jitter=retry.initial_s,
        )
        async for attempt in attempts.with_name(RETRIES, (), {}):
            with attempt:
                if attempt.num > 1:
                    try:
                        return await self._attempt(self._new_attempt(call, call_id, attempt.num))
                    except Exception as error:  # noqa: BLE001  # raised by the caller, or tried again
                        failed[0] = error
                raise _AttemptFailed
        raise AssertionError("stamina returns or raises")  # pragma: no cover

    def _new_attempt(self, call: Call, call_id: str, number: int) -> Attempt:
        attempt = Attempt(self._parts, self._redactor, self.provider.defaults, call, call_id=call_id, number=number)
        attempt.on_first_delta = self._admission.saw_answer  # a stream may go on for minutes
        return attempt

    async def _log_tool_results(self, call: Call) -> None:
        """Log what tools have answered since the model asked for them: this call is the first to say so."""
        for record_id, result in self._parts.open_tool_calls.answered(call.request, call.context):
            line = build_tool_result(
                record_id, result, at=datetime.now(UTC), config=self._parts.log, secrets=self._redactor
            )
            await self._parts.journal.record(line)

    def _whether_to_retry(self, error: Exception) -> bool | float:
        decision = wait_before_retry(error, self._parts.profile.retry.max_s)
        if decision is not False:
            said, _ = self._redactor.redact(str(error))  # a provider may quote what it was sent
            _LOG.info("profile `%s`: %s; it is tried again if attempts are left", self._parts.name, said)
        return decision

    async def _attempt(self, attempt: Attempt) -> CompletionResponse:
        """Make one attempt and record it before anyone hears of its outcome."""
        try:
            if await self._admission.enter(attempt):
                attempt.begin()
            response = await attempt.ask(self.provider)
        except Exception as error:
            self._admission.saw_failure(attempt, error)
            await attempt.record_shielded(attempt.failed(error))  # noqa: ASYNC120  # shielded, with a deadline, inside
            attempt.explain(error)
            raise
        except trio.Cancelled:
            self._admission.lost_sight(attempt)
            await attempt.record_shielded(attempt.cancelled())  # noqa: ASYNC102  # shielded, with a deadline, inside
            raise
        self._admission.saw_answer(response)
        await attempt.record(Outcome("ok", response))
        return attempt.answered(response)


def wait_before_retry(error: Exception, longest: float) -> bool | float:
    """Decide whether to try again: False, True (the usual back-off), or the seconds that the provider asked for."""
    if not isinstance(error, BackendError) or not error.retryable or isinstance(error, Unavailable):
        return False  # what is unavailable now is so for the next second too
    if error.retry_after_s is None:
        return True
    return error.retry_after_s if error.retry_after_s <= longest else False
