"""Clients that leave while their requests are answered, told without a task for each request."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Callable

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from arawn.wire.asgi import LEAVING_CANCELS, ClientLeft, Event, Receive, Scope, Send
from arawn.wire.leavers import open_leavers
from tests.serving import read_body, read_response, respond, serving

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
RESET = struct.pack("ii", 1, 0)


def closes(sock: trio.socket.SocketType) -> None:
    sock.close()


def says_no_more(sock: trio.socket.SocketType) -> None:
    sock.shutdown(socket.SHUT_WR)


def resets(sock: trio.socket.SocketType) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    sock.close()


@pytest.mark.parametrize("leave", [closes, says_no_more, resets])
@pytest.mark.parametrize("ahead", [b"", GET, b"x" * 100_000], ids=["nothing", "a request", "100 kB"])
async def test_work_is_cancelled_at_once_when_its_client_leaves(
    leave: Callable[[trio.socket.SocketType], None], ahead: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """However it leaves, and whatever it has sent ahead; nobody is to blame for the answer that is missing."""
    at_work, cancelled = trio.Event(), trio.Event()

    async def app(scope: Scope, receive: Receive, _: Send) -> None:
        await read_body(receive)
        with scope["extensions"][LEAVING_CANCELS]():
            try:
                at_work.set()
                await trio.sleep_forever()
            except trio.Cancelled:
                cancelled.set()
                raise

    async with serving(app) as served:
        stream = await served.connect()
        await stream.send_all(GET + ahead)
        await at_work.wait()
        leave(stream.socket)
        with trio.fail_after(0.1):
            await cancelled.wait()
        await trio.aclose_forcefully(stream)

    assert not caplog.records


async def test_work_that_is_done_is_not_cancelled_later() -> None:
    """A connection carries many requests, each watched for itself; its end between two of them cancels nothing."""
    left, cleaned_up = trio.Event(), trio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await read_body(receive)
        with scope["extensions"][LEAVING_CANCELS]():
            await respond(send, 200, b"ok", [(b"content-length", b"2")])
        if left.is_set():
            await trio.testing.wait_all_tasks_blocked(0.01)
            cleaned_up.set()

    async with serving(app) as served:
        async with await served.connect() as stream:
            for _ in range(3):
                await stream.send_all(GET)
                assert await read_response(stream, bytearray()) == (200, b"ok")
            left.set()
            await stream.send_all(GET)
            await stream.send_eof()
            assert await read_response(stream, bytearray()) == (200, b"ok")
        with trio.fail_after(1):
            await cleaned_up.wait()


STEPS = st.lists(
    st.tuples(st.sampled_from(["watch", "unwatch", "send", "leave", "look"]), st.integers(0, 3)), max_size=30
)


@given(STEPS)
@settings(max_examples=100, deadline=None)
def test_exactly_those_are_told_that_leave_while_they_are_watched(steps: list[tuple[str, int]]) -> None:
    """Once for each watch, also if the client had left before it; bytes that arrive tell nothing."""

    async def main() -> None:
        told: list[int] = []
        expected: list[int] = []
        watched, due, gone, noticed = set[int](), set[int](), set[int](), set[int]()
        pairs = [socket.socketpair() for _ in range(4)]
        with contextlib.ExitStack() as stack:
            for pair in pairs:
                for end in pair:
                    stack.callback(end.close)
            async with open_leavers() as leavers:
                assert leavers is not None
                for ours, _ in pairs:
                    leavers.add(ours.fileno())
                for step, number in [*steps, ("look", 0)]:
                    ours, theirs = pairs[number]
                    if step == "watch" and number not in watched:
                        leavers.watch(ours.fileno(), lambda number=number: told.append(number))  # type: ignore[misc]
                        watched.add(number)
                        if number in noticed:
                            expected.append(number)  # at once
                        else:
                            due |= gone & {number}
                    elif step == "unwatch" and number in watched:
                        leavers.unwatch(ours.fileno())
                        watched.discard(number)
                        due.discard(number)
                    elif step == "send" and number not in gone:
                        theirs.send(b"x")
                    elif step == "leave" and number not in gone:
                        theirs.close()
                        gone.add(number)
                        due |= watched & {number}
                    elif step == "look":
                        await trio.testing.wait_all_tasks_blocked(0.001)
                        expected += due
                        due.clear()
                        noticed |= gone
                        assert sorted(told) == sorted(expected)

    trio.run(main)


async def test_the_application_hears_at_once_that_the_client_left() -> None:
    """`http.disconnect` arrives while the application works on its answer."""
    heard = trio.Event()

    async def app(_: Scope, receive: Receive, __: Send) -> None:
        await read_body(receive)
        assert (await receive())["type"] == "http.disconnect"
        heard.set()

    async with serving(app) as served:
        stream = await served.connect()
        await stream.send_all(GET + GET)  # what was sent ahead does not hide the end
        await trio.testing.wait_all_tasks_blocked(0.01)
        await stream.aclose()
        with trio.fail_after(0.1):
            await heard.wait()


async def test_the_application_hears_it_while_it_streams() -> None:
    """A task that listens beside a stream being sent is told, though the stream stands still."""
    heard = trio.Event()

    async def app(_: Scope, receive: Receive, send: Send) -> None:
        await read_body(receive)
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        await receive()
        heard.set()

    async with serving(app) as served:
        async with await served.connect() as stream:
            await stream.send_all(GET)
            await stream.receive_some()
        with trio.fail_after(0.1):
            await heard.wait()


async def test_sending_to_a_client_that_left_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    """An application that never listens is ended by `ClientLeft` and not reported as faulty."""
    ended = trio.Event()

    async def app(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        try:
            while True:
                await send({"type": "http.response.body", "body": bytes(10_000), "more_body": True})
        except ClientLeft:
            ended.set()
            raise

    async with serving(app) as served:
        async with await served.connect() as stream:
            await stream.send_all(GET)
            await stream.receive_some()
        with trio.fail_after(1):
            await ended.wait()

    assert not caplog.records


async def test_a_client_that_leaves_in_its_body_is_told_as_such() -> None:
    """A body that ends before its announced length is no body: the application gets `http.disconnect`."""
    events: list[Event] = []
    over = trio.Event()

    async def app(_: Scope, receive: Receive, __: Send) -> None:
        events.extend([await receive(), await receive(), await receive()])
        over.set()

    async with serving(app) as served:
        async with await served.connect() as stream:
            await stream.send_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc")
            await trio.testing.wait_all_tasks_blocked(0.01)
        await over.wait()

    assert [event["type"] for event in events] == ["http.request", "http.disconnect", "http.disconnect"]
