"""What comes together is on the disk together, each write stands or falls alone, and a wrong file is refused."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trio

from arawn.errors import BadInput, StoreFailed
from arawn.messages import user
from arawn.workstreams.store import WorkstreamState, WorkstreamStore
from arawn.workstreams.store_actor import Query, open_store
from tests.runtimes import in_place


def turn(name: str, number: int = 1) -> Query[None]:
    return Query(lambda store: store.add_turn(WorkstreamState(name=name), number, (user("hello"),), None))


def names(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as db:
        return [name for (name,) in db.execute("SELECT name FROM workstreams ORDER BY name")]


async def test_a_batch_is_one_commit(tmp_path: Path) -> None:
    """Forty turns of one moment cost one wait for the disk, and all are there."""
    statements: list[str] = []
    path = tmp_path / "w.db"
    async with open_store(path, run_in_thread=in_place) as handle:

        def trace(store: WorkstreamStore) -> None:
            store._db.set_trace_callback(statements.append)

        await handle([Query(trace)])
        results = await handle([turn(f"w{number:02}") for number in range(40)])

    assert results == [None] * 40
    assert statements.count("COMMIT") == 1
    assert names(path) == [f"w{number:02}" for number in range(40)]


async def test_a_query_that_fails_undoes_itself_alone(tmp_path: Path) -> None:
    """Its neighbours are kept, and each asker gets its own result or error."""
    path = tmp_path / "w.db"
    twice: Query[Any] = Query(lambda store: store.create(WorkstreamState(name="b")))
    async with open_store(path, run_in_thread=in_place) as handle:
        first, made, refused, failed, last = await handle([turn("a"), twice, twice, turn("c", number=None), turn("d")])  # type: ignore[arg-type]  # NULL is refused by the table

    assert (first, made, last) == (None, None, None)
    assert isinstance(refused, BadInput)
    assert isinstance(failed, StoreFailed)
    assert names(path) == ["a", "b", "d"]


async def test_a_read_fails_with_no_write_beside_it(tmp_path: Path) -> None:
    """It needs neither the lock nor the commit that the write waits for in vain."""
    path = tmp_path / "w.db"
    read = Query(lambda store: store.binding("a"), reads=True)
    async with open_store(path, run_in_thread=in_place) as handle:
        await handle([turn("a")])
        path.unlink()
        first, failed, last = await handle([read, turn("b"), read])

    assert (first, last) == (None, None)
    assert isinstance(failed, StoreFailed)


async def test_a_transaction_that_is_gone_fails_all_that_were_in_it(tmp_path: Path) -> None:
    """As when a full disk makes SQLite undo everything: nobody is told that a write is kept which is not."""
    path = tmp_path / "w.db"
    async with open_store(path, run_in_thread=in_place) as handle:

        def undo_everything(store: WorkstreamStore) -> None:
            store._db.execute("ROLLBACK")

        with pytest.raises(StoreFailed):
            await handle([turn("a"), Query(undo_everything), turn("b")])
        assert await handle([turn("c")]) == [None]

    assert names(path) == ["c"]


async def test_a_batch_does_not_block_the_event_loop(tmp_path: Path) -> None:
    """The work is done in a thread."""
    threads = []
    async with open_store(tmp_path / "w.db") as handle:
        await handle([Query(lambda _: threads.append(trio.lowlevel.in_trio_run())), turn("a")])

    assert threads == [False]


def test_a_database_in_an_impossible_place_is_one_clear_error(tmp_path: Path) -> None:
    """A path below a file is named, with the key to set."""
    (tmp_path / "file").write_text("")

    with pytest.raises(StoreFailed, match=r"cannot open .*workstreams\.db.*`workstreams\.database` must name"):
        WorkstreamStore(tmp_path / "file" / "workstreams.db")


def test_a_damaged_database_is_one_clear_error(tmp_path: Path) -> None:
    """A file that is no database is named, with what to do about it."""
    path = tmp_path / "workstreams.db"
    path.write_bytes(b"this is not a database, and longer than a header of one" * 10)

    with pytest.raises(StoreFailed, match=r"cannot open .*workstreams\.db.*move it away"):
        WorkstreamStore(path)


def test_a_database_from_a_newer_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A schema this version does not know is left alone, and the file is closed at once."""
    opened: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def noted(*args: Any, **more: Any) -> sqlite3.Connection:
        opened.append(connect(*args, **more))
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", noted)
    path = tmp_path / "workstreams.db"
    store = WorkstreamStore(path)
    store._db.execute("PRAGMA user_version = 99")
    store.close()

    with pytest.raises(StoreFailed, match="newer Arawn"):
        WorkstreamStore(path)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        opened[-1].execute("SELECT 1")


def test_a_store_lists_archives_and_removes(tmp_path: Path) -> None:
    """An archived workstream is listed only on demand; a removed one is gone with its history."""
    store = WorkstreamStore(tmp_path / "workstreams.db")
    store.create(WorkstreamState(name="a", profile="fast", tags={"k": "v"}))
    store.create(WorkstreamState(name="b"))

    assert store.change(WorkstreamState(name="a", archived=True), {"archived"})
    assert [row.name for row in store.list()] == ["b"]
    assert [row.name for row in store.list(archived=True)] == ["a", "b"]
    assert store.remove("a")
    assert not store.remove("a")
    assert store.load("a") is None
    with pytest.raises(BadInput, match="already"):
        store.create(WorkstreamState(name="b"))
    store.close()


def test_the_database_is_private(tmp_path: Path) -> None:
    """Nobody else on the machine can read the conversations."""
    store = WorkstreamStore(tmp_path / "new" / "workstreams.db")
    store.close()

    assert (tmp_path / "new" / "workstreams.db").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
