"""What is logged of retries when Arawn is a part of another program."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import stamina
from stamina.instrumentation import RetryDetails, set_on_retry_hooks
from trio.testing import MockClock

from arawn.errors import BackendError
from arawn.messages import CompletionRequest, user
from tests.runtimes import configured, running, scripted

BUSY = {"error": {"status": 503, "message": "busy"}}


@pytest.fixture(autouse=True)
def hooks_as_before() -> Iterator[None]:
    """The hooks are those of stamina itself, as in a program that sets none."""
    set_on_retry_hooks(None)
    yield
    set_on_retry_hooks(None)


async def _retried(directory: Path) -> None:
    config = configured(directory, {"default": scripted(directory, [BUSY, BUSY, {"text": "ok"}])})
    async with running(config) as runtime:
        await runtime.complete(CompletionRequest(messages=(user("hello"),)))


async def test_a_retry_is_logged_with_profile_and_reason_alone(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """By the logger of backends; the library that waits in between logs nothing of it."""
    caplog.set_level(logging.INFO)

    await _retried(tmp_path)

    assert [entry for entry in caplog.records if entry.name.startswith("stamina")] == []
    said = [entry.getMessage() for entry in caplog.records if entry.name == "arawn.backends"]
    assert len([line for line in said if "profile `default`" in line and "is tried again" in line]) == 2


async def test_the_retries_of_the_program_stay_with_its_hooks(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Also when it tries a call again that Arawn has given up."""
    seen: list[int] = []

    def hook(details: RetryDetails) -> None:
        seen.append(details.retry_num)

    set_on_retry_hooks([hook])
    await _retried(tmp_path)
    assert seen == []

    async for attempt in stamina.retry_context(on=BackendError, attempts=2):
        with attempt:
            if attempt.num == 1:
                raise BackendError("busy")

    assert seen == [1]
