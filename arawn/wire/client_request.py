"""An `httpx.Request` -> what goes over the wire. Pure.

A body in memory that is not big goes out together with the head, in one send.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator

import httpx
import msgspec

from arawn.wire.client_head import encode_request_head

__all__ = ["LAST_CHUNK", "Content", "Outgoing", "basic_auth", "encode_chunk", "open_outgoing", "wrong_length"]

LAST_CHUNK = b"0\r\n\r\n"
_TOGETHER_BYTES = 64 * 1024
_FRAMING = re.compile(rb"\r\n(host|content-length|transfer-encoding|connection): ([^\r]*+)")  # in small letters


class Content(httpx.ByteStream):
    """A body in memory, for requests and responses.

    The iterator is a plain one: the async generator of `httpx.ByteStream` would be left unfinished by a cancelled send,
    for the garbage collector to complain about.
    """

    def __init__(self, content: bytes) -> None:
        self.content = content

    def __iter__(self) -> Iterator[bytes]:
        return iter((self.content,))

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _OnePiece(self.content)


class _OnePiece:
    def __init__(self, content: bytes) -> None:
        self._left = [content] if content else []

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self._left:
            raise StopAsyncIteration
        return self._left.pop()


class Outgoing(msgspec.Struct, frozen=True):
    """One request, ready to be sent.

    Attributes:
        method: Of the request; the answer to `HEAD` has no body.
        first: The head, and the body with it if that is small and in memory.
        rest: What is sent after `first`; None if nothing is.
        length: How many bytes `rest` must have; None for the chunked coding.
        keep_alive: Whether the connection may carry another request.
    """

    method: str
    first: bytes
    rest: httpx.AsyncByteStream | None
    length: int | None
    keep_alive: bool


def open_outgoing(request: httpx.Request) -> Outgoing:
    """Return what to send for `request`.

    Raises:
        httpx.LocalProtocolError: The request cannot be said in HTTP/1.1; nothing was sent.
        TypeError: The body is a stream for synchronous clients.
    """
    if request.method == "CONNECT":
        raise httpx.LocalProtocolError("`CONNECT` is for proxies, which this transport does not serve")
    target = request.extensions.get("target") or request.url.raw_path
    head = encode_request_head(request.method, target, request.headers.raw)
    length, keep_alive = _framing(head)
    stream = request.stream
    if not isinstance(stream, httpx.AsyncByteStream):
        raise TypeError(f"the request's body must be an `httpx.AsyncByteStream`, got {type(stream).__name__}")
    if not isinstance(stream, httpx.ByteStream):
        return Outgoing(request.method, head, stream, length, keep_alive)
    content = b"".join(stream)
    if length is None:
        content = encode_chunk(content) + LAST_CHUNK
    elif len(content) != length:
        raise wrong_length(len(content), length)
    if len(content) <= _TOGETHER_BYTES:
        return Outgoing(request.method, head + content, None, 0, keep_alive)
    return Outgoing(request.method, head, Content(content), len(content), keep_alive)


def basic_auth(url: httpx.URL) -> str:
    """Return the `Authorization` header for the user and password of an address, as httpx's client sends it."""
    request = next(httpx.BasicAuth(url.username, url.password).auth_flow(httpx.Request("POST", url)))
    header: str = request.headers["authorization"]
    return header


def encode_chunk(piece: bytes) -> bytes:
    """Return `piece` in the chunked coding; nothing for an empty one, which would end the body."""
    return b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b""


def wrong_length(found: int, declared: int) -> httpx.LocalProtocolError:
    """Return the refusal of a body that is not as long as its head says."""
    at_least = "at least " if found > declared else ""
    return httpx.LocalProtocolError(
        f"the request's body has {at_least}{found} bytes, and its `Content-Length` says {declared} (0 if it is missing)"
    )


def _framing(head: bytes) -> tuple[int | None, bool]:
    """Return the length of the body (None for the chunked coding), and whether the connection may go on."""
    fields = _FRAMING.findall(head.lower())
    found = dict(fields)
    if len(found) < len(fields):
        _refuse_repeated([name for name, _ in fields if name != b"connection"])
    if b"host" not in found:
        raise httpx.LocalProtocolError("the request has no `Host` header")
    options, length, coding = map(found.get, (b"connection", b"content-length", b"transfer-encoding"))
    keep_alive = options is None or b"close" not in map(bytes.strip, options.split(b","))
    if coding is not None:
        if length is not None or coding != b"chunked":
            raise httpx.LocalProtocolError(
                "`Transfer-Encoding` must be `chunked`, without a `Content-Length` beside it"
            )
        return None, keep_alive
    if length is not None and not length.isdigit():
        raise httpx.LocalProtocolError("`Content-Length` of the request is not a decimal number")
    return int(length or 0), keep_alive


def _refuse_repeated(names: list[bytes]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise httpx.LocalProtocolError(f"the request has more than one `{name.decode('ascii')}` header")
