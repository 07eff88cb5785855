"""Errors in the envelope of the dialect that was called. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from arawn.backends.verbatim_reply import ProviderAnswer
from arawn.server.reply import ErrorBody, ErrorDetail, Failure, Headers, Reply, error_body, error_reply
from arawn.server.v1.known_errors import NO_THREADS, word_for
from arawn.server.v1.target import DialectName

__all__ = [
    "AnthropicErrorBody",
    "OpenAIErrorBody",
    "called_dialect",
    "error_in_stream",
    "in_envelope",
    "provider_error",
    "request_id_header",
]


class OpenAIError(msgspec.Struct, frozen=True):
    """What went wrong, in the words of OpenAI."""

    message: str
    type: str
    code: str | None = None
    param: str | None = None


class OpenAIErrorBody(msgspec.Struct, frozen=True):
    """The envelope of an error of OpenAI."""

    error: OpenAIError


class AnthropicError(msgspec.Struct, frozen=True, omit_defaults=True):
    """What went wrong, in the words of Anthropic; by `details` its SDKs know what they can do otherwise."""

    type: str
    message: str
    details: dict[str, str] | None = None


class AnthropicErrorBody(msgspec.Struct, frozen=True, tag="error"):
    """The envelope of an error of Anthropic."""

    error: AnthropicError
    request_id: str | None = None


_OPENAI_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
}
_ANTHROPIC_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    405: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_OPENAI_PATHS = frozenset(("/v1/chat/completions", "/v1/responses", "/v1/embeddings"))
_ERROR_BODY = msgspec.json.Decoder(ErrorBody)


class _Said(msgspec.Struct):
    error: dict[str, Any]


_SAID = msgspec.json.Decoder(_Said)


def called_dialect(path: str, headers: Mapping[bytes, bytes]) -> DialectName | None:
    """Return the dialect in which to answer a request; None is Arawn's own."""
    if path.startswith("/v1/messages"):
        return "anthropic"
    if not path.startswith("/v1/"):
        return None
    foreign = path not in _OPENAI_PATHS and b"anthropic-version" in headers  # models, and routes that are not here
    return "anthropic" if foreign else "openai"


def in_envelope(reply: Reply, dialect: DialectName | None, request_id: str) -> Reply:
    """Return an error of Arawn's own shape as `dialect` words it, with the headers that its clients read.

    Args:
        reply: The error.
        dialect: None leaves the body as it is.
        request_id: What the answer is known by when no log record answers for it.
    """
    request_id = reply.request_id or request_id
    headers = [*reply.headers, *request_id_header(dialect, request_id)]
    if _cannot_help(reply.status, headers):
        headers.append((b"x-should-retry", b"false"))
    if dialect is None or reply.as_received:
        return msgspec.structs.replace(reply, headers=headers, request_id=request_id)
    detail = _ERROR_BODY.decode(reply.body).error
    status = word_for(detail, dialect).status or reply.status
    body = msgspec.json.encode(_error_body(detail, status, dialect, request_id))
    return msgspec.structs.replace(reply, status=status, body=body, headers=headers, request_id=request_id)


def request_id_header(dialect: DialectName | None, request_id: str) -> Headers:
    """Return the header in which clients of `dialect` look for the id of an answer, beside `x-request-id`."""
    return [(b"request-id", request_id.encode())] if dialect == "anthropic" else []


def error_in_stream(failure: Failure, dialect: DialectName, request_id: str) -> bytes:
    """Return the data of the event that ends a stream: one line, in the provider's own words if it refused the call."""
    said = failure.__cause__
    if isinstance(said, ProviderAnswer) and provider_error(failure, dialect) is not None:
        return b" ".join(said.body.splitlines())  # a line break can stand between the words of JSON only
    detail = error_body(failure).error
    status = word_for(detail, dialect).status or error_reply(failure).status
    return msgspec.json.encode(_error_body(detail, status, dialect, request_id))


def provider_error(failure: Failure, dialect: DialectName) -> dict[str, Any] | None:
    """Return the object under `error` in a refusal of the provider; None if there is none, or in another dialect."""
    said = failure.__cause__
    if not isinstance(said, ProviderAnswer) or said.dialect != dialect:
        return None
    try:
        return _SAID.decode(said.body).error or None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # a page of HTML, or an envelope of another kind
        return None


def _error_body(
    detail: ErrorDetail, status: int, dialect: DialectName, request_id: str
) -> OpenAIErrorBody | AnthropicErrorBody:
    word = word_for(detail, dialect)
    message = word.begins + detail.message
    if dialect == "anthropic":
        kind = _ANTHROPIC_TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
        details = {"error_code": detail.code} if detail.code == NO_THREADS else None
        return AnthropicErrorBody(AnthropicError(kind, message, details), request_id)
    kind = _OPENAI_TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    return OpenAIErrorBody(OpenAIError(message, kind, word.code or detail.code or detail.type))


def _cannot_help(status: int, headers: list[tuple[bytes, bytes]]) -> bool:
    """Say whether a refusal of the door itself will be repeated: clients try 408, 409, 429 and 5xx again unasked."""
    said = any(name in {b"x-should-retry", b"retry-after"} for name, _ in headers)
    return not said and 400 <= status <= 499 and status not in {408, 409, 429}
