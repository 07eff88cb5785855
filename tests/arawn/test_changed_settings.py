"""Settings of a workstream that are changed from Python."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from trio.testing import MockClock

from arawn.errors import BadInput
from tests.runtimes import configured, running, scripted


@pytest.mark.parametrize("wrong", [{"archived": "yes"}, {"profile": 5}, {"system_prompt": b"terse"}])
async def test_a_setting_of_the_wrong_type_changes_nothing(
    tmp_path: Path, autojump_clock: MockClock, wrong: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """It is refused by name; the store, which all workstreams share, never hears of it."""
    async with running(configured(tmp_path, {"default": scripted(tmp_path, [{"text": "hi"}])})) as runtime:
        talk = runtime.workstream("w")
        await talk.send("hello")
        before = await runtime.stored_workstream("w")

        with pytest.raises(BadInput, match=next(iter(wrong))):
            await talk.change(**wrong)

        assert await runtime.stored_workstream("w") == before
    assert not [record for record in caplog.records if record.name == "arawn.runtime"]


async def test_a_binding_leaves_what_another_process_has_changed(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Without a daemon `arawn workstreams archive` works on the database beside a chat, which then says `/profile`."""
    again = scripted(tmp_path, [{"text": "hi"}])
    async with running(configured(tmp_path, {"default": again, "other": again})) as runtime:
        talk = runtime.workstream("w")
        await talk.send("hello")
        with closing(sqlite3.connect(tmp_path / "state" / "workstreams.db", isolation_level=None)) as beside:
            beside.execute('UPDATE workstreams SET archived = 1, tags = \'{"kept": "yes"}\'')

        await talk.bind("other")

        stored = await runtime.stored_workstream("w")
    assert stored is not None
    assert (stored.profile, stored.archived, stored.tags) == ("other", True, {"kept": "yes"})
