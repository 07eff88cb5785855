"""Which attempts go out to the provider, and what their outcomes say of its health."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal, TypeGuard

import trio

from arawn.backends.attempt import Attempt
from arawn.backends.breaker import FAILURES, Breaker
from arawn.backends.connection_failures import is_own_lack
from arawn.backends.failures import is_spent
from arawn.backends.health import BackendHealth, ToldHealth
from arawn.backends.limits import RateLimit
from arawn.config.schema import Profile
from arawn.errors import (
    AuthFailed,
    BackendError,
    BadReply,
    BadRequest,
    ConnectionFailed,
    Overloaded,
    RateLimited,
    TimedOut,
    Unavailable,
)
from arawn.interactions.redact import Redactor
from arawn.messages import CompletionResponse

__all__ = ["Admission"]

_MAY_PASS = (Overloaded, ConnectionFailed, TimedOut)  # what opens the breaker
_FAULTS = (*_MAY_PASS, AuthFailed, BadReply, Unavailable)
_ANSWERS = (AuthFailed, BadReply, BadRequest, RateLimited)  # whoever says so is up


class Admission:
    """The door of one backend: its limits per minute, its breaker, its health."""

    def __init__(self, name: str, profile: Profile, health: ToldHealth, redactor: Redactor) -> None:
        """Begin with an open door.

        Args:
            name: Of the profile, for messages.
            profile: Its limits.
            health: Where what is seen is kept.
            redactor: Takes secrets out of the reasons, since a provider may quote what it was sent.
        """
        self._name = name
        self._longest_wait = profile.retry.max_s
        self._requests = RateLimit(profile.requests_per_minute) if profile.requests_per_minute else None
        self._tokens = RateLimit(profile.tokens_per_minute) if profile.tokens_per_minute else None
        self._breaker = Breaker()
        self._last = ""  # by its type: what the provider said may quote another caller
        self._health = health
        self._redactor = redactor

    async def enter(self, attempt: Attempt) -> bool:
        """Return when `attempt` may go out, and whether it waited; then `saw` or `lost_sight` must be called with it.

        Raises:
            Unavailable: The breaker is open; it says for how long.
            RateLimited: The profile's own limits would hold it up for longer than `retry.max_s`; it says how long.

        Checkpoint: only when it has to wait.
        If cancelled: its place within the limit per minute is used up.
        """
        now = trio.current_time()
        rest = self._breaker.admit(attempt, now)
        if rest is not None:
            raise Unavailable(
                f"profile `{self._name}` rests for {max(1, rest):.0f} s: {FAILURES} calls in a row failed, the last "
                f"with {self._last}; `arawn status` has more",
                retry_after_s=rest,
            )
        return (self._requests is not None or self._tokens is not None) and await self._keep_limits(now)

    async def _keep_limits(self, now: float) -> bool:
        limits = {"requests_per_minute": self._requests, "tokens_per_minute": self._tokens}
        waits = [(limit.wait(now, 1), key) for key, limit in limits.items() if limit is not None]
        wait, key = max(waits)
        if wait > self._longest_wait:
            raise RateLimited(
                f"profile `{self._name}`: its own `{key}` is used up; free again in {max(1, wait):.0f} s",
                retry_after_s=wait,
            )
        if self._requests is not None:
            self._requests.spend(now, 1)
        if wait:
            await trio.sleep(wait)
        return wait > 0

    def saw_answer(self, response: CompletionResponse | None = None) -> None:
        """The provider has begun to answer, or has answered with `response`, whose tokens count."""
        self._breaker.succeeded()
        self._tell("ready", None)
        if self._tokens is not None and response is not None:
            usage = response.usage
            self._tokens.spend(trio.current_time(), (usage.total_input_tokens or 0) + (usage.output_tokens or 0))

    def saw_failure(self, attempt: Attempt, error: Exception) -> None:
        """The attempt ended with `error`, which may be the provider's or the caller's doing."""
        if is_own_lack(error):
            self._breaker.undecided(attempt)
            return
        refused_here = isinstance(error, Unavailable | RateLimited) and error.status is None
        if isinstance(error, TimedOut) and error.which == "total" and error.partial is not None:
            self._breaker.succeeded()  # it answers; its reader may be the slow one
        elif isinstance(error, _MAY_PASS):
            self._breaker.failed(attempt, trio.current_time(), again=attempt.number > 1)
        elif isinstance(error, _ANSWERS) and not refused_here:
            self._breaker.succeeded()
            if not _is_fault(error):
                self._tell("ready", error.user_message if isinstance(error, RateLimited) else None)
        else:
            self._breaker.undecided(attempt)
        if _is_fault(error) and not refused_here:
            self._tell_failure(error)

    def lost_sight(self, attempt: Attempt) -> None:
        """The attempt was cancelled."""
        self._breaker.undecided(attempt)

    def _tell_failure(self, error: BackendError) -> None:
        self._last = f"`{type(error).__name__}`" + (f" ({error.status})" if error.status else "")
        if self._breaker.is_open:
            self._tell("open", f"{FAILURES} calls in a row failed; last: {error.user_message}")
        else:
            self._tell("degraded", error.user_message)

    def _tell(self, state: Literal["ready", "degraded", "open"], reason: str | None) -> None:
        health = self._health.value
        if reason is not None:
            reason, _ = self._redactor.redact(reason)
        if (health.state, health.reason) != (state, reason):
            since = health.since if health.state == state == "open" else datetime.now(UTC)
            self._health.value = BackendHealth(state, reason, since)


def _is_fault(error: Exception) -> TypeGuard[BackendError]:
    """Say whether what failed will fail for the next call too, as far as one can tell."""
    return isinstance(error, _FAULTS) or (isinstance(error, BackendError) and is_spent(error.status, error.code))
