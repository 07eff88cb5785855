"""What is counted of calls agrees with what happened, and with the log."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
import trio
from trio.testing import MockClock

from arawn.config.schema import RetryConfig
from arawn.errors import BackendError
from arawn.messages import CompletionRequest, user
from tests.fake_provider import FakeProvider, Reply, openai_reply, openai_stream, stream_reply
from tests.runtimes import configured, custom, records, running, scripted
from tests.serving import app_of, serving

HELLO = CompletionRequest(messages=(user("hello"),))
BUSY = Reply(status=503, body=b'{"error": {"message": "busy"}}')
RETRY = RetryConfig(attempts=3, initial_s=0.0, max_s=0.0)


@pytest.mark.parametrize("logged", [True, False])
async def test_a_call_that_is_retried_is_one_call(tmp_path: Path, logged: bool) -> None:
    """Three attempts, two of them retries; the tokens of the one that was answered; with the log or without."""
    with FakeProvider(BUSY, BUSY, Reply(body=openai_reply("ok"))) as provider:
        profiles = {"default": custom(provider.address, retry=RETRY)}
        async with running(configured(tmp_path, profiles, enabled=logged)) as runtime:
            await runtime.complete(HELLO)
            counts = runtime.counts.of("default")

    assert counts.calls == {"ok": 1, "error": 0, "cancelled": 0}
    assert counts.attempts == {"ok": 1, "error": 2, "cancelled": 0, "partial": 0}
    assert (counts.retries, counts.tokens["input"], counts.tokens["output"]) == (2, 7, 3)
    assert len(records(tmp_path)) == (3 if logged else 0)


async def test_a_stream_has_a_time_to_its_first_token(tmp_path: Path) -> None:
    """A plain call has none."""
    with FakeProvider(stream_reply(openai_stream("a", "b")), Reply(body=openai_reply("ok"))) as provider:
        async with running(configured(tmp_path, {"default": custom(provider.address)})) as runtime:
            async with runtime.stream(HELLO) as events:
                async for _ in events:
                    pass
            await runtime.complete(HELLO)
            counts = runtime.counts.of("default")

    assert [count for _, count in counts.first_token_seconds.cumulative()][-1] == 1
    assert [count for _, count in counts.call_seconds.cumulative()][-1] == 2
    assert counts.first_token_seconds.total <= counts.call_seconds.total


async def test_a_call_that_fails_is_an_error(tmp_path: Path) -> None:
    """Counted under its own profile."""
    with FakeProvider(BUSY) as provider:
        profiles = {"default": scripted(tmp_path, [{"text": "hi"}]), "bad": custom(provider.address)}
        async with running(configured(tmp_path, profiles)) as runtime:
            with pytest.raises(BackendError):
                await runtime.complete(HELLO, profile="bad")
            bad, default = runtime.counts.of("bad"), runtime.counts.of("default")

    assert (bad.calls["error"], default.calls["error"]) == (1, 0)


async def test_a_backend_that_is_unavailable_counts_what_it_refuses(tmp_path: Path) -> None:
    """As errors: each has its record too."""
    profiles = {
        "default": scripted(tmp_path, [{"text": "hi"}]),
        "off": custom("http://127.0.0.1:9", api_key_env="NONE_SUCH"),
    }
    async with running(configured(tmp_path, profiles)) as runtime:
        with pytest.raises(BackendError):
            await runtime.complete(HELLO, profile="off")
        off = runtime.counts.of("off")

    assert (off.calls["error"], off.attempts["error"], len(records(tmp_path))) == (1, 1, 1)


async def test_a_call_that_is_cancelled_is_counted_so(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Once, in both."""
    profiles = {"default": scripted(tmp_path, [{"hang": True}])}
    async with running(configured(tmp_path, profiles)) as runtime:
        with trio.move_on_after(0.05):
            await runtime.complete(HELLO)
        counts = runtime.counts.of("default")
        await trio.sleep(0.05)

    assert (counts.calls["cancelled"], counts.attempts["cancelled"]) == (1, 1)


async def test_the_metrics_of_a_running_daemon_are_these(tmp_path: Path) -> None:
    """Over a real socket, as Prometheus reads them."""
    parser = pytest.importorskip("prometheus_client.parser")
    async with running(configured(tmp_path, {"default": scripted(tmp_path, [{"text": "hi"}])})) as runtime:
        await runtime.complete(HELLO)
        app = app_of(runtime)
        async with serving(app) as served, httpx.AsyncClient(base_url=served.url) as client:
            text = (await client.get("/metrics")).text

    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in parser.text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert found["arawn_calls_total", "default", "ok"] == 1
    assert found["arawn_call_duration_seconds_bucket", "default", "+Inf"] == 1
    assert found["arawn_backend_health", "default", "ready"] == 1
    assert found["arawn_log_state", "ok"] == 1
