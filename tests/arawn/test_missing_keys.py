"""Backends that lack their key: what they answer meanwhile, and what becomes of them when it comes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from actors import OutcomeUnknown
from arawn.config.schema import Profile, RetryConfig
from arawn.errors import (
    Unavailable,
)
from arawn.messages import (
    CompletionRequest,
    user,
)
from arawn.runtime import start_runtime
from arawn.runtime_door import Runtime
from tests.fake_provider import FakeProvider, Fault, Reply, openai_reply
from tests.runtimes import configured, custom, records, running, scripted

ASK = CompletionRequest(messages=(user("hello there"),))
ONCE = RetryConfig(attempts=1)


async def test_a_backend_without_a_key_answers_with_the_reason(tmp_path: Path) -> None:
    """A profile without its key starts as `unavailable`, says why at once, and leaves a record of each refusal."""
    keyless = Profile(backend="groq", model="m", retry=ONCE)
    config = configured(tmp_path, {"default": scripted(tmp_path, [{"text": "ok"}]), "fast": keyless})

    async with running(config) as runtime:
        state = next(backend for backend in runtime.status().backends if backend.profile == "fast")
        with pytest.raises(Unavailable, match="GROQ_API_KEY") as caught:
            await runtime.complete(ASK, profile="fast")

    assert state.health == "unavailable"
    assert "GROQ_API_KEY" in (state.reason or "")
    (record,) = records(tmp_path)
    assert (record["status"], record["error"]["type"]) == ("error", "Unavailable")
    assert caught.value.interaction_id == record["id"]


async def test_a_default_without_a_key_does_not_start(tmp_path: Path) -> None:
    """Without its key the default profile aborts the start, naming the variable."""
    with pytest.raises(Unavailable, match="GROQ_API_KEY"):
        async with running(configured(tmp_path, {"default": Profile(backend="groq", model="m")})):
            pass


async def test_a_key_that_comes_later_is_found(tmp_path: Path, autojump_clock: MockClock) -> None:
    """An unavailable backend looks again for what it lacked, and is then ready."""
    environ: dict[str, str] = {}
    keyless = Profile(backend="groq", model="m")
    config = configured(tmp_path, {"default": scripted(tmp_path, [{"text": "ok"}]), "fast": keyless})

    async with running(config, environ) as runtime:
        environ["GROQ_API_KEY"] = "key"
        await trio.sleep(20)
        states = {backend.profile: backend.health for backend in runtime.status().backends}

    assert states["fast"] == "ready"


async def test_waiting_for_a_key_is_no_restart(tmp_path: Path, autojump_clock: MockClock) -> None:
    """A profile that lacks its key is `unavailable` and says what is missing; finding it ends that, in place."""
    environ: dict[str, str] = {}
    keyless = Profile(backend="groq", model="m")
    config = configured(tmp_path, {"default": scripted(tmp_path, [{"text": "ok"}]), "fast": keyless})

    async with running(config, environ) as runtime:
        await trio.sleep(100)
        waiting = runtime.status().backends[1]
        environ["GROQ_API_KEY"] = "key"
        await trio.sleep(20)
        found = runtime.status().backends[1]

    assert (waiting.health, waiting.actor, waiting.restarts) == ("unavailable", "running", 0)
    assert "set the environment variable `GROQ_API_KEY`" in (waiting.reason or "")
    assert (found.health, found.reason, found.actor, found.restarts) == ("ready", None, "running", 0)


@asynccontextmanager
async def found_late(
    directory: Path, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Runtime]:
    """Run a profile `late` whose key is there only when the runtime has started."""
    monkeypatch.setattr("arawn.backends.stand_in.RETRY_START_S", 0.02)
    environ: dict[str, str] = {}
    profiles = {"default": scripted(directory, [{"text": "ok"}]), "late": custom(provider.address, api_key_env="LATE")}
    async with running(configured(directory, profiles), environ) as runtime:
        with pytest.raises(Unavailable, match="LATE"):
            await runtime.complete(ASK, profile="late")
        environ["LATE"] = "key"
        with trio.fail_after(2):
            while runtime.status().backends[1].health != "ready":  # noqa: ASYNC110
                await trio.sleep(0.01)
        yield runtime


async def test_what_is_found_late_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls go to the provider as soon as it is there."""
    with FakeProvider(Reply(body=openai_reply("hello"))) as provider:
        async with found_late(tmp_path, provider, monkeypatch) as runtime:
            answer = await runtime.complete(ASK, profile="late")

    assert answer.text == "hello"
    assert provider.received[0].headers["authorization"] == "Bearer key"


async def test_what_is_found_late_ends_like_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call under way at the end is cancelled and recorded, and the caller is told."""
    told: list[Exception] = []
    with FakeProvider(Reply(before=Fault.STALL)) as provider:
        async with trio.open_nursery() as nursery:
            async with found_late(tmp_path, provider, monkeypatch) as runtime:

                async def ask() -> None:
                    try:
                        await runtime.complete(ASK, profile="late")
                    except OutcomeUnknown as error:
                        told.append(error)

                nursery.start_soon(ask)
                with trio.fail_after(2):
                    while not provider.received:  # noqa: ASYNC110
                        await trio.sleep(0.01)
                await runtime.end_calls()

    assert len(told) == 1
    assert [record["status"] for record in records(tmp_path)] == ["error", "cancelled"]


async def test_since_when_a_profile_is_unavailable(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Looking for the key again and again does not begin the time anew."""
    profiles = {"default": scripted(tmp_path, [{"text": "hi"}]), "keyless": Profile(backend="groq", model="m")}
    async with running(configured(tmp_path, profiles)) as runtime:
        before = runtime.status().backends[1].since
        await trio.sleep(100)
        after = runtime.status().backends[1].since

    assert before == after is not None


async def test_unavailable_is_said_once_and_at_once(tmp_path: Path, autojump_clock: MockClock) -> None:
    """What is not there is not tried again and again: one record, no wait."""
    profile = scripted(tmp_path, [{"text": "ok"}])
    config = configured(tmp_path, {"default": profile, "fast": Profile(backend="groq", model="m")})
    async with running(config) as runtime:
        began = trio.current_time()
        with pytest.raises(Unavailable) as caught:
            await runtime.complete(ASK, profile="fast")

    assert trio.current_time() == began
    assert not caught.value.retryable
    assert len(records(tmp_path)) == 1


async def test_a_default_without_a_key_need_not_stop_those_who_ask_another(tmp_path: Path) -> None:
    """Who does not require the default profile can use another, and the default says why it cannot when it is asked."""
    config = configured(tmp_path, {"default": Profile(backend="groq", model="m"), "mine": Profile(backend="scripted")})
    async with start_runtime(config, {}) as runtime:
        assert (await runtime.complete(ASK, profile="mine")).text
        with pytest.raises(Unavailable, match="GROQ_API_KEY"):
            await runtime.complete(ASK)
