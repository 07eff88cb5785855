"""One table from errors to answers."""

from __future__ import annotations

import json

import pytest

import arawn.errors
from actors.errors import ActorError, AskCycle, HandlerFailed, MailboxFull, OutcomeUnknown, Restarting, Stopped
from arawn.errors import (
    ArawnError,
    AuthFailed,
    BackendError,
    BadInput,
    BadReply,
    BadRequest,
    ConnectionFailed,
    ContextTooLong,
    LogWriteFailed,
    ModelNotFound,
    Overloaded,
    RateLimited,
    StoreFailed,
    TimedOut,
    Unavailable,
    UnknownProfile,
)
from arawn.server.reply import error_reply

CASES: list[tuple[ArawnError | ActorError, int, bool]] = [
    (UnknownProfile("x", []), 400, False),
    (BadInput("x"), 400, False),
    (AuthFailed("x", status=401), 502, False),
    (BadRequest("x", status=400), 400, False),
    (BadRequest("x", status=413), 413, False),
    (BadRequest("x", status=451), 400, False),
    (BadRequest("x"), 400, False),
    (ContextTooLong("x", status=422), 422, False),
    (ModelNotFound("x", status=404), 404, False),
    (RateLimited("x"), 429, True),
    (RateLimited("x", retryable=False), 429, False),
    (Overloaded("x", status=500), 503, True),
    (ConnectionFailed("x"), 502, True),
    (TimedOut("x", which="idle", retryable=True), 504, True),
    (BadReply("x"), 502, False),
    (Unavailable("x"), 503, True),
    (BackendError("x"), 502, False),
    (LogWriteFailed("x"), 503, True),
    (StoreFailed("x"), 503, True),
    (ArawnError("x"), 500, False),
    (MailboxFull("x"), 503, True),
    (Restarting("x"), 503, True),
    (Stopped("x"), 503, True),
    (HandlerFailed("x"), 500, False),
    (OutcomeUnknown("x"), 500, False),
]


@pytest.mark.parametrize(("error", "status", "retry_can_help"), CASES, ids=lambda value: repr(value)[:24])
def test_each_error_has_its_answer(error: ArawnError | ActorError, status: int, retry_can_help: bool) -> None:
    """The status fits the error, and a client is told when another try cannot help."""
    reply = error_reply(error)

    assert reply.status == status
    assert ((b"x-should-retry", b"false") in reply.headers) is not retry_can_help
    assert json.loads(reply.body)["error"]["message"]


def tried(error: BackendError, attempt: int) -> BackendError:
    error.attempt = attempt
    return error


@pytest.mark.parametrize(
    ("error", "told_not_to"),
    [
        (Overloaded("x", status=500), True),
        (Overloaded("x", status=503, retry_after_s=1.0), True),
        (ConnectionFailed("x"), True),
        (TimedOut("x", which="connect", retryable=True), True),
        (RateLimited("x", retry_after_s=60.0), False),
        (Unavailable("x", retry_after_s=3.0), False),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_what_was_tried_again_is_not_multiplied(error: BackendError, told_not_to: bool) -> None:
    """A client that tries everything thrice would make twelve calls of four; one that is told when to come may come."""
    assert ((b"x-should-retry", b"false") in error_reply(tried(error, 4)).headers) is told_not_to
    assert (b"x-should-retry", b"false") not in error_reply(tried(error, 1)).headers


def test_every_error_of_ours_has_an_answer() -> None:
    """A new class of error cannot be forgotten: the nearest parent answers for it."""
    kinds = [getattr(arawn.errors, name) for name in arawn.errors.__all__] + [ActorError, AskCycle]

    for kind in kinds:
        assert error_reply(kind.__new__(kind, "x") if kind is AskCycle else _made(kind)).status >= 400


def _made(kind: type[Exception]) -> ArawnError | ActorError:
    if kind is TimedOut:
        return TimedOut("x", which="total")
    if kind is UnknownProfile:
        return UnknownProfile("x", [])
    made = kind("x")
    assert isinstance(made, ArawnError | ActorError)
    return made


@pytest.mark.parametrize(("seconds", "shown"), [(0.0, b"0"), (0.2, b"1"), (3.0, b"3"), (-1.0, b"0")])
def test_retry_after_is_whole_seconds_rounded_up(seconds: float, shown: bytes) -> None:
    """A client that waits as long as it is told does not come too early."""
    reply = error_reply(RateLimited("x", retry_after_s=seconds))

    assert (b"retry-after", shown) in reply.headers


def test_the_envelope_says_which_backend_failed() -> None:
    """What is known of the failure is in the answer, what is not known is left out."""
    error = Overloaded("the provider is overloaded", status=529, code="overloaded_error")
    error.profile, error.provider, error.interaction_id = "fast", "groq", "0190"

    assert json.loads(error_reply(error).body) == {
        "error": {
            "type": "overloaded",
            "message": "the provider is overloaded",
            "profile": "fast",
            "provider": "groq",
            "status": 529,
            "code": "overloaded_error",
            "interaction_id": "0190",
        }
    }
    assert error_reply(error).request_id == "0190"


def test_what_was_not_begun_at_the_stop_says_so_in_plain_words() -> None:
    """Whoever sent it knows nothing of actors and their messages."""
    told = json.loads(error_reply(Stopped("`Call` to actor `arawn/backends/backend:tiny`: stopped")).body)["error"]

    assert told["type"] == "stopped"
    assert "is stopping" in told["message"]
    assert "no provider was asked: send it again" in told["message"]
    assert "actor" not in told["message"]
