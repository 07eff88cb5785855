"""What a start says that takes long."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock
from trio_util import wait_any  # type: ignore[import-untyped]

from arawn.config.schema import Profile
from arawn.daemon import _say_what_takes_long
from tests.runtimes import configured, running


async def test_nothing_is_said_of_what_has_just_become_ready(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """A start that ends as the line is due has no reason to give."""
    async with running(configured(tmp_path, {"default": Profile(backend="scripted")})) as runtime:
        await wait_any(partial(trio.sleep, 3), partial(_say_what_takes_long, runtime))

    assert caplog.records == []
