"""A store that does not answer in the middle of a turn."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from actors import ActorError
from arawn import runtime
from arawn.workstreams.store_actor import open_store
from tests.arawn.agent.turns import LOOK, look, playing, step


async def test_a_store_that_hangs_is_waited_for_once(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller hears of it after the one deadline, not after two."""

    @asynccontextmanager
    async def open_hanging(*given: Any, **more: Any) -> AsyncIterator[Any]:
        async with open_store(*given, **more) as handle:
            batches = 0

            async def hang_after_the_first(batch: Any) -> Any:
                nonlocal batches
                batches += 1
                return await handle(batch) if batches == 1 else await trio.sleep_forever()

            yield hang_after_the_first

    monkeypatch.setattr(runtime, "open_store", open_hanging)
    async with playing(tmp_path, step(LOOK), {"text": "ok"}) as running:
        began = trio.current_time()
        with pytest.raises(ActorError):
            await running.workstream("w").send("go", tools=[look])

        assert 30 <= trio.current_time() - began < 31
