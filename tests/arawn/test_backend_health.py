"""Health of backends: what shows in it, and when calls are kept from a provider that only fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from arawn.config.schema import RetryConfig
from arawn.errors import (
    BackendError,
    BadRequest,
    Overloaded,
    Unavailable,
)
from arawn.messages import (
    CompletionRequest,
    user,
)
from tests.runtimes import configured, records, running, scripted

ASK = CompletionRequest(messages=(user("hello there"),))
ONCE = RetryConfig(attempts=1)


async def test_health_follows_the_last_call(tmp_path: Path, autojump_clock: MockClock) -> None:
    """A failure of the retryable kind shows as `degraded` with its reason; the next success clears it."""
    profile = scripted(tmp_path, [{"error": {"status": 503}}, {"text": "ok"}], retry=ONCE)

    async with running(configured(tmp_path, {"default": profile})) as runtime:
        with pytest.raises(Overloaded):
            await runtime.complete(ASK)
        (after_failure,) = runtime.status().backends
        await runtime.complete(ASK)
        (after_success,) = runtime.status().backends

    assert after_failure.health == "degraded"
    assert after_failure.reason
    assert (after_success.health, after_success.reason) == ("ready", None)


async def test_a_provider_that_only_fails_is_left_alone(tmp_path: Path, autojump_clock: MockClock) -> None:
    """After five calls that failed in a row calls fail at once and say when to come back, until one succeeds."""
    down = {"error": {"status": 503, "message": "out of order"}}
    profile = scripted(tmp_path, [*[down] * 5, {"text": "up again"}], retry=ONCE)

    async with running(configured(tmp_path, {"default": profile})) as runtime:
        for _ in range(5):
            with pytest.raises(Overloaded):
                await runtime.complete(ASK)
        began = trio.current_time()
        with pytest.raises(
            Unavailable, match=r"rests for 5 s: 5 calls in a row failed, the last with `Overloaded` \(503\)"
        ) as no:
            await runtime.complete(ASK)
        health = runtime.status().backends[0]
        assert trio.current_time() == began
        await trio.sleep(4.9)
        with pytest.raises(Unavailable, match="rests for 1 s: 5 calls"):
            await runtime.complete(ASK)
        await trio.sleep(0.1)
        answer = await runtime.complete(ASK)
        after = runtime.status().backends[0]

    assert (health.health, no.value.retry_after_s, no.value.retryable) == ("open", 5, True)
    assert (answer.text, after.health, after.reason) == ("up again", "ready", None)
    assert [record["status"] for record in records(tmp_path)] == ["error"] * 7 + ["ok"]
    assert records(tmp_path)[5]["error"]["type"] == "Unavailable"


async def test_a_provider_that_refuses_the_probe_is_up(tmp_path: Path, autojump_clock: MockClock) -> None:
    """400 is an answer: the breaker is closed, and the health says so."""
    script: list[dict[str, Any]] = [*[{"error": {"status": 503}}] * 5, {"error": {"status": 400}}, {"text": "x"}]
    async with running(configured(tmp_path, {"default": scripted(tmp_path, script, retry=ONCE)})) as runtime:
        for _ in range(5):
            with pytest.raises(Overloaded):
                await runtime.complete(ASK)
        await trio.sleep(5)
        with pytest.raises(BadRequest):
            await runtime.complete(ASK)

        assert runtime.status().backends[0].health == "ready"


async def test_a_refusal_shows_no_words_of_other_callers(tmp_path: Path, autojump_clock: MockClock) -> None:
    """A provider may quote a prompt in its error; whoever is refused because of it does not read that."""
    quoting = {"error": {"status": 500, "message": "cannot handle `my diagnosis is X`"}}
    async with running(configured(tmp_path, {"default": scripted(tmp_path, [quoting], retry=ONCE)})) as runtime:
        for _ in range(5):
            with pytest.raises(Overloaded):
                await runtime.complete(ASK)
        with pytest.raises(Unavailable) as refused:
            await runtime.complete(ASK)

    assert "diagnosis" not in str(refused.value)


async def test_the_first_word_of_a_stream_says_that_the_provider_is_up(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """While a probe streams for minutes the others are not kept out."""
    slow = {"text": "one two three", "token_delay_s": 60}
    profile = scripted(tmp_path, [*[{"error": {"status": 503}}] * 5, slow, {"text": "me too"}], retry=ONCE)

    async with running(configured(tmp_path, {"default": profile})) as runtime:
        for _ in range(5):
            with pytest.raises(Overloaded):
                await runtime.complete(ASK)
        await trio.sleep(5)
        async with runtime.stream(ASK) as events:
            await anext(events)
            answer = await runtime.complete(ASK)

    assert answer.text == "me too"


@pytest.mark.parametrize(
    ("step", "health"),
    [
        ({"error": {"status": 401}}, "degraded"),
        ({"error": {"status": 503}}, "degraded"),
        ({"hang": True}, "degraded"),
        ({"text": "x", "cut_after": 0}, "degraded"),
        ({"error": {"status": 400}}, "ready"),
    ],
)
async def test_health_tells_the_providers_faults_from_the_callers(
    tmp_path: Path, autojump_clock: MockClock, step: dict[str, Any], health: str
) -> None:
    """What the provider does wrong shows; what the caller does wrong does not."""
    profile = scripted(tmp_path, [step], retry=ONCE)
    async with running(configured(tmp_path, {"default": profile})) as runtime:
        with pytest.raises(BackendError):
            await runtime.complete(ASK)

        assert runtime.status().backends[0].health == health
