"""Why an address cannot be listened on: the remedy fits the cause."""

from __future__ import annotations

import errno
import os
import socket

import pytest

from arawn.listen_faults import listen_fault
from arawn.wire.listeners import open_tcp_listeners


async def fault(listen: str) -> str:
    host, _, port = listen.rpartition(":")
    try:
        await open_tcp_listeners(host, int(port))
    except (OSError, UnicodeError) as error:
        return listen_fault(listen, error)
    pytest.fail(f"`{listen}` can be listened on")


async def test_a_taken_address_has_a_process_to_stop() -> None:
    """And only that one."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"

        said = await fault(listen)

    assert said.startswith(f"cannot listen on `{listen}`: another process listens there; stop that process, or give")


@pytest.mark.parametrize(
    ("listen", "cause"),
    [
        ("nohost.invalid:1", "no address is known for the name `nohost.invalid`"),
        ("192.0.2.1:8000", "this machine has no address `192.0.2.1`; give one that it has"),
        (f"{'a' * 70}.example:1", "is no name of a machine"),
    ],
)
async def test_an_address_of_nobody_here_has_no_process_to_stop(listen: str, cause: str) -> None:
    """What would be right is another address."""
    said = await fault(listen)

    assert cause in said
    assert "stop that process" not in said


@pytest.mark.parametrize(
    ("number", "remedy"), [(errno.EACCES, "give a port from 1024 on"), (errno.ENOBUFS, "give another address")]
)
def test_other_causes_have_their_own(number: int, remedy: str) -> None:
    """A port of the system's, and whatever else the system says."""
    said = listen_fault("127.0.0.1:80", OSError(number, os.strerror(number)))

    assert remedy in said
    assert "stop that process" not in said
