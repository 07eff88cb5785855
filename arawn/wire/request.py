"""Bytes of a request head -> `RequestHead`, or the refusal it deserves. Pure.

One strict grammar decides, because lenience is where two servers in a row come to disagree (request smuggling): CRLF
only, no folded lines, no space before a colon, no control characters. Beside it a C parser would only be a second
opinion, at twice the price.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

import msgspec

from arawn.wire.asgi import by_name

__all__ = ["BARE_LF", "FIELD_LINE", "RequestError", "RequestHead", "find_head_end", "parse_head", "path_asked"]

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
FIELD_LINE = TOKEN + rb":[\t\x20-\x7e\x80-\xff]*+\r\n"

_HEAD = re.compile(rb"(" + TOKEN + rb") ([!-~]++) HTTP/(1\.[01])\r\n((?:" + FIELD_LINE + rb")*+)\r\n")
_LINE = re.compile(TOKEN + rb" ([!-~]++) HTTP/")
_METHOD = re.compile(rb"[A-Z][A-Z-]{0,31}")
_FIELD_COUNT = 256
_TLS = b"\x16\x03"  # a handshake record begins so (RFC 8446, section 5.1)
_OTHER_VERSION = re.compile(TOKEN + rb" [!-~]++ HTTP/(?!1\.[01])[0-9]\.[0-9]\r\n")
BARE_LF = re.compile(rb"(?:\A|[^\r])\n")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_HOST = re.compile(rb"(?:[A-Za-z0-9._~%!$&'()*+,;=-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")
_ABSOLUTE = re.compile(rb"http://([^/?#]*)", re.IGNORECASE)


class RequestError(Exception):
    """A request that is refused: answer `status` with `reason`, then close the connection."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class RequestHead(msgspec.Struct, frozen=True, gc=False):
    """A request line and headers that passed every check. `content_length` is None for the chunked coding."""

    method: str
    path: str
    raw_path: bytes
    query: bytes
    version: str
    headers: list[tuple[bytes, bytes]]
    content_length: int | None
    keep_alive: bool
    expects_continue: bool


def find_head_end(buffer: bytearray, scanned: int, limit: int) -> int:
    """Return where the head in `buffer` ends, or -1 if more bytes are needed.

    Args:
        buffer: All that has arrived and is not consumed.
        scanned: Bytes of `buffer` that an earlier call has seen; keeps a head that drips in from costing its square.
        limit: Longest head, in bytes.

    Raises:
        RequestError: The head is longer than `limit`, has a line that ends in LF alone, or is a handshake of TLS.
    """
    end = buffer.find(b"\r\n\r\n", max(0, scanned - 3), limit)
    if end >= 0:
        return end + 4
    if BARE_LF.search(buffer, max(0, scanned - 1), limit):
        raise RequestError(400, "a header line ends in LF; lines must end in CRLF")
    if buffer.startswith(_TLS):
        raise RequestError(400, "this port speaks plain HTTP and was spoken to in TLS; begin the URL with http://")
    if len(buffer) >= limit:
        raise RequestError(431, f"request line and headers are longer than {limit} bytes")
    return -1


def parse_head(block: bytes) -> RequestHead:
    """Parse one complete head, its empty line included.

    Raises:
        RequestError: The head is malformed, ambiguous about where its body ends, or asks for what is not supported.
    """
    match = _HEAD.fullmatch(block)
    if match is None:
        raise _why_malformed(block)
    verb, target, number, lines = match.groups()
    if not _METHOD.fullmatch(verb):
        raise RequestError(501, "the request method is not known")
    method, version = verb.decode("ascii"), number.decode("ascii")
    headers: list[tuple[bytes, bytes]] = []
    for line in lines.splitlines():
        name, _, value = line.partition(b":")
        headers.append((name.lower(), value.strip()))  # of what strips, a value has spaces and tabs alone
    if len(headers) > _FIELD_COUNT:
        raise RequestError(431, f"there are more than {_FIELD_COUNT} header lines")
    fields = by_name(headers)
    host = _host(fields, headers, version)
    raw_path, path, query = _split_target(target, method, host)
    return RequestHead(
        method=method,
        path=path,
        raw_path=raw_path,
        query=query,
        version=version,
        headers=headers,
        content_length=_body_length(fields, version),
        keep_alive=_keeps_alive(fields, version),
        expects_continue=_expects_continue(fields, version),
    )


def path_asked(buffer: bytes | bytearray) -> str | None:
    """Return the path in the request line at the beginning of `buffer`, for a refusal; None if it cannot be read."""
    line = _LINE.match(buffer)
    try:
        return _split_target(line[1], "", None)[1] if line else None
    except RequestError:
        return None


def _why_malformed(block: bytes) -> RequestError:
    if _OTHER_VERSION.match(block):
        return RequestError(505, "only HTTP/1.1 and HTTP/1.0 are spoken here")
    return RequestError(400, "the request line or a header line is malformed")


def _host(fields: dict[bytes, bytes], headers: list[tuple[bytes, bytes]], version: str) -> bytes | None:
    host = fields.get(b"host")
    if host is None:
        if version == "1.1":
            raise RequestError(400, "the `Host` header is missing")
    elif not _HOST.fullmatch(host):  # a list never does
        if [name for name, _ in headers].count(b"host") > 1:
            raise RequestError(400, "more than one `Host` header")
        raise RequestError(400, "the `Host` header is not a host name with an optional port")
    return host


def _split_target(target: bytes, method: str, host: bytes | None) -> tuple[bytes, str, bytes]:
    """Return raw path, decoded path and query of an origin, absolute or asterisk target."""
    if not target.startswith(b"/"):
        target = _without_host(target, host)
    raw_path, _, query = target.partition(b"?")
    if b"#" in target or not (target.startswith(b"/") or (raw_path == b"*" and method == "OPTIONS")):
        raise RequestError(400, "the request target must be a path such as `/status`")
    if b"%" not in raw_path:
        return raw_path, raw_path.decode("ascii"), query
    try:
        return raw_path, unquote_to_bytes(raw_path).decode("utf-8"), query
    except UnicodeDecodeError as error:
        raise RequestError(400, "the request path is not percent-encoded UTF-8") from error


def _without_host(target: bytes, host: bytes | None) -> bytes:
    absolute = _ABSOLUTE.match(target)
    if absolute is None:
        return target
    if absolute[1] != host:
        raise RequestError(400, "the request target and the `Host` header name different hosts")
    rest = target[absolute.end() :]
    return rest if rest.startswith(b"/") else b"/" + rest


def _body_length(fields: dict[bytes, bytes], version: str) -> int | None:
    length = fields.get(b"content-length")
    coding = fields.get(b"transfer-encoding")
    if coding is not None:
        if length is not None:
            raise RequestError(400, "both `Content-Length` and `Transfer-Encoding` are given")
        _check_coding(coding, version)
        return None
    if length is None:
        return 0
    if not _LENGTH.fullmatch(length):
        raise RequestError(400, "`Content-Length` must be one decimal number")
    return int(length)


def _check_coding(coding: bytes, version: str) -> None:
    if version != "1.1":
        raise RequestError(400, "`Transfer-Encoding` needs HTTP/1.1")
    if coding.lower() != b"chunked":
        raise RequestError(400, "`Transfer-Encoding` must be `chunked` and nothing else")


def _keeps_alive(fields: dict[bytes, bytes], version: str) -> bool:
    value = fields.get(b"connection")
    if value is None:
        return version == "1.1"
    options = [option.strip(b" \t").lower() for option in value.split(b",")]
    return b"close" not in options and (version == "1.1" or b"keep-alive" in options)


def _expects_continue(fields: dict[bytes, bytes], version: str) -> bool:
    expectation = fields.get(b"expect")
    if expectation is None or version != "1.1":
        return False
    if expectation.lower() != b"100-continue":
        raise RequestError(417, "the only expectation met is `100-continue`")
    return True
