"""Connections that fail because one side speaks TLS and the other one does not."""

from __future__ import annotations

import contextlib
import resource
import socket
import tempfile
from contextlib import ExitStack
from functools import partial

import pytest
import trio

from arawn.backends.connection_failures import is_own_lack
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
