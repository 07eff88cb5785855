"""The bytes below HTTP."""

from __future__ import annotations

import os
import socket

import trio

from arawn.wire.client_link import PlainLink


async def test_a_closed_link_is_never_taken_for_an_idle_one() -> None:
    """Not even once its descriptor belongs to a connection that has nothing to read."""
    ours, theirs = socket.socketpair()
    other, far = socket.socketpair()
    with theirs, other, far:
        link, descriptor = PlainLink(ours), ours.fileno()
        assert not link.has_input()

        link.close()
        os.dup2(other.fileno(), descriptor)

        try:
            assert link.has_input()
        finally:
            os.close(descriptor)
    await trio.lowlevel.checkpoint()
