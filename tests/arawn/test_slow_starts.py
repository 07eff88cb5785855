"""Profiles whose provider takes long to start: nobody else waits for them, and their own calls do."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import pytest
import trio
from trio.testing import MockClock

from arawn.backends.open import open_provider
from arawn.backends.protocol import Provider
from arawn.config.schema import Profile
from arawn.errors import ConfigError, Unavailable, UnknownProfile
from arawn.messages import CompletionRequest, user
from arawn.runtime import start_runtime
from tests.runtimes import configured, in_place, records, running

ASK = CompletionRequest(messages=(user("hello"),))
ECHO = Profile(backend="scripted")
LOAD_S = 60.0


@pytest.fixture
def slow(tmp_path: Path) -> Profile:
    """A model on this machine; only its file exists."""
    (tmp_path / "slow.gguf").write_bytes(b"GGUF")
    return Profile(backend="local", model=str(tmp_path / "slow.gguf"))


@pytest.fixture(autouse=True)
def loading(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have every model server take `LOAD_S`; with a text in this list it fails with that text instead."""
    failures: list[str] = []

    @asynccontextmanager
    async def loaded(name: str, profile: Profile) -> AsyncIterator[Provider]:
        await trio.sleep(LOAD_S)
        if failures:
            raise Unavailable(failures[0])
        async with open_provider(name, ECHO, environ={}) as provider:
            yield provider

    def opened(name: str, profile: Profile, **more: Any) -> AbstractAsyncContextManager[Provider]:
        return loaded(name, profile) if profile.backend == "local" else open_provider(name, profile, **more)

    monkeypatch.setattr("arawn.backends.actor.open_provider", opened)
    return failures


def states(runtime: Any) -> dict[str, str]:
    return {backend.profile: backend.health for backend in runtime.status().backends}


async def test_others_answer_while_a_profile_starts(tmp_path: Path, slow: Profile, autojump_clock: MockClock) -> None:
    """The runtime is there at once, with the slow ones `starting`; they start together, not one after another."""
    config = configured(tmp_path, {"default": ECHO, "one": slow, "two": slow})
    began = trio.current_time()
    async with running(config) as runtime:
        first = states(runtime)
        answer = await runtime.complete(ASK)
        answered = trio.current_time() - began
        await trio.sleep(LOAD_S + 1)
        later = states(runtime)

    assert first == {"default": "ready", "one": "starting", "two": "starting"}
    assert (answer.text, answered < 1) == ("echo: hello", True)
    assert later == {"default": "ready", "one": "ready", "two": "ready"}


async def test_calls_wait_for_their_profile(tmp_path: Path, slow: Profile, autojump_clock: MockClock) -> None:
    """They are answered when it is there; until then they were queued, say the record and the metric."""
    async with running(configured(tmp_path, {"default": ECHO, "slow": slow})) as runtime:
        answer = await runtime.complete(ASK, profile="slow")
        queued = runtime.counts.of("slow").queue_seconds.total

    (record,) = records(tmp_path)
    assert answer.text == "echo: hello"
    assert record["queue_ms"] == pytest.approx(LOAD_S * 1000, abs=1)
    assert queued == pytest.approx(LOAD_S, abs=0.001)
    assert record["duration_ms"] < 1000


async def test_a_caller_who_leaves_meanwhile_is_in_the_log(
    tmp_path: Path, slow: Profile, autojump_clock: MockClock
) -> None:
    """A call that was cancelled while its profile started leaves its record at once."""
    async with running(configured(tmp_path, {"default": ECHO, "slow": slow})) as runtime:
        with trio.move_on_after(5) as patience:
            await runtime.complete(ASK, profile="slow")
        await trio.sleep(1)
        (record,) = records(tmp_path)

    assert patience.cancelled_caught
    assert (record["status"], record["profile"]) == ("cancelled", "slow")


async def test_a_start_that_fails_answers_those_who_waited(
    tmp_path: Path, slow: Profile, loading: list[str], autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """With the reason, which is told in the program's log too; a later look finds that it is over."""
    loading.append("the disk is slow")
    with caplog.at_level(logging.WARNING, "arawn.backends"):
        async with running(configured(tmp_path, {"default": ECHO, "slow": slow})) as runtime:
            with pytest.raises(Unavailable, match="the disk is slow"):
                await runtime.complete(ASK, profile="slow")
            told = [record.getMessage() for record in caplog.records]
            loading.clear()
            await trio.sleep(LOAD_S + 20)
            later = await runtime.complete(ASK, profile="slow")

    assert [words.split(";")[0] for words in told] == ["profile `slow` is unavailable: the disk is slow"]
    assert later.text == "echo: hello"
    assert [record["status"] for record in records(tmp_path)] == ["error", "ok"]


async def test_the_default_profile_is_waited_for(tmp_path: Path, slow: Profile, autojump_clock: MockClock) -> None:
    """`settled` returns when it is ready, `require_default` is content then."""
    config = configured(tmp_path, {"default": slow})
    async with start_runtime(config, {}, run_in_thread=in_place) as runtime:
        began = trio.current_time()
        await runtime.settled()
        waited = trio.current_time() - began
        runtime.require_default()

    assert waited == pytest.approx(LOAD_S, abs=1)


async def test_a_default_profile_that_does_not_start_is_an_error(
    tmp_path: Path, slow: Profile, loading: list[str], autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """It is raised where it is waited for, and not told twice."""
    loading.append("too little memory")
    with pytest.raises(Unavailable, match="too little memory"):
        async with running(configured(tmp_path, {"default": slow})):
            pytest.fail("there is no default profile")

    assert caplog.records == []


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Profile:
    """A profile whose key is printed by a command, and whose transport cannot be made."""

    def no_transport(_limits: object) -> NoReturn:
        raise ValueError("nobody foresaw this")

    monkeypatch.setattr("arawn.backends.open.Transport", no_transport)
    address = "http://llm.example.com/v1"
    return Profile(
        backend="custom", dialect="openai", model="m", base_url=address, api_key_command=("echo", "a-secret-key")
    )


async def test_a_start_that_fails_as_nobody_foresaw_is_told_too(tmp_path: Path, broken: Profile) -> None:
    """Whoever waits for it hears of it, whatever it is."""
    with trio.fail_after(30), pytest.raises(Unavailable, match="`default` cannot be started: ValueError: nobody for"):
        async with running(configured(tmp_path, {"default": broken})):
            pytest.fail("there is no default profile")


async def test_a_reload_does_not_wait_for_ever_for_what_cannot_start(tmp_path: Path, broken: Profile) -> None:
    """It is refused, and the next one has its turn."""
    config = configured(tmp_path, {"default": ECHO})
    async with running(config) as runtime:
        with trio.fail_after(30), pytest.raises(ConfigError, match="nobody foresaw"):
            await runtime.follow(msgspec.structs.replace(config, profiles={"default": broken}))

        assert (await runtime.complete(ASK)).text == "echo: hello"


async def test_another_default_profile_by_a_reload_is_not_waited_for_in_vain(
    tmp_path: Path, slow: Profile, autojump_clock: MockClock
) -> None:
    """Whoever waits for the default profile sees that another one has taken its place."""
    config = configured(tmp_path, {"default": slow})
    async with start_runtime(config, {}, run_in_thread=in_place) as runtime:
        await trio.sleep(1)
        await runtime.follow(msgspec.structs.replace(config, profiles={"default": ECHO}))
        with trio.fail_after(5):
            await runtime.settled()

        assert states(runtime) == {"default": "ready"}


async def test_a_reload_waits_for_what_it_starts(
    tmp_path: Path, slow: Profile, loading: list[str], autojump_clock: MockClock
) -> None:
    """A default profile that does not start changes nothing; in the meantime the old one answers."""
    loading.append("no room")
    config = configured(tmp_path, {"default": ECHO})
    async with running(config) as runtime:
        async with trio.open_nursery() as nursery:

            async def reload() -> None:
                with pytest.raises(ConfigError, match="no room"):
                    await runtime.put_in_force(msgspec.structs.replace(config, profiles={"default": slow}))

            nursery.start_soon(reload)
            await trio.sleep(LOAD_S / 2)
            meanwhile = await runtime.complete(ASK)
        afterwards = await runtime.complete(ASK)

    assert meanwhile.text == afterwards.text == "echo: hello"


@pytest.mark.parametrize(
    "wrong", [{"model": None}, {"model": "/nowhere/x.gguf"}, {"extra": {"n_ctx": "many"}}], ids=str
)
async def test_what_can_never_start_is_said_at_once(
    tmp_path: Path, slow: Profile, wrong: dict[str, Any], autojump_clock: MockClock
) -> None:
    """A wrong model or setting refuses the start, also of a profile that is not the default one."""
    profiles = {"default": ECHO, "slow": msgspec.structs.replace(slow, **wrong)}
    began = trio.current_time()
    with pytest.raises(ConfigError, match="profile `slow`"):
        async with running(configured(tmp_path, profiles)):
            pytest.fail("it cannot start")

    assert trio.current_time() - began < 1


async def test_calls_that_wait_for_a_profile_that_is_removed_are_answered(
    tmp_path: Path, slow: Profile, autojump_clock: MockClock
) -> None:
    """As calls are that a reload finds under way; later ones do not know it, and it ends with the last of them."""
    config = configured(tmp_path, {"default": slow, "other": ECHO})
    answers: list[str] = []

    async def ask() -> None:
        answers.append((await runtime.complete(ASK)).text)

    async with start_runtime(config, {}, run_in_thread=in_place) as runtime:
        async with trio.open_nursery() as callers:
            for _ in range(20):  # more than there are workers
                callers.start_soon(ask)
            await trio.sleep(1)
            followed = await runtime.follow(msgspec.structs.replace(config, profiles={"other": ECHO}))
            callers.start_soon(followed.wait_drained)
            with pytest.raises(UnknownProfile, match=r"there is no default: .*; the profiles are: `other`$"):
                await runtime.complete(ASK)

        assert (followed.plan.stopped, followed.draining, runtime.status().draining) == (("default",), 1, ())
    assert answers == ["echo: hello"] * 20
