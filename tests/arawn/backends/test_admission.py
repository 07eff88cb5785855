"""What opens the breaker of a profile, and what does not; which of its limits is used up."""

from __future__ import annotations

import errno
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import msgspec
import pytest
from trio.testing import MockClock

from arawn.backends.admission import Admission
from arawn.backends.breaker import FAILURES
from arawn.backends.health import ToldHealth
from arawn.config.schema import Profile, RetryConfig
from arawn.errors import (
    AuthFailed,
    BackendError,
    BadReply,
    BadRequest,
    ConnectionFailed,
    Overloaded,
    RateLimited,
    TimedOut,
)
from arawn.interactions.redact import Redactor
from arawn.messages import CompletionResponse, Usage
from tests.arawn.cli.place import ROOT

FIRST: Any = SimpleNamespace(number=1)
BEGUN = CompletionResponse(content=(), model="m")


def states_after(*errors: BackendError) -> list[str]:
    """Return the health of a profile after each of these calls."""
    health = ToldHealth("p")
    admission = Admission("p", Profile(backend="scripted"), health, Redactor())
    states: list[str] = []
    for error in errors:
        admission.saw_failure(FIRST, error)
        states.append(health.value.state)
    return states


@pytest.mark.parametrize(
    "error", [Overloaded("x", status=503), ConnectionFailed("x"), TimedOut("x", which="idle", partial=BEGUN)]
)
async def test_five_in_a_row_that_may_pass_open_it(error: BackendError) -> None:
    """5xx, no connection, a deadline."""
    assert states_after(*[error] * FAILURES) == ["degraded"] * (FAILURES - 1) + ["open"]


@pytest.mark.parametrize(
    "error",
    [
        AuthFailed("x", status=401),
        RateLimited("x", status=429),
        BadReply("HTML, a redirect or broken JSON"),
        TimedOut("x", which="total", partial=BEGUN),
    ],
)
async def test_any_other_answer_begins_the_count_anew(error: BackendError) -> None:
    """Whoever answers is up, however often and whatever it says."""
    before = [Overloaded("x", status=503)] * (FAILURES - 1)

    assert "open" not in states_after(*before, error, *before)
    assert "open" not in states_after(*[error] * (2 * FAILURES))


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
async def test_a_lack_of_descriptors_is_not_the_providers(number: int) -> None:
    """It neither counts nor makes the profile ill, and what was known of it stays."""
    lack = ConnectionFailed("x")
    lack.__cause__ = httpx.ConnectError("x")
    lack.__cause__.__cause__ = OSError(number, "x")

    assert states_after(*[lack] * (2 * FAILURES)) == ["starting"] * (2 * FAILURES)
    assert states_after(Overloaded("x", status=503), lack) == ["degraded", "degraded"]


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (BadRequest("x", status=402), "degraded"),
        (BadRequest("x", status=403, code="billing_error"), "degraded"),
        (BadRequest("x", status=400), "ready"),
        (RateLimited("x", status=429, code="insufficient_quota"), "degraded"),
        (RateLimited("x", status=429, code="rate_limit_exceeded"), "ready"),
    ],
)
async def test_an_account_without_credit_is_no_ready_profile(error: BackendError, state: str) -> None:
    """Every call will fail, whatever is asked; it never opens, since the provider answers."""
    assert states_after(*[error] * (2 * FAILURES)) == [state] * (2 * FAILURES)


@pytest.mark.parametrize("key", ["requests_per_minute", "tokens_per_minute"])
async def test_the_limit_that_is_used_up_is_named(key: str) -> None:
    """Of the two in the profile, it is the one to raise."""
    limits = {"requests_per_minute": 100, "tokens_per_minute": 1000, key: 1}
    profile = Profile(backend="scripted", **limits)  # type: ignore[arg-type]  # limits only
    admission = Admission("p", profile, ToldHealth("p"), Redactor())
    await admission.enter(FIRST)
    admission.saw_answer(msgspec.structs.replace(BEGUN, usage=Usage(1, 1)))

    with pytest.raises(RateLimited, match=f"its own `{key}` is used up; free again in ") as caught:
        await admission.enter(FIRST)

    assert caught.value.retry_after_s is not None


async def test_a_limit_that_is_free_within_a_second_is_not_free_in_none(autojump_clock: MockClock) -> None:
    """`retry.max_s` may be shorter than a second; "free again in 0 s" would be a call that is refused for nothing."""
    profile = Profile(backend="scripted", requests_per_minute=600, retry=RetryConfig(max_s=0.01))
    admission = Admission("p", profile, ToldHealth("p"), Redactor())

    with pytest.raises(RateLimited, match="free again in 1 s"):
        for _ in range(700):
            await admission.enter(FIRST)


def test_both_pages_say_what_counts_in_the_same_words() -> None:
    """A sentence that stands in two places is one sentence."""
    pages = [Path(ROOT, "docs", name).read_text(encoding="utf-8") for name in ("backends.md", "operations.md")]
    told = [[line for line in page.splitlines() if line.startswith("A call counts if")] for page in pages]

    assert told[0] == told[1]
    assert len(told[0]) == 1
