"""The events of a streamed call as its reader takes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from arawn.errors import BackendError
from arawn.messages import CompletionRequest, user
from tests.runtimes import configured, running, scripted


async def test_a_stream_that_has_failed_is_over(tmp_path: Path) -> None:
    """Its error is raised once, as that of a generator is; who goes on is told that there is no more."""
    config = configured(tmp_path, {"default": scripted(tmp_path, [{"error": {"status": 400}}])})
    async with running(config) as runtime, runtime.stream(CompletionRequest(messages=(user("hi"),))) as events:
        with pytest.raises(BackendError):
            await anext(events)
        with pytest.raises(StopAsyncIteration):
            await anext(events)
