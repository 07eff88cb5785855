from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arawn.backends.connection_failures import timed_out
from arawn.backends.failures import error_text, from_reported, from_status
from arawn.backends.masking import Masking
from arawn.backends.shape import ReportedError, reported_error
from arawn.config.schema import TimeoutsConfig
from arawn.errors import (
    AuthFailed,
    BackendError,
    BadReply,
    BadRequest,
    ContextTooLong,
    ModelNotFound,
    Overloaded,
    RateLimited,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def failure(status: int, body: object = None, **headers: str) -> BackendError:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    return from_status(
        "profile `p`", status, {name.replace("_", "-"): headers[name] for name in headers}, sent, now=NOW
    )


def openai_error(message: str = "it says", code: str | None = None) -> dict[str, object]:
    return {"error": {"message": message, "type": "some_type", "code": code}}


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (400, BadRequest, False),
        (401, AuthFailed, False),
        (402, BadRequest, False),
        (403, AuthFailed, False),
        (404, ModelNotFound, False),
        (408, BadRequest, True),
        (409, BadRequest, True),
        (413, BadRequest, False),
        (418, BadRequest, False),
        (422, BadRequest, False),
        (425, BadRequest, True),
        (429, RateLimited, True),
        (500, Overloaded, True),
        (501, Overloaded, False),
        (502, Overloaded, True),
        (503, Overloaded, True),
        (504, Overloaded, True),
        (529, Overloaded, True),
    ],
)
def test_each_status_has_its_type_and_retry(status: int, kind: type[BackendError], retryable: bool) -> None:
    """The table of statuses: what it is, and whether the same request may succeed later."""
    error = failure(status, openai_error())

    assert (type(error), error.retryable, error.status) == (kind, retryable, status)
    assert "profile `p`" in str(error)
    assert "it says" in str(error)


@pytest.mark.parametrize(
    ("wish", "status", "retryable"), [("true", 400, True), ("false", 503, False), ("x", 503, True)]
)
def test_the_providers_wish_about_retries_is_obeyed(wish: str, status: int, retryable: bool) -> None:
    """`x-should-retry` overrules the table."""
    assert failure(status, openai_error(), x_should_retry=wish).retryable is retryable


@pytest.mark.parametrize("code", ["insufficient_quota", "billing_hard_limit_reached"])
def test_a_spent_account_is_never_asked_again(code: str) -> None:
    """Waiting does not bring credit, whatever the header says."""
    error = failure(429, openai_error(code=code), x_should_retry="true")

    assert isinstance(error, RateLimited)
    assert not error.retryable
    assert "billing" in str(error)


@pytest.mark.parametrize("status", [400, 403])
def test_a_spent_account_is_known_by_its_words(status: int) -> None:
    """Anthropic calls it an invalid request; the message still quotes what it has said."""
    said = {"type": "invalid_request_error", "message": "Your credit balance is too low to access the API."}
    error = failure(status, {"type": "error", "error": said}, x_should_retry="true")

    assert (type(error), error.code, error.retryable) == (BadRequest, "billing_error", False)
    assert f"has no credit left ({status}, `invalid_request_error`)" in str(error)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, openai_error("This model's maximum context length is 8192 tokens.", "context_length_exceeded")),
        (400, {"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long: 9 > 8"}}),
        (400, {"error": {"code": 400, "message": "request (6031 tokens)", "type": "exceed_context_size_error"}}),
        (
            400,
            [{"error": {"code": 400, "message": "The input token count exceeds the maximum number of tokens allowed"}}],
        ),
        (413, openai_error("Request too large for model with 8192 tokens")),
    ],
)
def test_a_conversation_that_is_too_long_has_its_own_type(status: int, body: object) -> None:
    """Callers may shorten it, whichever provider says so in whichever words."""
    assert isinstance(failure(status, body), ContextTooLong)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, openai_error(code="model_decommissioned")),
        (400, {"error": {"message": "x/y is not a valid model ID", "code": 400}}),
        (404, b"404 page not found"),
    ],
)
def test_an_unknown_model_has_its_own_type(status: int, body: object) -> None:
    """The message says what to check."""
    error = failure(status, body)

    assert isinstance(error, ModelNotFound)
    assert "check `model` and `base_url`" in str(error)


def test_the_providers_details_are_kept() -> None:
    """Code, request id and invitation to retry travel in fields."""
    error = failure(429, openai_error(code="slow_down"), retry_after="7", x_request_id="r1")

    assert (error.code, error.request_id, error.retry_after_s) == ("slow_down", "r1", 7.0)


def test_a_provider_without_capacity_is_asked_again() -> None:
    """Groq's 498: its words say to try again with some patience."""
    error = failure(498, openai_error("flex capacity exceeded", "capacity_exceeded"))

    assert isinstance(error, Overloaded)
    assert error.retryable
    assert str(error).endswith("; try again later")


@pytest.mark.parametrize("status", [408, 409, 425])
def test_a_refusal_that_is_tried_again_does_not_say_to_change_the_request(status: int) -> None:
    """It may pass as it is."""
    error = failure(status, openai_error("timeout"))

    assert error.retryable
    assert str(error).endswith("timeout; try again later")


def test_a_request_over_the_limit_by_itself_is_not_tried_again() -> None:
    """OpenAI says so with the status of a limit; no wait makes it smaller."""
    said = "Request too large for m on tokens per min (TPM): Limit 30000, Requested 40000. The input or output tokens "
    error = failure(429, openai_error(said + "must be reduced in order to run successfully.", "rate_limit_exceeded"))

    assert isinstance(error, RateLimited)
    assert not error.retryable
    assert str(error).endswith("; shorten it: by itself it is over the limit")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [("0.2", "in 1 s"), ("59", "in 59 s"), ("61", "in 2 min"), ("3600", "in 1 h"), ("86400", "in 1 d")],
)
def test_a_known_wait_is_told(seconds: str, words: str) -> None:
    """Rounded up: whoever comes too early is refused again. What is not known is `later`."""
    assert str(failure(429, openai_error(), retry_after=seconds)).endswith(f"; try again {words}")
    assert str(failure(503, openai_error(), retry_after=seconds)).endswith(f"; try again {words}")
    assert str(failure(429, openai_error())).endswith("; try again later")
    assert "try again" not in str(failure(400, openai_error(), retry_after=seconds))


@pytest.mark.parametrize(
    ("body", "message", "code"),
    [
        ({"error": {"message": "m", "type": "t", "code": "c"}}, "m", "c"),
        ({"error": {"message": "m", "type": "t", "code": None}}, "m", "t"),
        ({"error": "m"}, "m", None),
        ({"type": "error", "error": {"type": "t", "message": "m"}}, "m", "t"),
        ({"object": "error", "message": "m", "type": "t", "code": 1}, "m", "t"),
        ({"detail": "m"}, "m", None),
        ([{"error": {"message": "m", "status": "UNAVAILABLE", "code": 503}}], "m", "UNAVAILABLE"),
        ({"error": {"code": "c"}}, '`{"error": {"code": "c"}}`', "c"),
        ({"x": 1}, '`{"x": 1}`', None),
        (None, "`null`", None),
    ],
)
def test_error_bodies_are_read_in_every_envelope(body: object, message: str, code: str | None) -> None:
    """The sentence and the code are found; otherwise the body itself is shown."""
    said = error_text(json.dumps(body).encode())

    assert (said.message, said.code) == (message, code)


@given(body=st.binary())
def test_any_error_body_makes_one_short_line(body: bytes) -> None:
    """Nothing a gateway sends can break a message."""
    message = str(failure(502, body))

    assert len(message) < 700
    assert len(error_text(b"<html>\r\n <b>" + body).message.splitlines()) == 1


def test_a_long_sentence_is_cut() -> None:
    """A provider that quotes the whole request does not fill the log."""
    assert len(str(failure(400, openai_error("x" * 10_000)))) < 700


def test_a_redirect_says_which_setting_is_wrong() -> None:
    """It is never followed; queries of the target are not shown."""
    error = failure(308, b"", location="https://me:secret@new.test:81/v1/chat?token=secret")

    assert (type(error), error.status, error.retryable) == (BadReply, 308, False)
    assert "`new.test:81/v1/chat`, which is not followed; set `base_url`" in str(error)
    assert "secret" not in str(error)
    assert "no address" in str(failure(302, b""))
    assert "an unreadable address" in str(failure(302, b"", location="http://[x"))


@pytest.mark.parametrize(
    ("which", "words"), [("idle", "nothing came for `idle_s` = 2 s"), ("total", "within `total_s`")]
)
def test_a_deadline_that_passed_is_told_as_it_was(which: Literal["idle", "total"], words: str) -> None:
    """A silence lasts for a time, what is not done is not done within one."""
    assert words in str(timed_out("profile `p`", TimeoutsConfig(idle_s=2.0), which))


@pytest.mark.parametrize(
    ("said", "kind", "status"),
    [
        (ReportedError("m", code="overloaded_error"), Overloaded, None),
        (ReportedError("m", code="rate_limit_error"), RateLimited, None),
        (ReportedError("m", code="authentication_error"), AuthFailed, None),
        (ReportedError("m", code="invalid_request_error"), BadRequest, None),
        (ReportedError("m", status=429), RateLimited, 429),
        (ReportedError("m"), Overloaded, None),
    ],
)
def test_an_error_inside_a_200_is_what_it_says(
    said: ReportedError, kind: type[BackendError], status: int | None
) -> None:
    """The type comes from the code; the status is only what the provider named, never 200."""
    error = from_reported("profile `p`", said)

    assert (type(error), error.status) == (kind, status)
    assert f"({'an error' if status is None else status} inside a 200" in str(error)


@pytest.mark.parametrize("code", ["4" * 5000, "²²²", 10**30])
def test_a_code_that_is_no_status_costs_no_refusal(code: object) -> None:
    """However long it is: the words are what counts."""
    said = reported_error({"message": "no", "code": code})

    assert (said.message, said.status) == ("no", None)


def test_a_key_in_the_code_of_an_error_inside_a_200_is_masked() -> None:
    """Clients are shown the code beside the message."""
    error = from_reported("p", ReportedError("no", code="bad k-secret-123"), Masking(["k-secret-123"]).of_bytes)

    assert error.code == "bad [key]"
    assert "k-secret-123" not in error.user_message
