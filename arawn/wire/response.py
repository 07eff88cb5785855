"""ASGI response events -> the bytes to write. Pure, but for the clock in the `Date` header."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

import msgspec

from arawn.wire.asgi import Event
from arawn.wire.request import FIELD_LINE

__all__ = ["CONTINUE", "ResponseEncoder", "Words", "plain_words", "refusal"]

Words = Callable[[int, str, str, str | None], tuple[Iterable[tuple[bytes, bytes]], bytes]]
"""Says a refusal of the server: of its status, its kind, its reason, and the path that was asked for, None if that is
not known, it makes further headers and a JSON body."""

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_FIELDS = re.compile(rb"(?:" + FIELD_LINE + rb")*+")
_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_STATUS_LINES = {code: f"HTTP/1.1 {code} {_PHRASES.get(code, '')}\r\n".encode() for code in range(200, 600)}
_LENGTH = re.compile(rb"[0-9]{1,18}")
_BODILESS = frozenset((204, 304))
_OURS = frozenset((b"content-length", b"connection", b"transfer-encoding", b"date"))


@lru_cache(maxsize=1)
def _date_line(second: int) -> bytes:
    return f"date: {formatdate(second, usegmt=True)}\r\n".encode()


def plain_words(status: int, kind: str, message: str, path: str | None) -> tuple[tuple[()], bytes]:  # noqa: ARG001
    """Return no headers, and an error with its kind and its reason."""
    return (), msgspec.json.encode({"error": {"type": kind, "message": message}})


def refusal(words: Words, status: int, kind: str, message: str, path: str | None) -> bytes:
    """Return a complete response that carries a JSON error and closes the connection; the arguments are for `words`."""
    headers, body = words(status, kind, message, path)
    more = b"".join(b"%b: %b\r\n" % header for header in headers)
    date = _date_line(int(time.time()))
    head = f"content-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    later = b"retry-after: 1\r\n" if status == 503 else b""
    return _STATUS_LINES[status] + later + date + more + head.encode() + body


class ResponseEncoder:
    """One response: remembers what was said, returns the bytes to write for what is said next.

    The head is held back until the first body event, so that a short answer is one write.

    Attributes:
        keep_alive: Whether the connection can carry another request; may be denied until the head is handed out.
        head_due: Whether the head waits for the first body event.
        started: Whether a byte of this response has been handed out for writing.
        complete: Whether all of it has.
    """

    head_due = False
    started = False
    complete = False
    _start: Event | None = None
    _framing: int | None = None  # bytes still owed by the content-length; None means none was given
    _chunked = False

    def __init__(self, method: str, version: str, *, keep_alive: bool) -> None:
        self._head_only = method == "HEAD"
        self._version = version
        self.keep_alive = keep_alive

    @property
    def ends_with_connection(self) -> bool:
        """Whether only the end of the connection tells the client that the body is over."""
        return self.started and not self._chunked and self._framing is None and not self._head_only

    def encode(self, event: Event) -> bytes:
        """Return what to write for `event`; may be empty.

        Raises:
            RuntimeError: The application broke the order of ASGI events or its own content-length.
            ValueError: A status or header that cannot be sent.
        """
        kind = event["type"]
        if kind == "http.response.start" and self._start is None:
            self._start = event
            self.head_due = True
            return b""
        if kind != "http.response.body" or self._start is None or self.complete:
            raise RuntimeError(f"the application sent `{kind}` where the ASGI order of events does not allow it")
        body: bytes = event.get("body", b"")
        more: bool = event.get("more_body", False)
        head = self._encode_head(self._start, None if more else len(body)) if self.head_due else b""
        framed = self._encode_body(body, more=more)
        self.head_due = False
        self.started = True
        self.complete = not more
        return head + framed

    def _encode_head(self, start: Event, whole_length: int | None) -> bytes:
        status: int = start["status"]
        line = _STATUS_LINES.get(status)
        if line is None:
            raise ValueError(f"status {status} cannot be sent; a final HTTP status is needed")
        bodiless = status in _BODILESS
        fields, length = self._encode_fields(start.get("headers", ()), drop_length=status == 204)
        if length is None and not bodiless and whole_length is not None:
            length = whole_length
            fields += b"content-length: %d\r\n" % length
        if length is None and not bodiless and not self._head_only:
            fields += self._open_ended()
        self._framing = length
        self._head_only = self._head_only or bodiless
        if not self.keep_alive:
            fields += b"connection: close\r\n"
        elif self._version == "1.0":
            fields += b"connection: keep-alive\r\n"
        return line + fields + b"\r\n"

    def _open_ended(self) -> bytes:
        """Frame a body of unknown length: chunked, or up to the close for an HTTP/1.0 client."""
        if self._version == "1.1":
            self._chunked = True
            return b"transfer-encoding: chunked\r\n"
        self.keep_alive = False
        return b""

    def _encode_fields(self, headers: Iterable[tuple[bytes, bytes]], *, drop_length: bool) -> tuple[bytes, int | None]:
        """Return the header lines and the content-length; framing headers are ours to write."""
        length: int | None = None
        lines: list[bytes] = []
        date = _date_line(int(time.time()))
        for name, value in headers:
            match name.lower():
                case other if other not in _OURS:
                    pass
                case b"content-length":
                    if length is not None or not _LENGTH.fullmatch(value):
                        raise ValueError("a response's `content-length` must be one decimal number, given once")
                    if drop_length:
                        continue
                    length = int(value)
                case b"connection":
                    self.keep_alive = self.keep_alive and b"close" not in value.lower()
                    if b"upgrade" in value.lower():  # goes with an `upgrade` header: RFC 9110, section 7.8
                        lines.append(b"connection: upgrade")
                    continue
                case b"transfer-encoding":
                    continue
                case b"date":
                    date = b""
            lines.append(b": ".join((name, value)))
        lines.append(b"")
        fields = b"\r\n".join(lines)
        if not _FIELDS.fullmatch(fields) or fields.count(b"\n") >= len(lines):
            raise ValueError("a response header holds characters that HTTP does not allow there")
        return date + fields, length

    def _encode_body(self, body: bytes, *, more: bool) -> bytes:
        if self._head_only:
            return b""
        if self._chunked:
            chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            return chunk if more else chunk + b"0\r\n\r\n"
        if self._framing is not None:
            self._framing -= len(body)
            if self._framing < 0 or (self._framing and not more):
                raise RuntimeError("the application's response body does not match its own content-length")
        return body
