"""Bytes of a request head -> `RequestHead`, or the refusal it deserves. Pure.

The C parser accepts shapes on which two servers in a row may disagree (request smuggling), so the raw block is held
against a strict grammar first: CRLF only, no folded lines, no space before a colon, no control characters.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

import httptools
import msgspec

__all__ = ["FIELD_LINE", "RequestError", "RequestHead", "find_head_end", "parse_head"]

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
FIELD_LINE = TOKEN + rb":[\t\x20-\x7e\x80-\xff]*+\r\n"

_HEAD = re.compile(TOKEN + rb" [!-~]++ HTTP/1\.[01]\r\n(?:" + FIELD_LINE + rb")*+\r\n")
_OTHER_VERSION = re.compile(TOKEN + rb" [!-~]++ HTTP/(?!1\.[01])[0-9]\.[0-9]\r\n")
_BARE_LF = re.compile(rb"(?:\A|[^\r])\n")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_HOST = re.compile(rb"(?:[A-Za-z0-9._~%!$&'()*+,;=-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")
_ABSOLUTE = re.compile(rb"https?://([^/?#]*)", re.IGNORECASE)
_FRAMING = frozenset((b"host", b"content-length", b"transfer-encoding", b"connection", b"expect"))


class RequestError(Exception):
    """A request that is refused: answer `status` with `reason`, then close the connection."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class RequestHead(msgspec.Struct, frozen=True):
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


class _Fields:
    """Callbacks of the C parser."""

    __slots__ = ("framing", "headers", "target")

    def __init__(self) -> None:
        self.target = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.framing: dict[bytes, list[bytes]] = {}

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        name, value = name.lower(), value.rstrip(b" \t")
        self.headers.append((name, value))
        if name in _FRAMING:
            self.framing.setdefault(name, []).append(value)


def find_head_end(buffer: bytearray, scanned: int, limit: int) -> int:
    """Return where the head in `buffer` ends, or -1 if more bytes are needed.

    Args:
        buffer: All that has arrived and is not consumed.
        scanned: Bytes of `buffer` that an earlier call has seen; keeps a head that drips in from costing its square.
        limit: Longest head, in bytes.

    Raises:
        RequestError: The head is longer than `limit`, or has a line that ends in LF alone.
    """
    end = buffer.find(b"\r\n\r\n", max(0, scanned - 3), limit)
    if end >= 0:
        return end + 4
    if _BARE_LF.search(buffer, max(0, scanned - 1), limit):
        raise RequestError(400, "a header line ends in LF; lines must end in CRLF")
    if len(buffer) >= limit:
        raise RequestError(431, f"request line and headers are longer than {limit} bytes")
    return -1


def parse_head(block: bytes) -> RequestHead:
    """Parse one complete head, its empty line included.

    Raises:
        RequestError: The head is malformed, ambiguous about where its body ends, or asks for what is not supported.
    """
    if not _HEAD.fullmatch(block):
        raise _why_malformed(block)
    fields = _Fields()
    parser = httptools.HttpRequestParser(fields)
    try:
        parser.feed_data(block)
    except httptools.HttpParserUpgrade:
        pass  # an offer to upgrade may be ignored: the request is answered as plain HTTP/1.1
    except httptools.HttpParserInvalidMethodError as error:
        raise RequestError(501, "the request method is not known") from error
    except httptools.HttpParserError as error:
        raise RequestError(400, f"the request head is not valid HTTP/1.1: {error}") from error
    method = parser.get_method().decode("ascii")
    version = parser.get_http_version()
    host = _host(fields.framing, version)
    raw_path, path, query = _split_target(fields.target, method, host)
    return RequestHead(
        method=method,
        path=path,
        raw_path=raw_path,
        query=query,
        version=version,
        headers=fields.headers,
        content_length=_body_length(fields.framing, version),
        keep_alive=version == "1.1" and b"close" not in _connection_options(fields.framing),
        expects_continue=_expects_continue(fields.framing, version),
    )


def _why_malformed(block: bytes) -> RequestError:
    if _OTHER_VERSION.match(block):
        return RequestError(505, "only HTTP/1.1 and HTTP/1.0 are spoken here")
    return RequestError(400, "the request line or a header line is malformed")


def _host(framing: dict[bytes, list[bytes]], version: str) -> bytes | None:
    hosts = framing.get(b"host", [])
    if len(hosts) > 1:
        raise RequestError(400, "more than one `Host` header")
    if not hosts and version == "1.1":
        raise RequestError(400, "the `Host` header is missing")
    if hosts and not _HOST.fullmatch(hosts[0]):
        raise RequestError(400, "the `Host` header is not a host name with an optional port")
    return hosts[0] if hosts else None


def _split_target(target: bytes, method: str, host: bytes | None) -> tuple[bytes, str, bytes]:
    """Return raw path, decoded path and query of an origin, absolute or asterisk target."""
    absolute = _ABSOLUTE.match(target)
    if absolute:
        if absolute[1] != host:
            raise RequestError(400, "the request target and the `Host` header name different hosts")
        target = target[absolute.end() :]
        target = target if target.startswith(b"/") else b"/" + target
    raw_path, _, query = target.partition(b"?")
    well_formed = raw_path.startswith(b"/") or (raw_path == b"*" and method == "OPTIONS")
    if not well_formed or b"#" in target:
        raise RequestError(400, "the request target must be a path such as `/status`")
    if b"%" not in raw_path:
        return raw_path, raw_path.decode("ascii"), query
    try:
        return raw_path, unquote_to_bytes(raw_path).decode("utf-8"), query
    except UnicodeDecodeError as error:
        raise RequestError(400, "the request path is not percent-encoded UTF-8") from error


def _body_length(framing: dict[bytes, list[bytes]], version: str) -> int | None:
    lengths = framing.get(b"content-length", [])
    codings = framing.get(b"transfer-encoding", [])
    if not codings and not lengths:
        return 0
    if codings and lengths:
        raise RequestError(400, "both `Content-Length` and `Transfer-Encoding` are given")
    if codings:
        _check_codings(codings, version)
        return None
    if len(lengths) > 1 or not _LENGTH.fullmatch(lengths[0]):
        raise RequestError(400, "`Content-Length` must be one decimal number")
    return int(lengths[0])


def _check_codings(codings: list[bytes], version: str) -> None:
    if version != "1.1":
        raise RequestError(400, "`Transfer-Encoding` needs HTTP/1.1")
    if len(codings) > 1 or codings[0].lower() != b"chunked":
        raise RequestError(400, "`Transfer-Encoding` must be `chunked` and nothing else")


def _connection_options(framing: dict[bytes, list[bytes]]) -> list[bytes]:
    values = framing.get(b"connection", [])
    return [option.strip(b" \t").lower() for value in values for option in value.split(b",")]


def _expects_continue(framing: dict[bytes, list[bytes]], version: str) -> bool:
    expectations = framing.get(b"expect", [])
    if not expectations or version != "1.1":
        return False
    if [value.lower() for value in expectations] != [b"100-continue"]:
        raise RequestError(417, "the only expectation met is `100-continue`")
    return True
