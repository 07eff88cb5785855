"""Every error Arawn raises on purpose, sorted by what the caller may do about it.

ArawnError
├── ConfigError             the configuration is wrong: every problem, with file, line, key path
├── UnknownProfile          the name asked for and the names there are
├── BadInput                a request, a name or an argument that can never work as it stands
├── WrongLoop               called from outside the trio run that the runtime lives in; see `arawn.trio_run`
├── LogWriteFailed          the interaction log cannot be opened or written
├── StoreFailed             the workstream database cannot be opened, read or written
├── PolicyFailed            a routing policy of the user's decided nothing; see `arawn.routing.decision`
├── ToolServerFailed        a tool server does not start, does not answer, or has gone; see `arawn.agent.mcp_server`
└── BackendError            one call to one backend failed; carries profile, provider, status, code, attempt
    ├── AuthFailed          401 403
    ├── BadRequest          400 404 413 422 and other 4xx
    │   ├── ContextTooLong
    │   └── ModelNotFound
    ├── RateLimited         429, and local limits that would wait too long
    ├── Overloaded          5xx 529
    ├── ConnectionFailed    DNS, refused, reset, TLS
    ├── TimedOut            `which` is connect, first_token, idle or total
    ├── BadReply            not JSON, not the dialect, stream cut
    └── Unavailable         no key, model server not up, breaker open
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

from arawn.messages import CompletionResponse, RoutingMetadata

__all__ = [
    "ArawnError",
    "AuthFailed",
    "BackendError",
    "BadInput",
    "BadReply",
    "BadRequest",
    "ConfigError",
    "ConnectionFailed",
    "ContextTooLong",
    "LogWriteFailed",
    "ModelNotFound",
    "Overloaded",
    "RateLimited",
    "StoreFailed",
    "TimedOut",
    "Unavailable",
    "UnknownProfile",
]


class ArawnError(Exception):
    """Root of every error raised by Arawn. `str()` of any of them is one clear message for a person."""


class ConfigError(ArawnError):
    """The configuration cannot be used; `problems` holds a line each: `file:line: key.path: what; what is accepted`."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class UnknownProfile(ArawnError):
    """A profile was named that is not configured, or none was and there is no default. Nothing was sent.

    Ask again with one of `known`; `why` is what the message says in place of the name.
    """

    def __init__(self, name: str, known: Iterable[str], *, why: str | None = None) -> None:
        self.name = name
        self.known = tuple(sorted(known))
        names = ", ".join(f"`{known_name}`" for known_name in self.known) or "none"
        super().__init__(f"{why or f'unknown profile `{name}`'}; the profiles are: {names}")


class BadInput(ArawnError):
    """A request, name or argument that can never work as it stands; the message says what would."""


class LogWriteFailed(ArawnError):
    """The interaction log cannot be opened or written."""


class StoreFailed(ArawnError):
    """The workstream database cannot be opened, read or written."""


class BackendError(ArawnError):
    """One call to one backend failed.

    Attributes:
        user_message: One sentence for a person: what was being done, what was found, what would be right.
        profile, provider: Which backend; filled in by the backend actor.
        status, code: The provider's HTTP status and error code, where it sent them.
        request_id: The provider's id of the request.
        attempt: How many attempts were made, this one included.
        retry_after_s: Seconds after which the provider invites another try.
        retryable: Whether the same request may succeed later.
        partial: What had arrived of a stream before it broke.
        interaction_id: The log record of the failed attempt.
        routing: Why this profile was asked.
    """

    default_retryable: ClassVar[bool] = False

    def __init__(
        self,
        user_message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        retry_after_s: float | None = None,
        retryable: bool | None = None,
        partial: CompletionResponse | None = None,
    ) -> None:
        super().__init__(user_message)
        self.user_message = user_message
        self.status = status
        self.code = code
        self.request_id = request_id
        self.retry_after_s = retry_after_s
        self.retryable = self.default_retryable if retryable is None else retryable
        self.partial = partial
        self.profile: str | None = None
        self.provider: str | None = None
        self.attempt = 1
        self.interaction_id: str | None = None
        self.routing: RoutingMetadata | None = None


class AuthFailed(BackendError):
    """The provider refused the key (401, 403)."""


class BadRequest(BackendError):
    """The provider refused the request itself; the same request will fail again."""


class ContextTooLong(BadRequest):
    """The conversation does not fit the model's context window."""


class ModelNotFound(BadRequest):
    """The provider does not know the model (or the path) asked for."""


class RateLimited(BackendError):
    """Too many requests or tokens; try again after `retry_after_s`."""

    default_retryable = True


class Overloaded(BackendError):
    """The provider failed or is overloaded (5xx, 529)."""

    default_retryable = True


class ConnectionFailed(BackendError):
    """No connection, or it broke before an answer: DNS, refused, reset, TLS."""

    default_retryable = True


class TimedOut(BackendError):
    """A deadline of the profile passed; `which` says which of the four."""

    def __init__(
        self,
        user_message: str,
        *,
        which: Literal["connect", "first_token", "idle", "total"],
        retryable: bool | None = None,
        partial: CompletionResponse | None = None,
    ) -> None:
        super().__init__(user_message, retryable=retryable, partial=partial)
        self.which = which


class BadReply(BackendError):
    """The provider's answer is not what its dialect allows: not JSON, wrong shape, a stream cut before its end."""


class Unavailable(BackendError):
    """The backend cannot take calls now: no key, model server not up, breaker open. Nothing was sent."""

    default_retryable = True
