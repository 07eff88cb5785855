"""Every configuration key of a profile changes what its calls do: one test each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from arawn.config.schema import Profile, RetryConfig, TimeoutsConfig
from arawn.errors import BackendError, RateLimited, TimedOut
from arawn.messages import CompletionRequest, user
from tests.arawn.shown_keys import shows
from tests.fake_provider import FakeProvider, Fault, Received, Reply, anthropic_reply, openai_reply
from tests.runtimes import configured, custom, records, running, scripted

ASK = CompletionRequest(messages=(user("hello there"),))


async def sent(
    tmp_path: Path, *, dialect: str | None = "openai", environ: dict[str, str] | None = None, **settings: Any
) -> Received:
    """Make one call with a profile and return what the provider received."""
    reply = anthropic_reply("ok") if dialect == "anthropic" else openai_reply("ok")
    with FakeProvider(Reply(body=reply)) as fake:
        known = {"backend": "custom", "dialect": dialect, "model": "m", "base_url": f"{fake.address}/v1"}
        profile = Profile(**{**known, **settings})
        async with running(configured(tmp_path, {"default": profile}), environ) as runtime:
            await runtime.complete(ASK)
        return fake.received[0]


@shows("llm.model", "llm.max_tokens", "llm.temperature", "llm.top_p", "llm.stop", "llm.extra")
@pytest.mark.parametrize(
    ("key", "value", "field"),
    [
        ("model", "special", "model"),
        ("max_tokens", 77, "max_tokens"),
        ("temperature", 0.25, "temperature"),
        ("top_p", 0.5, "top_p"),
        ("stop", ("END",), "stop"),
        ("extra", {"seed": 7}, "seed"),
    ],
)
async def test_a_setting_reaches_the_provider(tmp_path: Path, key: str, value: Any, field: str) -> None:
    """What the profile sets is in the request body."""
    received = await sent(tmp_path, **{key: value})

    expected = {"extra": 7, "stop": ["END"]}.get(key, value)
    assert received.json()[field] == expected


@shows("llm.backend", "llm.base_url", "llm.dialect")
async def test_the_dialect_and_address_decide_what_is_sent_where(tmp_path: Path) -> None:
    """`dialect` chooses the wire form, `base_url` the place, `backend` the kind that the record names."""
    openai = await sent(tmp_path)
    anthropic = await sent(tmp_path, dialect="anthropic")
    await sent(tmp_path, backend="ollama", dialect=None)

    assert openai.path == "/v1/chat/completions"
    assert anthropic.path.endswith("/messages")
    assert [record["provider"] for record in records(tmp_path)] == ["custom", "custom", "ollama"]


@shows("llm.headers", "llm.api_key")
async def test_headers_and_key_are_sent(tmp_path: Path) -> None:
    """Extra headers and the key go with every request."""
    received = await sent(tmp_path, headers={"x-team": "search"}, api_key="k1")

    assert received.headers["x-team"] == "search"
    assert received.headers["authorization"] == "Bearer k1"


@shows("llm.api_key_env", "llm.api_key_command")
async def test_the_key_may_come_from_a_variable_or_a_command(tmp_path: Path) -> None:
    """Either way the same header is sent."""
    from_variable = await sent(tmp_path, api_key_env="MY_KEY", environ={"MY_KEY": "k2"})
    from_command = await sent(tmp_path, api_key_command=("/bin/echo", "k3"))

    assert from_variable.headers["authorization"] == "Bearer k2"
    assert from_command.headers["authorization"] == "Bearer k3"


@shows("llm.script")
async def test_a_script_is_played(tmp_path: Path) -> None:
    """The `scripted` backend says what its script says."""
    profile = scripted(tmp_path, [{"text": "as written"}])
    async with running(configured(tmp_path, {"default": profile})) as runtime:
        assert (await runtime.complete(ASK)).text == "as written"


@shows("llm.max_concurrency")
@pytest.mark.parametrize(("limit", "seconds"), [(1, 4), (2, 2), (4, 1)])
async def test_concurrency_is_bounded(tmp_path: Path, autojump_clock: MockClock, limit: int, seconds: float) -> None:
    """Four one-second calls take as long as the bound allows."""
    profile = scripted(tmp_path, [{"delay_s": 1}], max_concurrency=limit)
    async with running(configured(tmp_path, {"default": profile})) as runtime:
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(runtime.complete, ASK)

        assert trio.current_time() - began == pytest.approx(seconds)


@shows("llm.mailbox")
async def test_the_mailbox_is_bounded(tmp_path: Path, autojump_clock: MockClock) -> None:
    """No more calls are in it than the bound; the others wait for room, and `status` counts them as well."""
    profile = scripted(tmp_path, [{"delay_s": 1}], max_concurrency=1, mailbox=3)
    async with running(configured(tmp_path, {"default": profile})) as runtime:
        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(runtime.complete, ASK)
            await trio.sleep(0.5)
            status = runtime.status()

    (backend,) = [actor for each in status.tree.children for actor in each.children if actor.name == "backend:default"]
    assert (backend.in_hand, backend.queued, backend.waiting) == (1, 3, 6)
    assert (status.backends[0].in_hand, status.backends[0].queued) == (1, 9)


@shows("llm.requests_per_minute")
async def test_requests_per_minute_queue_and_then_say_when(tmp_path: Path, autojump_clock: MockClock) -> None:
    """The third call of a profile with two a minute waits, or is told how long when that is too long."""
    patient = scripted(tmp_path, [{"text": "ok"}], requests_per_minute=2, retry=RetryConfig(max_s=60))
    hasty = scripted(tmp_path, [{"text": "ok"}], requests_per_minute=2, retry=RetryConfig(max_s=1))
    async with running(configured(tmp_path, {"default": patient, "hasty": hasty})) as runtime:
        began = trio.current_time()
        for _ in range(3):
            await runtime.complete(ASK)
        waited = trio.current_time() - began
        for _ in range(2):
            await runtime.complete(ASK, profile="hasty")
        with pytest.raises(RateLimited) as caught:
            await runtime.complete(ASK, profile="hasty")

    assert waited == pytest.approx(30)
    assert caught.value.retry_after_s == pytest.approx(30)


@shows("llm.tokens_per_minute")
async def test_tokens_per_minute_are_charged_when_known(tmp_path: Path, autojump_clock: MockClock) -> None:
    """A call that used two minutes' worth of tokens makes the next one wait until the debt is paid."""
    usage = {"input_tokens": 100, "output_tokens": 100}
    steps = [{"text": "ok", "usage": usage}]
    profile = scripted(tmp_path, steps, tokens_per_minute=100, retry=RetryConfig(max_s=600))
    async with running(configured(tmp_path, {"default": profile})) as runtime:
        began = trio.current_time()
        await runtime.complete(ASK)
        await runtime.complete(ASK)

    assert trio.current_time() - began == pytest.approx(60.6, abs=1)


@shows("llm.timeouts.first_token_s", "llm.timeouts.idle_s", "llm.timeouts.total_s")
@pytest.mark.parametrize(
    ("step", "deadlines", "which"),
    [
        ({"hang": True}, {"first_token_s": 3}, "first_token"),
        ({"text": "a b c", "cut_after": 1, "hang": True}, {"idle_s": 4}, "idle"),
        ({"text": "a b c d e f", "token_delay_s": 2}, {"total_s": 5}, "total"),
    ],
)
async def test_a_deadline_names_itself(
    tmp_path: Path, autojump_clock: MockClock, step: dict[str, Any], deadlines: dict[str, float], which: str
) -> None:
    """Each of the stream deadlines ends the call at its own time, under its own name."""
    profile = scripted(tmp_path, [step], timeouts=TimeoutsConfig(**deadlines), retry=RetryConfig(attempts=1))
    async with running(configured(tmp_path, {"default": profile})) as runtime:
        began = trio.current_time()
        with pytest.raises(TimedOut) as caught:
            async with runtime.stream(ASK) as events:
                async for _ in events:
                    pass

    assert caught.value.which == which
    assert trio.current_time() - began == pytest.approx(next(iter(deadlines.values())), abs=0.01)


@shows("llm.timeouts.connect_s")
async def test_the_connect_deadline_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A listener whose queue is full never answers the connect: `connect_s` ends that."""
    listener = trio.socket.socket()
    await listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    port = listener.getsockname()[1]
    fillers = [trio.socket.socket() for _ in range(4)]
    try:
        for filler in fillers:
            with trio.move_on_after(0.1):
                await filler.connect(("127.0.0.1", port))
        profile = custom(f"http://127.0.0.1:{port}", timeouts=TimeoutsConfig(connect_s=0.2))
        async with running(configured(tmp_path, {"default": profile})) as runtime:
            with trio.fail_after(5), pytest.raises(TimedOut) as caught:
                await runtime.complete(ASK)
    finally:
        for each in (*fillers, listener):
            each.close()

    assert caught.value.which == "connect"


@shows("llm.retry.attempts", "llm.retry.initial_s", "llm.retry.max_s")
@pytest.mark.parametrize(
    ("retry", "attempts", "shortest", "longest"),
    [
        (RetryConfig(attempts=1), 1, 0, 0),
        (RetryConfig(attempts=3, initial_s=1, max_s=100), 3, 3, 5),
        (RetryConfig(attempts=3, initial_s=10, max_s=100), 3, 30, 50),
        (RetryConfig(attempts=4, initial_s=10, max_s=12), 4, 30, 36),
    ],
)
async def test_retries_follow_their_settings(
    tmp_path: Path, autojump_clock: MockClock, retry: RetryConfig, attempts: int, shortest: float, longest: float
) -> None:
    """As many attempts as set, with waits that double from `initial_s` up to `max_s`, plus jitter."""
    profile = scripted(tmp_path, [{"error": {"status": 503}}], retry=retry)
    async with running(configured(tmp_path, {"default": profile})) as runtime:
        began = trio.current_time()
        with pytest.raises(BackendError):
            await runtime.complete(ASK)

    took = trio.current_time() - began
    assert len(records(tmp_path)) == attempts
    assert shortest < took <= longest or took == shortest == 0


async def test_a_refused_connection_is_one_clear_error(tmp_path: Path) -> None:
    """Nobody listens there: the error says where, and the record says so too."""
    with FakeProvider() as fake:
        address = fake.address
    async with running(configured(tmp_path, {"default": custom(address)})) as runtime:
        with pytest.raises(BackendError, match=r"127\.0\.0\.1"):
            await runtime.complete(ASK)

    assert records(tmp_path)[0]["error"]["type"] == "ConnectionFailed"


async def test_a_provider_cut_in_mid_answer_is_recorded(tmp_path: Path) -> None:
    """A reset instead of an answer leaves an `error` record for every attempt."""
    with FakeProvider(Reply(before=Fault.CUT)) as fake:
        profile = custom(fake.address, retry=RetryConfig(attempts=2, initial_s=0.01, max_s=0.02))
        async with running(configured(tmp_path, {"default": profile})) as runtime:
            with pytest.raises(BackendError):
                await runtime.complete(ASK)

    assert [record["attempt"] for record in records(tmp_path)] == [1, 2]
