"""The backend actor: a call comes in, attempts go out to the provider, each leaves its record, one answer goes back."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime

import msgspec
import stamina
import trio
from trio_util import AsyncValue  # type: ignore[import-untyped]

from actors import Request
from arawn.backends.admission import Admission
from arawn.backends.attempt import Attempt, Outcome
from arawn.backends.health import BackendHealth
from arawn.backends.local import LocalProvider, ModelServerDied
from arawn.backends.open import open_provider
from arawn.backends.protocol import Provider
from arawn.backends.retry_hooks import RETRIES, hide_own_retries
from arawn.config.schema import InteractionLogConfig, Profile
from arawn.errors import ArawnError, BackendError, Unavailable
from arawn.interactions.ids import RecordIds
from arawn.interactions.journal import Journal
from arawn.interactions.open_tool_calls import OpenToolCalls
from arawn.interactions.redact import Redactor
from arawn.interactions.tool_result import build_tool_result, text_of
from arawn.messages import CallContext, CompletionRequest, CompletionResponse, StreamEvent
from arawn.metrics.counts import ProfileCounts
from arawn.stream import Begun

__all__ = ["BackendParts", "Call", "open_backend"]

RETRY_START_S = 15.0  # how long a backend that could not start answers `Unavailable` before it tries again
_LOG = logging.getLogger("arawn.backends")
_RECORD_S = 5.0  # bounds the record of a failed call when the log has no room; it is counted as lost then
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
    secrets: tuple[str, ...]
    ids: RecordIds
    open_tool_calls: OpenToolCalls
    counts: ProfileCounts
    health: AsyncValue


class CallFailed(BackendError):
    """A call failed inside Arawn itself; its cause is attached, and its traceback is in the program's log."""

    def __init__(self, profile: str, cause: Exception) -> None:
        what = type(cause).__name__  # its text may hold content
        super().__init__(f"the call to profile `{profile}` failed inside Arawn ({what}); please report it")


@asynccontextmanager
async def open_backend(parts: BackendParts) -> AsyncIterator[Callable[[Call], Awaitable[CompletionResponse]]]:
    """Open one incarnation of a backend and yield the handler of its calls.

    A provider that cannot start makes a backend that answers every call with the reason, at once, and looks every
    `RETRY_START_S` whether it can start now: it waits for what is missing, which is no crash and no restart.

    Raises:
        ConfigError: The profile can never work as it stands.
        ModelServerDied: The model server of a `local` backend ended while the block was running.

    Checkpoint: always.
    If cancelled: the provider is closed.
    """
    async with AsyncExitStack() as stack:
        try:
            handle = await stack.enter_async_context(_open_ready(parts))
        except Unavailable as reason:
            waiting = _Waiting(parts, reason)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(waiting.look_again)
                yield waiting.handle
                nursery.cancel_scope.cancel(reason="the backend is stopping")
            return
        yield handle


@asynccontextmanager
async def _open_ready(parts: BackendParts) -> AsyncIterator[Callable[[Call], Awaitable[CompletionResponse]]]:
    """Yield the handler of a backend whose provider is there; raises `Unavailable` on the way in if it is not."""
    async with open_provider(parts.name, parts.profile, environ=parts.environ) as provider:
        backend = _Backend(parts, provider)
        parts.health.value = BackendHealth("ready", since=datetime.now(UTC))
        try:
            async with trio.open_nursery() as nursery:
                if isinstance(provider, LocalProvider):
                    nursery.start_soon(_crash_with_server, provider, backend)
                yield backend.handle
                nursery.cancel_scope.cancel(reason="the backend is stopping")
        finally:
            parts.health.value = BackendHealth("starting", since=datetime.now(UTC))


def _tell_unavailable(parts: BackendParts, reason: str) -> None:
    """Say so, since when it first was for this reason."""
    before: BackendHealth = parts.health.value
    if (before.state, before.reason) != ("unavailable", reason):
        parts.health.value = BackendHealth("unavailable", reason, datetime.now(UTC))


async def _crash_with_server(provider: LocalProvider, backend: _Backend) -> None:
    story = await provider.wait_died()
    with trio.move_on_after(_LAST_CALLS_S):
        await backend.under_way.wait_value(0)
    raise ModelServerDied(story)


class _Waiting:
    """Stands in for a provider that is not there, and gives way to it when it is."""

    def __init__(self, parts: BackendParts, reason: Unavailable) -> None:
        self._parts = parts
        self._redactor = Redactor(parts.secrets)
        self._refuse_for(reason)

    async def handle(self, call: Call) -> CompletionResponse:
        """Answer as things are now."""
        return await self._answer(call)

    async def look_again(self) -> None:
        """Look every `RETRY_START_S` for what is missing; never returns.

        Checkpoint: always.
        If cancelled: the provider is closed if it is there by then.
        """
        while True:
            await trio.sleep(RETRY_START_S)
            try:
                async with _open_ready(self._parts) as answer:
                    self._answer = answer
                    await trio.sleep_forever()
            except Unavailable as reason:
                self._refuse_for(reason)

    def _refuse_for(self, reason: Unavailable) -> None:
        self._reason = reason
        self._answer = self._refuse
        _tell_unavailable(self._parts, reason.user_message)

    async def _refuse(self, call: Call) -> CompletionResponse:
        """Answer with the reason, and leave a record of it."""
        error = Unavailable(self._reason.user_message, retryable=self._reason.retryable)
        attempt = Attempt(
            self._parts, self._redactor, self._parts.profile, call, call_id=_new_id(self._parts), number=1
        )
        with trio.move_on_after(_RECORD_S, shield=True):  # this stand-in may end at any moment
            await attempt.record(Outcome("error", error=error))
        attempt.explain(error)
        raise error


class _Backend:
    """Handles calls, several at a time, on one provider."""

    def __init__(self, parts: BackendParts, provider: Provider) -> None:
        self.under_way = AsyncValue(0)
        self._parts = parts
        self._redactor = Redactor([*parts.secrets, *provider.secrets])
        self._provider = provider
        self._admission = Admission(parts.name, parts.profile, parts.health, self._redactor)

    async def handle(self, call: Call) -> CompletionResponse:
        """Answer one call: attempts with back-off until one succeeds or a retry cannot help.

        Raises:
            BackendError: The last attempt's error; every attempt has its record.

        Checkpoint: always.
        If cancelled: the attempt under way is cancelled, and recorded as cancelled (or partial).
        """
        self.under_way.value += 1
        try:
            return await self._with_retries(call)
        except ArawnError:
            raise
        except Exception as error:  # one call's fault must not end the others on this backend
            _LOG.exception("a call to profile `%s` failed inside Arawn", self._parts.name)
            raise CallFailed(self._parts.name, error) from error
        finally:
            self.under_way.value -= 1

    async def _with_retries(self, call: Call) -> CompletionResponse:
        """Make attempts until one succeeds or a retry cannot help.

        The first is made before stamina is asked at all, which takes as long as the rest of a call's bookkeeping; its
        failure is then the first that stamina sees.
        """
        call_id = _new_id(self._parts)
        await self._log_tool_results(call)
        try:
            return await self._attempt(self._new_attempt(call, call_id, 1))
        except Exception as error:  # noqa: BLE001  # stamina raises it again, or asks again
            failed = error
        retry = self._parts.profile.retry
        hide_own_retries()
        attempts = stamina.retry_context(
            on=self._whether_to_retry,
            attempts=retry.attempts,
            timeout=None,
            wait_initial=retry.initial_s,
            wait_max=retry.max_s,
            wait_jitter=retry.initial_s,
        )
        async for attempt in attempts.with_name(RETRIES, (), {}):
            with attempt:
                if attempt.num == 1:
                    raise failed
                return await self._attempt(self._new_attempt(call, call_id, attempt.num))
        raise AssertionError("stamina returns or raises")  # pragma: no cover

    def _new_attempt(self, call: Call, call_id: str, number: int) -> Attempt:
        attempt = Attempt(self._parts, self._redactor, self._provider.defaults, call, call_id=call_id, number=number)
        attempt.on_first_delta = self._admission.saw_answer  # a stream may go on for minutes
        return attempt

    async def _log_tool_results(self, call: Call) -> None:
        """Log what tools have answered since the model asked for them: this call is the first to say so."""
        for record_id, result in self._parts.open_tool_calls.answered(call.request, call.context):
            line = build_tool_result(
                interaction_id=record_id,
                tool_call_id=result.tool_use_id,
                success=not result.is_error,
                content=text_of(result),
                at=datetime.now(UTC),
                config=self._parts.log,
                secrets=self._redactor,
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
            await self._admission.enter(attempt)
            attempt.begin()
            response = await attempt.ask(self._provider)
        except Exception as error:
            self._admission.saw_failure(attempt, error)
            with trio.move_on_after(_RECORD_S, shield=True):
                await attempt.record(attempt.failed(error))
            attempt.explain(error)
            raise
        except trio.Cancelled:
            self._admission.lost_sight(attempt)
            with trio.move_on_after(_RECORD_S, shield=True):
                await attempt.record(attempt.cancelled())
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


def _new_id(parts: BackendParts) -> str:
    return parts.ids.next(time.time_ns() // 1_000_000)
