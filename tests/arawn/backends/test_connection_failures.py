"""Connections that fail are told apart, also where one side speaks TLS and the other one does not."""

from __future__ import annotations

import contextlib
import resource
import socket
import tempfile
from contextlib import ExitStack
from functools import partial

import httpx
import pytest
import trio

from arawn.backends.connection_failures import from_httpx, is_own_lack
from arawn.errors import BackendError, ConnectionFailed, TimedOut
from tests.arawn.backends.calling import ASK, SHORT, opened
from tests.arawn.faults.sockets import untrusted


async def test_a_plain_call_to_a_tls_port_says_so() -> None:
    """Whether the server hangs up or answers with an alert, the scheme is the thing to check."""

    async def serve(stream: trio.SocketStream) -> None:
        tls = trio.SSLStream(stream, untrusted(), server_side=True)
        with contextlib.suppress(trio.BrokenResourceError):
            await tls.do_handshake()
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        async with opened(f"http://127.0.0.1:{listener.socket.getsockname()[1]}") as provider:
            with pytest.raises(BackendError, match="right one of `http://` and `https://` and the right port"):
                await provider.complete(ASK)
        nursery.cancel_scope.cancel()


async def test_a_tls_handshake_that_hangs_is_told() -> None:
    """It counts as connecting, and the words say so."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"https://127.0.0.1:{silent.getsockname()[1]}"
        async with opened(address, deadlines={"connect_s": SHORT}) as provider:
            with pytest.raises(TimedOut, match=r"TLS included.*within `connect_s` = 0\.1 s") as caught:
                await provider.complete(ASK)

    assert caught.value.which == "connect"


async def test_a_process_without_descriptors_says_so() -> None:
    """With a real limit and a real socket: it is told apart from a provider that is not there."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.create_server(("127.0.0.1", 0)) as server, tempfile.TemporaryFile() as last:
        async with opened(f"http://127.0.0.1:{server.getsockname()[1]}") as provider:
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (last.fileno() + 1, limits[1]))
                with ExitStack() as every, contextlib.suppress(OSError):
                    while True:
                        every.enter_context(tempfile.TemporaryFile())
                with pytest.raises(ConnectionFailed) as caught:
                    await provider.complete(ASK)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)

    assert "may open no more files; raise its limit (`ulimit -n`, `LimitNOFILE=`)" in str(caught.value)
    assert is_own_lack(caught.value)


@pytest.mark.parametrize(
    ("cause", "kind", "words"),
    [
        (httpx.ConnectTimeout("x"), TimedOut, "(TLS included, if it is `https://`) within `connect_s` = 5 s"),
        (httpx.ReadError("x"), ConnectionFailed, "right one of `http://` and `https://` and the right port"),
        (httpx.RemoteProtocolError("x"), ConnectionFailed, "before it answered"),
        (httpx.ProxyError("x"), ConnectionFailed, "proxy"),
    ],
)
def test_broken_connections_are_told_apart(cause: httpx.HTTPError, kind: type[BackendError], words: str) -> None:
    """Each is retryable: no byte of an answer had come."""
    error = from_httpx("profile `p`", cause, connect_s=5.0)

    assert (type(error), error.retryable) == (kind, True)
    assert words in str(error)


def test_a_header_that_cannot_be_sent_is_not_quoted() -> None:
    """The text of the HTTP library may hold the key."""
    error = from_httpx("profile `p`", httpx.LocalProtocolError("Illegal header value b'secret'"), connect_s=5.0)

    assert not error.retryable
    assert "secret" not in str(error)
