"""Heads of HTTP/1.1 as a client sees them: writes the request's, reads the response's. Pure.

One strict grammar decides, as for heads of requests: CRLF only, no folded lines, no space before a colon, no control
characters, one way of saying where the body ends.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import httpx
import msgspec

from arawn.wire.request import FIELD_LINE, TOKEN

__all__ = [
    "BrokenHead",
    "CutHead",
    "Framing",
    "NoHttp",
    "ResponseHead",
    "encode_request_head",
    "find_response_head_end",
    "parse_response_head",
]

Framing = int | Literal["chunked", "until close"]
"""Where a body ends: after so many bytes, with its last chunk, or with the connection."""

_REQUEST = re.compile(TOKEN + rb" [!-~]++ HTTP/1\.1\r\n(?:" + FIELD_LINE + rb")*+\r\n")
_RESPONSE = re.compile(
    rb"(HTTP/1\.[01]) ([1-9][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*+))?\r\n((?:" + FIELD_LINE + rb")*+)\r\n"
)
_FIELD = re.compile(FIELD_LINE)
_PARTS = re.compile(  # enough for what `_RESPONSE` let through; space around a value is no part of it
    rb"([^:]++):[\t ]*+((?:[^\r]*[^\r\t ])?+)[\t ]*+\r\n"
)
_BEGINS = b"HTTP/1."
_BARE_LF = re.compile(rb"(?:\A|[^\r])\n")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_FRAMING = re.compile(rb"\r\n(content-length|transfer-encoding|connection):[\t ]*+([^\r]*+)")
_NO_BODY = frozenset((204, 304))


class BrokenHead(httpx.RemoteProtocolError):
    """An answer has begun, and is no valid HTTP/1.1."""


class NoHttp(BrokenHead):
    """What came is something else than HTTP/1."""


class CutHead(BrokenHead):
    """The connection ended in the middle of a head."""


class ResponseHead(msgspec.Struct, frozen=True, gc=False):
    """A status line and headers that passed every check.

    `keep_alive` says that another request may follow, `ascii` that all headers are ASCII.
    """

    version: bytes
    status: int
    reason: bytes
    headers: list[tuple[bytes, bytes]]
    framing: Framing
    keep_alive: bool
    ascii: bool


def encode_request_head(method: str, target: bytes, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Return a whole request head, its empty line included.

    Args:
        method: Such as `POST`.
        target: Path and query, encoded.
        headers: Sent as they stand, in this order.

    Raises:
        httpx.LocalProtocolError: A part holds what would end it early, such as a line break; nothing was sent.
    """
    start = b"%b %b HTTP/1.1" % (method.encode("ascii", "replace"), target)
    block = b"\r\n".join((start, *map(b": ".join, headers), b"\r\n"))
    one_line_each = block.count(b"\n") == len(headers) + 2 and b":" not in b"".join(dict(headers))
    if not one_line_each or not _REQUEST.fullmatch(block):
        raise _why_not_sent(method, headers)
    return block


def _why_not_sent(method: str, headers: Sequence[tuple[bytes, bytes]]) -> httpx.LocalProtocolError:
    """Name the part that is wrong; values stay out of the message, they may be secret."""
    for name, value in headers:
        if b":" in name or not _FIELD.fullmatch(name + b": " + value + b"\r\n"):
            text = name.decode("latin-1")
            return httpx.LocalProtocolError(
                f"the request header {text!r} cannot be sent: its name or value holds characters that no header may"
                " hold, such as a line break"
            )
    return httpx.LocalProtocolError(
        f"the request cannot be sent: its method {method!r} or its target holds characters that neither may hold"
    )


def find_response_head_end(buffer: bytes, scanned: int, limit: int) -> int:
    """Return where the head in `buffer` ends, or -1 if more bytes are needed.

    Args:
        buffer: All that has arrived and is not consumed.
        scanned: Bytes of `buffer` that an earlier call has seen; keeps a head that drips in from costing its square.
        limit: Longest head, in bytes.

    Raises:
        BrokenHead: This is no HTTP/1 response, has lines that end in LF alone, or is too long.
    """
    end = buffer.find(b"\r\n\r\n", max(0, scanned - 3), limit)
    if end >= 0:
        return end + 4
    if not (buffer.startswith(_BEGINS) or _BEGINS.startswith(buffer)):
        raise _no_http(buffer)
    if _BARE_LF.search(buffer, max(0, scanned - 1), limit):
        raise BrokenHead("a line of the response head ends in LF; lines must end in CRLF")
    if len(buffer) >= limit:
        raise BrokenHead(f"the response head is longer than {limit} bytes")
    return -1


def _no_http(buffer: bytes) -> NoHttp:
    return NoHttp(f"the answer is not HTTP/1.1: it begins with {buffer[:16]!r}; check port and scheme")


def parse_response_head(block: bytes, method: str) -> ResponseHead:
    """Parse one complete head, its empty line included.

    Args:
        block: The head.
        method: Of the request that this answers: an answer to `HEAD` has no body.

    Raises:
        BrokenHead: The head is malformed, or ambiguous about where its body ends.
    """
    line = _RESPONSE.fullmatch(block)
    if line is None:
        if not block.startswith(_BEGINS):
            raise _no_http(block)
        raise BrokenHead("the status line or a header line of the response is malformed")
    version, status, reason = line[1], int(line[2]), line[3] or b""
    framing, keep_alive = _framing(block, version)
    if method == "HEAD" or status in _NO_BODY or status < 200:
        framing = 0
    keep_alive = keep_alive and framing != "until close"
    return ResponseHead(version, status, reason, _PARTS.findall(line[4]), framing, keep_alive, block.isascii())


def _framing(block: bytes, version: bytes) -> tuple[Framing, bool]:
    """Return where the body that follows a head ends, and whether the connection may go on after it."""
    framing: Framing = "until close"
    keep_alive = version == b"HTTP/1.1"  # whoever speaks 1.0 gets a connection for each request
    for name, padded in _FRAMING.findall(block.lower()):
        value = padded.rstrip(b"\t ")
        if name == b"connection":
            keep_alive = keep_alive and b"close" not in map(bytes.strip, value.split(b","))
        elif framing != "until close":
            raise BrokenHead("the response says more than once where its body ends")
        elif name == b"content-length":
            if not _LENGTH.fullmatch(value):
                raise BrokenHead("`Content-Length` of the response is not one decimal number")
            framing = int(value)
        elif value != b"chunked" or version != b"HTTP/1.1":
            raise BrokenHead("`Transfer-Encoding` of the response must be `chunked`, in HTTP/1.1")
        else:
            framing = "chunked"
    return framing, keep_alive
