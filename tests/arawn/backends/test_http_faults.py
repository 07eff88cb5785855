from __future__ import annotations

import socket
from typing import NoReturn

import httpx
import pytest
import trio

from arawn.backends import http_provider
from arawn.backends.open import open_provider
from arawn.config.schema import Profile
from arawn.errors import BackendError, BadInput, BadReply, ConnectionFailed, Overloaded, TimedOut
from arawn.messages import Begun, CompletionRequest, StreamEvent, TextDelta, user
from tests.arawn.backends.calling import ASK, SHORT, complete_error, opened, stream, stream_error
from tests.fake_provider import (
    FakeProvider,
    Fault,
    Reply,
    events,
    openai_chunk,
    openai_reply,
    openai_stream,
    stream_reply,
)


@pytest.mark.parametrize("fault", [Fault.CUT, Fault.END])
async def test_a_connection_that_breaks_before_an_answer_may_be_tried_again(fault: Fault) -> None:
    """No byte of an answer had come, so a retry costs nothing."""
    error = await complete_error(Reply(before=fault))
    _, streamed = await stream_error(Reply(before=fault))

    for each in (error, streamed):
        assert isinstance(each, ConnectionFailed)
        assert each.retryable
        assert each.partial is None


async def test_nobody_listening_says_so() -> None:
    """A refused connection names the address and what to check."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with opened(f"http://127.0.0.1:{port}") as provider:
        with pytest.raises(ConnectionFailed, match=f"127.0.0.1:{port}.*connection refused.*check") as caught:
            await provider.complete(ASK)

    assert caught.value.retryable


class _NoNames(trio.abc.HostnameResolver):
    async def getaddrinfo(self, *args: object, **kwargs: object) -> NoReturn:
        raise socket.gaierror(socket.EAI_NONAME, "not known")

    async def getnameinfo(self, *args: object, **kwargs: object) -> NoReturn:
        raise NotImplementedError


async def test_a_name_that_does_not_exist_says_so() -> None:
    """DNS faults are told from refusals."""
    trio.socket.set_custom_hostname_resolver(_NoNames())

    async with opened("http://no-such-host.invalid") as provider:
        with pytest.raises(ConnectionFailed, match="cannot be resolved"):
            await provider.complete(ASK)


async def test_tls_against_a_plain_server_says_so() -> None:
    """The scheme is the thing to check."""
    with FakeProvider() as fake:
        async with opened(fake.address.replace("http:", "https:")) as provider:
            with pytest.raises(ConnectionFailed, match="TLS failed"):
                await provider.complete(ASK)


@pytest.mark.parametrize("fault", [Fault.CUT, Fault.END, None])
async def test_a_stream_without_its_end_keeps_what_came(fault: Fault | None) -> None:
    """Reset, closed or ended too early: the error holds the part that was emitted and cannot be retried."""
    pieces: list[bytes | Fault] = [*openai_stream("a", " b")[:3]]
    sink, error = await stream_error(stream_reply(pieces if fault is None else [*pieces, fault]))

    assert isinstance(error, BadReply)
    assert sink == [TextDelta(0, "a"), TextDelta(0, " b")]
    assert error.partial is not None
    assert (error.partial.text, error.partial.model, error.partial.profile) == ("a b", "fake-1", "p")
    assert not error.retryable


async def test_a_plain_reply_that_is_cut_is_no_answer() -> None:
    """Half a body is never read as a whole one."""
    body = openai_reply("hello")
    error = await complete_error(Reply(pieces=[body[:20], Fault.CUT]))

    assert isinstance(error, BadReply)
    assert not error.retryable


@pytest.mark.parametrize(
    ("late", "kind"),
    [
        (events({"error": {"message": "upstream died", "code": 502}}), Overloaded),
        (events("not json"), BadReply),
        (events({"something": "else"}), BadReply),
    ],
)
async def test_a_fault_inside_a_stream_comes_after_what_was_sent(late: list[bytes], kind: type[BackendError]) -> None:
    """Deltas before the fault are emitted, even from the same piece; after them nothing is retryable."""
    sink, error = await stream_error(stream_reply([b"".join(openai_stream("a")[:2] + late)]))

    assert type(error) is kind
    assert sink == [TextDelta(0, "a")]
    assert error.partial is not None
    assert error.partial.text == "a"
    assert not error.retryable


async def test_an_error_before_the_first_delta_may_be_tried_again() -> None:
    """Nothing was passed on, so the provider's own kind of error decides."""
    overloaded = events({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, named=True)
    _, error = await stream_error(stream_reply(overloaded), dialect="anthropic")

    assert isinstance(error, Overloaded)
    assert error.retryable
    assert error.partial is None


@pytest.mark.parametrize(
    ("deadlines", "reply", "which", "text"),
    [
        ({"first_token_s": SHORT}, Reply(before=Fault.STALL), "first_token", None),
        ({"first_token_s": SHORT}, stream_reply([Fault.STALL]), "first_token", None),
        ({"idle_s": SHORT}, stream_reply([*openai_stream("a")[:2], Fault.STALL]), "idle", "a"),
        ({"total_s": SHORT}, stream_reply([*openai_stream("a")[:2], Fault.STALL]), "total", "a"),
    ],
)
async def test_each_deadline_of_a_stream_names_itself(
    deadlines: dict[str, float], reply: Reply, which: str, text: str | None
) -> None:
    """A stall ends at its own deadline, with what had arrived."""
    _, error = await stream_error(reply, deadlines=deadlines)

    assert isinstance(error, TimedOut)
    assert error.which == which
    assert f"`{which}_s` = 0.1 s" in str(error)
    assert (error.partial.text if error.partial else None) == text
    assert not error.retryable


async def test_a_plain_call_is_bound_by_its_total_alone() -> None:
    """Long thinking without a byte is no fault of a plain call."""
    deadlines = {"first_token_s": 0.01, "idle_s": 0.01, "total_s": 2 * SHORT}
    started = trio.current_time()

    error = await complete_error(Reply(before=Fault.STALL), deadlines=deadlines)

    assert isinstance(error, TimedOut)
    assert error.which == "total"
    assert trio.current_time() - started >= 2 * SHORT


async def test_connecting_has_a_deadline_of_its_own() -> None:
    """A host that does not answer at all is a `connect` time-out, and may be tried again."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:  # never accepts: the queue fills, then silence
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
        async with opened(f"http://127.0.0.1:{port}", deadlines={"connect_s": SHORT}) as provider:
            with pytest.raises(TimedOut) as caught:
                await provider.complete(ASK)
        for client in waiting:
            client.close()

    assert caught.value.which == "connect"
    assert caught.value.retryable


async def test_a_slow_reader_is_not_the_providers_silence() -> None:
    """Time spent in `emit` does not count as idle."""

    async def emit(_: StreamEvent | Begun) -> None:
        await trio.sleep(3 * SHORT)

    with FakeProvider(stream_reply(openai_stream("a", "b"))) as fake:
        async with opened(fake.address, deadlines={"idle_s": SHORT, "first_token_s": 5}) as provider:
            assert (await provider.stream(ASK, emit)).text == "ab"


@pytest.mark.parametrize("reply", [Reply(before=Fault.STALL), stream_reply([*openai_stream("a")[:2], Fault.STALL])])
async def test_a_cancelled_call_hangs_up(reply: Reply) -> None:
    """Tokens cost money: the provider sees the connection close."""
    with FakeProvider(reply) as fake:
        async with opened(fake.address) as provider:
            with trio.move_on_after(SHORT) as scope:
                await stream(provider, [])
            assert await trio.to_thread.run_sync(fake.hung_up.wait, 5)

    assert scope.cancelled_caught


async def test_what_the_reader_raises_is_passed_on() -> None:
    """A fault of the reader is not the provider's, and closes the connection."""

    async def leave(_: StreamEvent | Begun) -> None:
        raise trio.BrokenResourceError

    with FakeProvider(stream_reply([*openai_stream("a")[:2], Fault.STALL])) as fake:
        async with opened(fake.address) as provider:
            with pytest.raises(trio.BrokenResourceError):
                await provider.stream(ASK, leave)


async def test_a_reply_without_end_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded, plain and streamed."""
    monkeypatch.setattr(http_provider, "_MAX_BODY_BYTES", 1000)

    plain = await complete_error(Reply(body=openai_reply("x" * 200_000)))  # more than what comes with its head
    _, streamed = await stream_error(stream_reply(events(*(openai_chunk(content="x") for _ in range(20)))))

    for error in (plain, streamed):
        assert isinstance(error, BadReply)
        assert "more than 1000 bytes" in str(error)


@pytest.mark.parametrize("value", ["\ud800", object(), {1: {(): 2}}])
async def test_a_request_that_is_no_json_is_not_sent(value: object) -> None:
    """The caller's fault is told before anything is sent."""
    with FakeProvider() as fake:
        async with opened(fake.address) as provider:
            with pytest.raises(BadInput, match="cannot be written as JSON"):
                await provider.complete(CompletionRequest(messages=(user("hi"),), model="m", extra={"x": value}))

    assert fake.received == []


async def test_a_transport_can_be_plugged_in() -> None:
    """The same provider runs over any httpx transport, and is asked there."""

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url == "https://api.groq.com/openai/v1/chat/completions"
        return httpx.Response(200, content=openai_reply("hello"), headers={"content-type": "application/json"})

    profile = Profile(backend="groq", model="m", api_key="k")
    async with open_provider("p", profile, environ={}, transport=httpx.MockTransport(answer)) as provider:
        assert (await provider.complete(ASK)).text == "hello"


class _CancelAtStep(trio.abc.Instrument):
    """Cancels `scope` just before step `k` of the task that runs the test."""

    def __init__(self, k: int, task: trio.lowlevel.Task) -> None:
        self.scope = trio.CancelScope()
        self._k = k
        self._task = task

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if task is self._task:
            self._k -= 1
            if self._k == 0:
                self.scope.cancel(reason="sweep")


async def test_a_call_can_be_cancelled_at_every_step() -> None:
    """Wherever the caller leaves, nothing is left behind and the next call works."""
    with FakeProvider(stream_reply(openai_stream("a", " b"))) as fake:
        async with opened(fake.address) as provider:
            for k in range(1, 60):
                instrument = _CancelAtStep(k, trio.lowlevel.current_task())
                trio.lowlevel.add_instrument(instrument)
                with instrument.scope:
                    await stream(provider, [])
                trio.lowlevel.remove_instrument(instrument)
                if not instrument.scope.cancel_called:
                    break
            assert (await stream(provider, [])).text == "a b"

    assert 3 < k < 59
