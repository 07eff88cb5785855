"""What a provider's refusal means: status, headers and body to a typed error. Pure.

Messages hold the provider's own sentence, never an address with a query, a header or a key.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec

from arawn.backends.invited_retry import retry_after
from arawn.backends.shape import ReportedError, WrongShapeError, decode_as, reported_error
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
from arawn.messages import CompletionResponse

__all__ = [
    "error_text",
    "from_reported",
    "from_status",
    "is_spent",
    "quoted",
    "request_id",
    "unreadable_event",
    "unreadable_reply",
]

_RETRYABLE = {408, 409, 425, 429, 498, 500, 502, 503, 504, 529}
_NO_CAPACITY = 498  # Groq's word for it, of its tier `flex`
_SPENT = {
    "insufficient_quota",
    "billing_hard_limit_reached",
    "billing_not_active",
    "billing_error",
    "insufficient_balance",
    "insufficient_credits",
}
_SPENT_PHRASES = ("credit balance is too low",)  # Anthropic calls it an invalid request
_TOO_LONG_CODES = {"context_length_exceeded", "exceed_context_size_error", "model_max_prompt_tokens_exceeded"}
_TOO_LONG_PHRASES = (  # for the providers that send no code of their own
    "prompt is too long",
    "maximum context length",
    "maximum prompt length",
    "context window",
    "available context size",
    "exceed context limit",
    "exceeds the maximum number of tokens allowed",
    "too large for model with",
)
_NO_MODEL_CODES = {"model_not_found", "model_decommissioned", "invalid_model"}
_NO_MODEL_PHRASES = ("not a valid model", "invalid model")
_NO_MODEL_WORDS = re.compile(r"\bmodel\b.{0,200}(?:not found|(?:does not|doesn't) exist)")
_NO_PATH_WORDS = "unexpected endpoint"  # LM Studio's 200
_NOT_SUPPORTED = "is not supported"  # llama.cpp's 500 for pictures; the same request will fail again
_STATUS_OF_CODE = {
    "authentication_error": 401,
    "invalid_api_key": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "invalid_request_error": 400,
    "request_too_large": 413,
    "billing_error": 402,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "overloaded_error": 529,
    "timeout_error": 504,
    **dict.fromkeys(_TOO_LONG_CODES, 400),
    **dict.fromkeys(_NO_MODEL_CODES, 404),
}
_LONGEST_QUOTE = 500
_LATER = "try again later"
_NEVER_FITS = "must be reduced in order to run"  # OpenAI's 429 for a request that is itself over the limit
_SHORTER = "shorten it: by itself it is over the limit"
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))
_JSON = msgspec.json.Decoder()
_PLACE = re.compile(r"\(byte ([0-9]{1,9})\)")  # as msgspec says where JSON goes wrong
_BEFORE_FAULT = 40


def error_text(body: bytes) -> ReportedError:
    """Return what an error body says, in whichever envelope: gateways answer in others than the dialect's own."""
    try:
        value: Any = decode_as(_JSON, body)
    except WrongShapeError:
        return ReportedError(quoted(body))
    if isinstance(value, list) and value:  # Gemini wraps its errors in a list
        value = value[0]
    if isinstance(value, dict) and "error" in value:
        inner = reported_error(value["error"])
        return inner if inner.message else ReportedError(quoted(body), code=inner.code, status=inner.status)
    outer = reported_error(value)
    return outer if outer.message else ReportedError(quoted(body), code=outer.code, status=outer.status)


def quoted(body: bytes) -> str:
    """Return the first 80 characters of a body on one line, as they are shown in messages."""
    text = " ".join(body[:400].decode("utf-8", "replace").split())
    return f"`{text[:80]}`" if text else "an empty body"


def request_id(headers: Mapping[str, str]) -> str | None:
    """Return the provider's id of the request, if it sent one."""
    return headers.get("request-id") or headers.get("x-request-id")


def from_status(
    where: str, status: int, headers: Mapping[str, str], body: bytes, *, now: datetime, place: str = ""
) -> BackendError:
    """Return the error that an answer with a status other than 2xx stands for.

    Args:
        where: Which backend, as it should stand at the beginning of the message.
        status: The HTTP status.
        headers: The answer's headers, names looked up in lower case.
        body: The answer's body, or its beginning.
        now: The present time, with a zone; for `retry-after` dates.
        place: Which path was asked, and what a right `base_url` is; for a path that is not known.

    """
    if 300 <= status <= 399:
        return BadReply(_redirected(where, status, headers), status=status)
    said = error_text(body)
    wait = retry_after(headers, body, now=now)
    error = _typed(where, status, said, answer=str(status), wait=wait, place=place)
    error.status = status
    error.request_id = request_id(headers)
    error.retry_after_s = wait
    wish = headers.get("x-should-retry", "").lower()
    if wish in {"true", "false"} and not is_spent(status, error.code):
        error.retryable = wish == "true"
    return error


def from_reported(
    where: str,
    said: ReportedError,
    masked: Callable[[bytes], bytes] = bytes,
    *,
    place: str = "",
    partial: CompletionResponse | None = None,
) -> BackendError:
    """Return the error that an error inside an answer with status 200 stands for; `status` only if it names one.

    `masked` takes secrets out of what was said, before it is cut; `place` is as for `from_status`, `partial` what came
    before the error.
    """
    words = (said.message, said.code or "")
    message, code = (masked(text.encode("utf-8", "replace")).decode() for text in words)
    said = ReportedError(message, code=code or None, status=said.status)
    status = said.status or _status_of(said)
    answer = "an error inside a 200" if said.status is None else f"{status} inside a 200"
    error = _typed(where, status, said, answer=answer, place=place)
    error.status, error.partial = said.status, partial
    if said.status is None and said.code is None:  # words alone do not say that it will pass
        error.retryable = False
    return error


def _status_of(said: ReportedError) -> int:
    """Return the status that an error without one stands for: by its code, or by its words if these are all."""
    if said.code is not None:
        return _STATUS_OF_CODE.get(said.code, 500)
    if _NO_MODEL_WORDS.search(said.message.lower()) or _NO_PATH_WORDS in said.message.lower():
        return 404
    return 400 if _matches(said, _TOO_LONG_CODES, _TOO_LONG_PHRASES) else 500


def unreadable_reply(where: str, content_type: str, body: bytes, reason: str, hint: str) -> BadReply:
    """Return the error for an answer that is not of the dialect."""
    found = content_type or "no content type"
    advice = f"{hint}; if that is so, look at the server and at what stands between"
    return BadReply(f"{where} sent a reply that cannot be read ({reason}): {found}, {quoted(body)}; {advice}")


def unreadable_event(where: str, body: bytes, reason: str) -> BadReply:
    """Return the error for an event that is not of the dialect, in a stream that was until then."""
    place = _PLACE.search(reason)
    at = int(place[1]) if place else len(body) if "truncated" in reason else 0
    shown = quoted(body[max(0, at - _BEFORE_FAULT) :])
    fault = f"broke its stream with an event that cannot be read ({reason}): {shown}"
    return BadReply(f"{where} {fault}; what had arrived is kept as partial")


def _typed(
    where: str, status: int, said: ReportedError, *, answer: str, wait: float | None = None, place: str = ""
) -> BackendError:
    """Return the error; `answer` is the status in words, `wait` the seconds after which another try is invited."""
    text = said.message if len(said.message) <= _LONGEST_QUOTE else said.message[:_LONGEST_QUOTE] + "…"
    answer = f"{answer}, `{said.code}`" if said.code else answer
    if any(phrase in said.message.lower() for phrase in _SPENT_PHRASES):
        said = ReportedError(said.message, code="billing_error", status=said.status)
    kind, verdict, advice = _verdict(status, said)
    advice = advice if wait is None else advice.replace(_LATER, f"try again in {_rounded_up(wait)}")
    if status == 404 and place and "model" not in said.message.lower():  # then it is the path
        advice = f"{advice}: {place}"
    hopeless = is_spent(status, said.code) or _is_beyond(status, said) or _never_fits(said)
    retryable = status in _RETRYABLE and not hopeless
    return kind(f"{where} {verdict} ({answer}): {text}; {advice}", status=status, code=said.code, retryable=retryable)


def _rounded_up(seconds: float) -> str:
    """Return a wait in its largest unit: whoever comes too early is refused again."""
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= size), (1, "s"))
    return f"{math.ceil(seconds / size)} {unit}"


def _verdict(status: int, said: ReportedError) -> tuple[type[BackendError], str, str]:
    """Return the error's type, what the provider did, and what would be right."""
    if is_spent(status, said.code):
        kind = RateLimited if status == 429 else BadRequest
        return kind, "has no credit left", "waiting does not help, check the account's billing"
    if status in {401, 403}:
        return AuthFailed, "refused the key", "check the key that the profile uses and what it may do"
    if status == 429:
        return RateLimited, "limits the rate", _SHORTER if _never_fits(said) else _LATER
    if _is_beyond(status, said):
        return BadRequest, "cannot do this", "change the request or use another model"
    if status >= 500 or status == _NO_CAPACITY:
        return Overloaded, "failed", _LATER
    if _matches(said, _TOO_LONG_CODES, _TOO_LONG_PHRASES):
        return ContextTooLong, "found the conversation too long", "shorten it or use a model with a larger window"
    if status == 404 or _matches(said, _NO_MODEL_CODES, _NO_MODEL_PHRASES):
        return ModelNotFound, "does not know the model or the path", "check `model` and `base_url` of the profile"
    return BadRequest, "refused the request", _LATER if status in _RETRYABLE else "change the request"


def _matches(said: ReportedError, codes: set[str], phrases: tuple[str, ...]) -> bool:
    text = said.message.lower()
    return said.code in codes or any(phrase in text for phrase in phrases)


def is_spent(status: int | None, code: str | None) -> bool:
    """Say whether a refusal means that the account has no credit left."""
    return status == 402 or code in _SPENT


def _never_fits(said: ReportedError) -> bool:
    return _NEVER_FITS in said.message


def _is_beyond(status: int, said: ReportedError) -> bool:
    """Say whether the provider will never be able to do what was asked, though it calls that its own failure."""
    return status == 500 and _NOT_SUPPORTED in said.message


def _redirected(where: str, status: int, headers: Mapping[str, str]) -> str:
    try:
        target = urlsplit(headers.get("location", ""))
        found = target.netloc.rpartition("@")[2] + target.path
        place = f"`{found}`" if found else "no address"
    except ValueError:
        place = "an unreadable address"
    return (
        f"{where} answered with a redirect ({status}) to {place}, which is not followed; set `base_url` to the final "
        "address of the API, which is no login page"
    )
