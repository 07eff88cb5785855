"""What the log of the program says of a profile that fails and recovers: a line for each change, not for each call."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

import arawn
from arawn.backends.health import BackendHealth, ToldHealth
from arawn.config.schema import Profile, RetryConfig
from arawn.messages import CompletionRequest, user
from tests.runtimes import configured, running, scripted

ASK = CompletionRequest(messages=(user("hi"),))
NOW = datetime(2026, 11, 22, tzinfo=UTC)
STATES = ("starting", "ready", "degraded", "open", "unavailable")


def told_of(states: list[str], caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what is said when a profile goes through these states."""
    caplog.clear()
    health = ToldHealth("far")
    with caplog.at_level(logging.WARNING, "arawn.backends"):
        for number, state in enumerate(["starting", *states]):
            health.value = BackendHealth(state, f"reason {number}", NOW)  # type: ignore[arg-type]  # one of them
            assert health.value.state == state
    return caplog.messages


def test_each_change_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """With the profile, its state, the last error and what to do; repetitions and starts say nothing."""
    said = told_of(["ready", "degraded", "degraded", "open", "open", "ready", "ready", "starting"], caplog)

    assert said == [
        "profile `far` is degraded: reason 2; `arawn backends test far` asks it again",
        "profile `far` is open: reason 4; its calls fail at once, but for probes that find out when it is over",
        "profile `far` is ready; it was open",
    ]


def test_a_restart_in_between_does_not_hide_the_recovery(caplog: pytest.LogCaptureFixture) -> None:
    """A new incarnation starts and is ready: that the old one was not is over, and is said to be."""
    assert told_of(["ready", "degraded", "starting", "ready"], caplog)[1:] == [
        "profile `far` is ready; it was degraded"
    ]


def test_how_it_begins_is_not_said_but_what_becomes_of_it(caplog: pytest.LogCaptureFixture) -> None:
    """`arawn start` names each profile that is unavailable; that it has found what it lacked is news."""
    health = ToldHealth("far")
    health.value = BackendHealth("unavailable", "no key", NOW)
    begun = list(caplog.messages)
    health.value = BackendHealth("ready", None, NOW)

    assert (begun, caplog.messages) == ([], ["profile `far` is ready; it was unavailable"])


@given(states=st.lists(st.sampled_from(STATES), max_size=12))
def test_the_last_line_is_true_and_none_is_said_twice(states: list[str]) -> None:
    """Whatever happens, the last line tells the last state that is not `starting`, unless all was well all the time."""
    with pytest.MonkeyPatch.context() as patch:
        said: list[str] = []
        patch.setattr(logging.getLogger("arawn.backends"), "warning", lambda _, words: said.append(words))
        health = ToldHealth("far")
        for state in ["starting", *states]:
            health.value = BackendHealth(state, "why", NOW)  # type: ignore[arg-type]  # one of them

    lasting = [state for state in states if state != "starting"]
    if said:
        assert f"is {lasting[-1]}" in said[-1]
    else:
        assert set(lasting) <= {"ready"}
    assert all(before != after for before, after in pairwise(said))


async def test_calls_that_fail_and_work_again_are_two_lines(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Two calls fail, one is answered: the profile is degraded, and then well again; stderr has no more."""
    down = {"error": {"status": 503, "message": "overloaded"}}
    profile: Profile = scripted(tmp_path, [down, down, {"text": "hello"}], retry=RetryConfig(attempts=1))
    with caplog.at_level(logging.WARNING, "arawn.backends"):
        async with running(configured(tmp_path, {"default": profile})) as runtime:
            for _ in range(2):
                with pytest.raises(arawn.BackendError):
                    await runtime.complete(ASK)
            await runtime.complete(ASK)

    first, last = caplog.messages
    assert first.startswith("profile `default` is degraded: ")
    assert "overloaded" in first
    assert first.endswith("`arawn backends test default` asks it again")
    assert last == "profile `default` is ready; it was degraded"


async def test_what_is_told_holds_no_secret_of_the_configuration(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """A provider may quote what it was sent, as a key of another profile; neither the log nor the status repeats it."""
    quotes = {"error": {"status": 503, "message": "cannot answer `my key is hunter2-hunter2`"}}
    address = "http://127.0.0.1:9/v1"
    profiles = {
        "default": scripted(tmp_path, [quotes], retry=RetryConfig(attempts=1)),
        "other": Profile(backend="custom", dialect="openai", model="m", base_url=address, api_key_env="K"),
    }
    with caplog.at_level(logging.WARNING, "arawn.backends"):
        async with running(configured(tmp_path, profiles), {"K": "hunter2-hunter2"}) as runtime:
            with pytest.raises(arawn.BackendError):
                await runtime.complete(ASK)
            reasons = [backend.reason for backend in runtime.status().backends]

    assert "profile `default` is degraded" in caplog.text
    assert "hunter2" not in caplog.text + str(reasons)
