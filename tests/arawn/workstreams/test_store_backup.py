"""A copy of the database that SQLite makes while it is in use, as docs/operations.md says."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from arawn.config.paths import database_path
from arawn.workstreams.store import WorkstreamStore
from tests.runtimes import configured, running


async def test_a_copy_made_meanwhile_has_every_turn(tmp_path: Path) -> None:
    """What was acknowledged is in it, also what still stands in the journal beside the file."""
    config = configured(tmp_path)
    async with running(config) as runtime:
        await runtime.workstream("research").send("hello")
        with (
            closing(sqlite3.connect(f"file:{database_path(config, {})}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(tmp_path / "copy.db")) as copy,
        ):
            source.backup(copy)
        await runtime.workstream("research").send("again")

    with closing(WorkstreamStore(tmp_path / "copy.db")) as kept:
        stored = kept.load("research")
    assert stored is not None
    assert [message.role for message in stored.history] == ["user", "assistant"]
