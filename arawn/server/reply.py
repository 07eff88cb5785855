"""Answers as data, and the one table that turns an error into an answer. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import quote

import msgspec

from actors.errors import ActorError, NotStarted, OutcomeUnknown, Stopped
from arawn.agent.mcp_server import ToolServerFailed
from arawn.errors import (
    ArawnError,
    AuthFailed,
    BackendError,
    BadInput,
    BadReply,
    BadRequest,
    ConnectionFailed,
    LogWriteFailed,
    Overloaded,
    RateLimited,
    StoreFailed,
    TimedOut,
    Unavailable,
    UnknownProfile,
)
from arawn.messages import RoutingMetadata
from arawn.workstreams.store_actor import StoreTimeout

__all__ = [
    "FAILURES",
    "ErrorBody",
    "ErrorDetail",
    "Failure",
    "Headers",
    "Refused",
    "Reply",
    "error_body",
    "error_reply",
    "json_reply",
    "refusal",
    "routing_headers",
]

_ENDED = (
    "Arawn, or the part of it that made this call, was stopped before the answer was whole; "
    "the model may have been asked, and the interaction log says what had arrived"
)
_STOPPING = (
    "Arawn, or the part of it that was asked, is stopping; nothing was done, and no provider was asked: send it again"
)
Headers = Sequence[tuple[bytes, bytes]]

# The status of each error; the nearest class in its line of descent counts. `BadRequest` keeps the provider's own.
STATUS: dict[type[BaseException], int] = {
    UnknownProfile: 400,
    BadInput: 400,
    BadRequest: 400,
    RateLimited: 429,
    AuthFailed: 502,
    ConnectionFailed: 502,
    BadReply: 502,
    BackendError: 502,
    Overloaded: 503,
    Unavailable: 503,
    LogWriteFailed: 503,
    StoreFailed: 503,
    TimedOut: 504,
    ToolServerFailed: 502,
    ArawnError: 500,
    NotStarted: 503,  # MailboxFull, Restarting, Stopped: nothing was done, send it again
    ActorError: 500,  # HandlerFailed, OutcomeUnknown: it may have had effects
}


class Reply(msgspec.Struct, frozen=True):
    """One whole answer. `request_id` names the log record that answered, where there is one.

    With `as_received` the body is a provider's own, which no envelope replaces.
    """

    status: int
    body: bytes
    headers: Headers = ()
    content_type: bytes = b"application/json"
    request_id: str | None = None
    as_received: bool = False


class Refused(Exception):
    """The request was refused before anything was done; `reply` says why."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"refused with status {reply.status}")
        self.reply = reply


Failure = ArawnError | ActorError
FAILURES = (ArawnError, ActorError)  # the same for `except`


class ErrorDetail(msgspec.Struct, frozen=True, omit_defaults=True):
    """What went wrong; the fields after `message` are known for errors of a backend, and `code` of a few others."""

    type: str
    message: str
    profile: str | None = None
    provider: str | None = None
    status: int | None = None
    code: str | None = None
    retry_after_s: float | None = None
    interaction_id: str | None = None


class ErrorBody(msgspec.Struct, frozen=True):
    """The envelope of every error."""

    error: ErrorDetail


def json_reply(status: int, value: object, *, headers: Headers = (), request_id: str | None = None) -> Reply:
    """Return `value` as a JSON answer."""
    return Reply(status, msgspec.json.encode(value), headers, request_id=request_id)


def refusal(status: int, kind: str, message: str, *, code: str | None = None, headers: Headers = ()) -> Reply:
    """Return a JSON error that no exception stands behind."""
    return json_reply(status, ErrorBody(ErrorDetail(kind, message, code=code)), headers=headers)


def routing_headers(routing: RoutingMetadata | None) -> Headers:
    """Return the headers that say which profile was chosen for a call, and why, percent-encoded; none if none was."""
    if routing is None:
        return ()
    return (b"x-arawn-profile", _percent_encoded(routing.profile)), (b"x-arawn-route", _percent_encoded(routing.reason))


@lru_cache(maxsize=64)  # most calls are of few profiles, chosen for few reasons
def _percent_encoded(text: str) -> bytes:
    return quote(text).encode()


def error_reply(error: Failure, chosen: RoutingMetadata | None = None) -> Reply:
    """Return the answer that `error` deserves: status, envelope, `retry-after`, `x-should-retry`, and whom it is of.

    Args:
        error: What went wrong.
        chosen: The profile that was chosen by then, where the error itself does not know.
    """
    routing = error.routing if isinstance(error, BackendError) else None
    headers = [*routing_headers(routing or chosen)]
    seconds = error.retry_after_s if isinstance(error, BackendError) else _soon(error)
    if seconds is not None:
        headers.append((b"retry-after", b"%d" % max(0, math.ceil(seconds))))
    if not _retry_can_help(error):
        headers.append((b"x-should-retry", b"false"))
    body = error_body(error)
    return json_reply(_status(error), body, headers=headers, request_id=body.error.interaction_id)


def error_body(error: Failure) -> ErrorBody:
    """Return the envelope for `error`."""
    kind = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(error).__name__).lower()
    if isinstance(error, OutcomeUnknown):
        return ErrorBody(ErrorDetail("outcome_unknown", str(error) if isinstance(error, StoreTimeout) else _ENDED))
    if isinstance(error, Stopped):
        return ErrorBody(ErrorDetail(kind, _STOPPING))
    if not isinstance(error, BackendError):
        return ErrorBody(ErrorDetail(kind, str(error) or kind.replace("_", " ")))
    detail = ErrorDetail(
        kind,
        error.user_message,
        profile=error.profile,
        provider=error.provider,
        status=error.status,
        code=error.code,
        retry_after_s=error.retry_after_s,
        interaction_id=error.interaction_id,
    )
    return ErrorBody(detail)


def _status(error: Failure) -> int:
    if isinstance(error, BadRequest) and error.status is not None and 400 <= error.status <= 422:
        return error.status
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def _soon(error: Failure) -> float | None:
    """Return when to try again what found no room, or came between two incarnations."""
    return 1.0 if isinstance(error, NotStarted) else None


def _retry_can_help(error: Failure) -> bool:
    """Say whether a client should try again: not what Arawn itself has tried more than once, as often as it may."""
    if isinstance(error, Overloaded | ConnectionFailed | TimedOut | BadRequest) and error.attempt > 1:
        return False
    if isinstance(error, BackendError):
        return error.retryable
    return isinstance(error, NotStarted | LogWriteFailed | StoreFailed)
