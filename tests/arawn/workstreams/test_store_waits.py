"""How long a conversation waits for its database, and what its caller hears if that says nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from actors import OutcomeUnknown
from arawn.config.schema import Config
from arawn.runtime import start_runtime
from arawn.server.reply import error_reply
from arawn.workstreams.store import WorkstreamStore
from tests.runtimes import T, configured


class Stores:
    """Runs the work of the store in place, but first lets `before_turn` happen once to a write of a turn."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, before_turn: Callable[[], Any]) -> None:
        self._before_turn = before_turn
        self._wrote = False
        self._paused = False
        add_turn = WorkstreamStore.add_turn

        def noted(store: WorkstreamStore, *arguments: Any, **more: Any) -> None:
            add_turn(store, *arguments, **more)
            self._wrote = True

        monkeypatch.setattr(WorkstreamStore, "add_turn", noted)

    async def run(self, sync_fn: Callable[[], T], /) -> T:
        await trio.lowlevel.checkpoint()
        result = sync_fn()
        if self._wrote and not self._paused:
            self._paused = True
            await self._before_turn()
        return result


async def two_turns(config: Config, stores: Stores) -> list[Any]:
    """Say two things in a conversation; return the error of the first, if any, and the roles that are kept then."""
    heard: list[Any] = []
    async with start_runtime(config, {}, run_in_thread=stores.run) as runtime:
        await runtime.settled()
        talk = runtime.workstream("talk")
        try:
            await talk.send("one")
        except OutcomeUnknown as error:
            heard.append(error)
        await talk.send("two")
        state = await runtime.stored_workstream("talk")
        assert state is not None
        heard += [message.role for message in state.history]
    return heard


async def test_a_database_that_does_not_answer_is_named_and_the_turn_may_be_kept(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller is told to look first, and not to try again by itself; the next turn follows what is kept."""

    async def hang() -> None:
        await trio.sleep(45)

    error, *roles = await two_turns(configured(tmp_path), Stores(monkeypatch, hang))
    reply = error_reply(error)
    body = json.loads(reply.body)["error"]

    assert roles == ["user", "assistant"] * 2
    assert (reply.status, body["type"]) == (500, "outcome_unknown")
    assert body["message"].startswith("the workstream database did not answer within 30 s: what was to be kept may be")
    assert (b"x-should-retry", b"false") in reply.headers
    assert [line for line in caplog.messages if "did not answer" in line] == [body["message"].partition(":")[0]]
