"""The fault matrix, sockets: what only a real connection can do."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module

from tests.arawn.faults.edge import OPENED, Peer, chunked, with_length
from tests.arawn.faults.told import ANSWERED, CUT_OFF, UNREADABLE, Cell, Dialect, Mode, Told, again, begun, every, whole

LOST = again("ConnectionFailed")
BROKEN_HEAD = Told("BadReply")


def untrusted() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme = import_module("trustme")  # wanted by this cell alone
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    return context


PEERS: list[tuple[str, Peer, Told]] = [
    ("refused", Peer(listens=False), replace(LOST, says="refused")),
    ("reset before the request", Peer(reads=False, reset=True), LOST),
    ("closed before the request", Peer(reads=False), LOST),
    ("reset after the request", Peer(reset=True), replace(LOST, says="before it answered")),
    ("closed after the request", Peer(), replace(LOST, says="before it answered")),
    ("reset in the head", Peer(OPENED, reset=True), replace(BROKEN_HEAD, says="broke off")),
    ("closed in the head", Peer(OPENED), replace(BROKEN_HEAD, says="broke off")),
    ("no HTTP at all", Peer(b"SSH-2.0-OpenSSH_9.6\r\n"), replace(BROKEN_HEAD, says="the right port")),
    ("a malformed head", Peer(OPENED + b"no colon\r\n\r\n"), replace(BROKEN_HEAD, says="line of the response is malf")),
    ("two lengths", Peer(OPENED + b"content-length: 1\r\ncontent-length: 2\r\n\r\nxx"),
     replace(BROKEN_HEAD, says="more than once where its body ends")),
    ("a head without end", Peer(OPENED + b"x: y\r\n" * 20_000), replace(BROKEN_HEAD, says="is longer than")),
    ("TLS to a server without it", Peer(b"HTTP/1.1 400 Bad Request\r\n\r\n", reads=False, scheme="https"),
     replace(LOST, says="TLS failed")),
    ("a certificate nobody trusts", Peer(tls=untrusted, scheme="https"), Told("ConnectionFailed", says="not trusted")),
    ("a name nobody knows", Peer(name="no-such-host.invalid"), replace(LOST, says="resolved")),
]  # fmt: skip
"""Name, what the server does, what must come of it; the same in both dialects and modes."""


def of_both(name: str, mode: Mode, make: Callable[[Dialect], Peer], told: Told) -> Iterator[Cell]:
    for dialect, _ in every(("plain",)):
        yield Cell(name, dialect, mode, make(dialect), told)


def socket_cells() -> Iterator[Cell]:
    """Yield what only sockets can do."""
    for name, peer, told in PEERS:
        for dialect, mode in every():
            yield Cell(name, dialect, mode, peer, told)
    plain: Callable[[Dialect], bytes] = lambda dialect: whole(dialect, "plain")[0]  # noqa: E731
    first: Callable[[Dialect], list[bytes]] = lambda dialect: begun(dialect, "stream")  # noqa: E731
    all_of: Callable[[Dialect], list[bytes]] = lambda dialect: whole(dialect, "stream")  # noqa: E731
    yield from of_both(
        "reset mid-body", "plain", lambda d: Peer(with_length(plain(d)[:30], 99), reset=True), UNREADABLE
    )
    yield from of_both("a length too long", "plain", lambda d: Peer(with_length(plain(d), 9_999)), UNREADABLE)
    yield from of_both("a length too short", "plain", lambda d: Peer(with_length(plain(d), 20)), UNREADABLE)
    yield from of_both("reset mid-stream", "stream", lambda d: Peer(chunked(*first(d)), reset=True), CUT_OFF)
    yield from of_both("closed mid-stream", "stream", lambda d: Peer(chunked(*first(d))), CUT_OFF)
    yield from of_both("a broken chunk", "stream", lambda d: Peer(chunked(*first(d)), late=b"zz\r\n"), CUT_OFF)
    yield from of_both("no last chunk", "stream", lambda d: Peer(chunked(*all_of(d))), ANSWERED)
    yield from of_both("byte by byte", "plain", lambda d: Peer(with_length(plain(d)), dribbles=True), ANSWERED)
    yield from of_both(
        "byte by byte", "stream", lambda d: Peer(chunked(*all_of(d), end=b"0\r\n\r\n"), dribbles=True), ANSWERED
    )
