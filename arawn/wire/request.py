"""Bytes of a request head -> `RequestHead`, or the refusal it deserves. Pure.

One strict grammar decides, because lenience is where two servers in a row come to disagree (request smuggling): CRLF
only, no folded lines, no space before a colon, no control characters. Beside it a C parser would only be a second
opinion, at twice the price.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

import msgspec

__all__ = ["BARE_LF", "FIELD_LINE", "RequestError", "RequestHead", "find_head_end", "parse_head", "path_asked"]

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
FIELD_LINE = TOKEN + rb":[\t\x20-\x7e\x80-\xff]*+\r\n"

_HEAD = re.compile(rb"(" + TOKEN + rb") ([!-~]++) HTTP/(1\.[01])\r\n((?:" + FIELD_LINE + rb")*+)\r\n")
_LINE = re.compile(TOKEN + rb" ([!-~]++) HTTP/")
_FIELD = re.compile(rb"([^:]++):([^\r]*+)\r\n")  # enough for what `_HEAD` let through
_METHOD = re.compile(rb"[A-Z][A-Z-]{0,31}")
_FIELD_COUNT = 256
_OTHER_VERSION = re.compile(TOKEN + rb" [!-~]++ HTTP/(?!1\.[01])[0-9]\.[0-9]\r\n")
BARE_LF = re.compile(rb"(?:\A|[^\r])\n")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_HOST = re.compile(rb"(?:[A-Za-z0-9._~%!$&'()*+,;=-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")
_ABSOLUTE = re.compile(rb"http://([^/?#]*)", re.IGNORECASE)
_FRAMING = frozenset((b"host", b"content-length", b"transfer-encoding", b"connection", b"expect"))


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
        RequestError: The head is longer than `limit`, or has a line that ends in LF alone.
    """
    end = buffer.find(b"\r\n\r\n", max(0, scanned - 3), limit)
    if end >= 0:
        return end + 4
    if BARE_LF.search(buffer, max(0, scanned - 1), limit):
        raise RequestError(400, "a header line ends in LF; lines must end in CRLF")
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
    method, target, version = match[1].decode("ascii"), match[2], match[3].decode("ascii")
    if not _METHOD.fullmatch(match[1]):
        raise RequestError(501, "the request method is not known")
    headers = [(name.lower(), value.strip(b" \t")) for name, value in _FIELD.findall(match[4])]
    if len(headers) > _FIELD_COUNT:
        raise RequestError(431, f"there are more than {_FIELD_COUNT} header lines")
    framing: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        if name in _FRAMING:
            framing.setdefault(name, []).append(value)
    host = _host(framing, version)
    raw_path, path, query = _split_target(target, method, host)
    return RequestHead(
        method=method,
        path=path,
        raw_path=raw_path,
        query=query,
        version=version,
        headers=headers,
        content_length=_body_length(framing, version),
        keep_alive=_keeps_alive(framing, version),
        expects_continue=_expects_continue(framing, version),
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


def _keeps_alive(framing: dict[bytes, list[bytes]], version: str) -> bool:
    values = framing.get(b"connection")
    if values is None:
        return version == "1.1"
    options = [option.strip(b" \t").lower() for value in values for option in value.split(b",")]
    return b"close" not in options and (version == "1.1" or b"keep-alive" in options)


def _expects_continue(framing: dict[bytes, list[bytes]], version: str) -> bool:
    expectations = framing.get(b"expect", [])
    if not expectations or version != "1.1":
        return False
    if [value.lower() for value in expectations] != [b"100-continue"]:
        raise RequestError(417, "the only expectation met is `100-continue`")
    return True
