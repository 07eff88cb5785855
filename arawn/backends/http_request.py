"""What one backend is sent: each call as an HTTP request. Pure."""

from __future__ import annotations

import httpx
import msgspec

from arawn.backends.endpoint import Endpoint, endpoint_url
from arawn.backends.protocol import Dialect
from arawn.backends.verbatim import Verbatim, dropped, verbatim_body, verbatim_of
from arawn.config.schema import Profile
from arawn.errors import BadInput
from arawn.messages import CompletionRequest
from arawn.wire.client_request import Content, basic_auth

__all__ = ["Asked", "RequestWriter", "request_head"]


class Asked(msgspec.Struct, frozen=True, gc=False):
    """One request, ready to send, and what has to be known of it when the answer comes."""

    http: httpx.Request
    content: bytes
    model: str
    warnings: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    verbatim: Verbatim | None = None


class RequestWriter:
    """Writes the requests to one server, in one dialect."""

    def __init__(self, where: str, profile: Profile, dialect: Dialect, endpoint: Endpoint) -> None:
        """Write once what is the same in all of them.

        Args:
            where: Which backend, as it should stand in messages.
            profile: Headers, and the deadline of a connection.
            dialect: Writes the bodies.
            endpoint: Where they go, and with which key.
        """
        self._where = where
        self._dialect = dialect
        self._base_url = endpoint.base_url
        self._url = url = endpoint_url(endpoint.base_url, dialect.path)
        self._plain = request_head(url, endpoint, dialect, profile, stream=False)
        self._streamed = request_head(url, endpoint, dialect, profile, stream=True)
        self._extensions = {"timeout": httpx.Timeout(None, connect=profile.timeouts.connect_s).as_dict()}

    def asked(self, request: CompletionRequest, *, stream: bool) -> Asked:
        """Return what to send for `request`.

        Raises:
            BadInput: It names no model, or cannot be written as JSON, or is said in what only another dialect has.
        """
        if not request.model:
            raise BadInput(f"no model to ask {self._where} for: give `model` in the request or in the profile")
        verbatim = verbatim_of(request, self._dialect)
        if verbatim is not None:
            content = verbatim_body(verbatim, request, self._dialect, stream=stream)
            return Asked(self._as_said(content, verbatim, stream=stream), content, request.model, verbatim=verbatim)
        encoded = self._dialect.encode(request, stream=stream)
        try:
            content = msgspec.json.encode(encoded.body)
        except (TypeError, ValueError, RecursionError) as error:
            raise BadInput(f"the request to {self._where} cannot be written as JSON: {error}") from error
        http = self._http(content, stream=stream)
        warnings = dropped(request, encoded.left_out) + encoded.warnings
        return Asked(http, content, request.model, warnings, encoded.left_out)

    def _http(self, content: bytes, *, stream: bool) -> httpx.Request:
        """Return a request built by hand, because a client takes thirty times as long."""
        headers = self._streamed if stream else self._plain  # copied
        http = httpx.Request("POST", self._url, headers=headers, stream=Content(content), extensions=self._extensions)
        http.headers["content-length"] = str(len(content))
        return http

    def _as_said(self, content: bytes, verbatim: Verbatim, *, stream: bool) -> httpx.Request:
        """Return the same with what the sender has put around the body."""
        http = self._http(content, stream=stream)
        if verbatim.headers:
            http.headers.update(verbatim.headers)
        if verbatim.path or verbatim.query:
            http.url = endpoint_url(self._base_url, verbatim.path or self._dialect.path, verbatim.query)
        return http


def request_head(
    url: httpx.URL, endpoint: Endpoint, dialect: Dialect, profile: Profile, *, stream: bool
) -> httpx.Headers:
    """Return all headers but the length of the body, of which a profile can say nothing.

    Args:
        url: Where the request goes; a user and a password in it become a header.
        endpoint: Gives the key.
        dialect: Says how the key is sent.
        profile: Its headers stand above ours.
        stream: Whether the answer is to be streamed.
    """
    headers = httpx.Headers({"host": url.netloc.decode(), "content-type": "application/json"})
    headers.update({"user-agent": "arawn", "accept-encoding": "gzip, deflate"})
    headers["accept"] = "text/event-stream" if stream else "application/json"
    headers.update(dialect.headers(endpoint.key, bearer=endpoint.bearer))
    headers.update(profile.headers)
    if url.userinfo:
        headers["authorization"] = basic_auth(url)
    return headers
