"""A database that is deleted, replaced, emptied or damaged under a running Arawn: no write is kept in vain."""

from __future__ import annotations

import logging
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from arawn.errors import StoreFailed
from arawn.messages import user
from arawn.workstreams.store import WorkstreamState, WorkstreamStore
from arawn.workstreams.store_actor import LOOK_S, Query, StoreHealth, open_store
from arawn.workstreams.store_file import orphaned_journal
from tests.harms import overwrite, replace, truncate, unlink_journal
from tests.runtimes import in_place

Harm = Callable[[Path], object]


def turn(name: str) -> Query[None]:
    return Query(lambda store: store.add_turn(WorkstreamState(name=name), 1, (user("hello"),), None))


def load(name: str) -> Query[WorkstreamState | None]:
    return Query(lambda store: store.load(name))


def journal(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def journal_replaced(path: Path) -> None:
    copy = path.with_suffix(".copy")
    copy.write_bytes(b"no journal of this database" * 1_000)
    copy.replace(journal(path))


HARMS = [
    (Path.unlink, "deleted or moved away"),
    (replace, "another file was put in its place"),
    (overwrite, "its beginning was overwritten"),
    (truncate, "it was emptied"),
    (unlink_journal, "was deleted while it is open; what was written last is in it: stop Arawn in order"),
    (journal_replaced, "was replaced by another file while it is open"),
]


@pytest.mark.parametrize(("harm", "words"), HARMS)
async def test_no_write_is_acknowledged_that_no_file_keeps(tmp_path: Path, harm: Harm, words: str) -> None:
    """Alone and in a batch it fails, and says what happened to the file."""
    path = tmp_path / "w.db"
    async with open_store(path, run_in_thread=in_place) as handle:
        assert await handle([turn("before")]) == [None]
        harm(path)

        (alone,) = await handle([turn("after")])
        with pytest.raises(StoreFailed, match=words):
            await handle([turn("a"), turn("b")])

    assert isinstance(alone, StoreFailed)
    assert words in str(alone)
    assert f"`{path}`" in str(alone)


async def test_a_write_that_is_overtaken_by_the_deletion_fails_too(tmp_path: Path) -> None:
    """The file is looked at again after the commit: until then it might have gone."""
    path = tmp_path / "w.db"

    def delete_midway(store: WorkstreamStore) -> None:
        with store._transaction("write"):
            path.unlink()

    async with open_store(path, run_in_thread=in_place) as handle:
        (result,) = await handle([Query(delete_midway)])

    assert isinstance(result, StoreFailed)


@pytest.mark.parametrize("harm", [Path.unlink, replace])
async def test_what_was_kept_can_still_be_read_and_the_file_put_back(tmp_path: Path, harm: Harm) -> None:
    """A file that was moved away and comes back is written on, without a restart."""
    path, other = tmp_path / "w.db", tmp_path / "link"
    async with open_store(path, run_in_thread=in_place) as handle:
        await handle([turn("before")])
        other.hardlink_to(path)
        harm(path)
        (found,) = await handle([load("before")])
        other.replace(path)
        back = await handle([turn("after")])

    assert found is not None
    assert found.turns == 1
    assert back == [None]


@pytest.mark.parametrize("harm", [unlink_journal, journal_replaced])
async def test_an_end_in_order_writes_back_what_the_journal_held(tmp_path: Path, harm: Harm) -> None:
    """As the refusal promises; a database that is opened through a link has its journal beside the file itself."""
    path, link = tmp_path / "w.db", tmp_path / "link" / "w.db"
    link.parent.mkdir()
    link.symlink_to(path)
    async with open_store(link, run_in_thread=in_place) as handle:
        await handle([turn("before")])
        harm(path)
        (refused,) = await handle([turn("after")])

    async with open_store(path, run_in_thread=in_place) as handle:
        (kept,) = await handle([load("before")])

    assert "which writes it back" in str(refused)
    assert kept is not None
    assert kept.turns == 1


async def test_the_file_is_looked_at_without_any_call(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Within `LOOK_S` the health says so, and that it is over; each change is one warning."""
    path, away, health = tmp_path / "w.db", tmp_path / "away.db", StoreHealth()
    with caplog.at_level(logging.WARNING):
        async with open_store(path, health, run_in_thread=in_place):
            await trio.sleep(LOOK_S)
            well = health.fault
            path.rename(away)
            await trio.sleep(3 * LOOK_S)
            gone = health.fault
            away.rename(path)
            await trio.sleep(1.1 * LOOK_S)

    assert (well, health.fault) == (None, None)
    assert f"`{path}` cannot be used: it was deleted or moved away" in str(gone)
    assert caplog.messages == [gone, "the workstream database can be used again"]


async def test_a_file_that_goes_just_before_the_end_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What it held goes with it, so its end is not silent."""
    path = tmp_path / "w.db"
    async with open_store(path, run_in_thread=in_place) as handle:
        await handle([turn("before")])
        path.unlink()

    assert "it was deleted or moved away" in caplog.text


async def test_a_disk_that_fails_is_a_fault_and_no_crash(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store stays up and says why; at its end it closes the database all the same."""
    path, health = tmp_path / "w.db", StoreHealth()

    def fail(*_: object, **__: object) -> sqlite3.Connection:
        raise sqlite3.OperationalError("disk I/O error")

    async with open_store(path, health, run_in_thread=in_place) as handle:
        await handle([turn("before")])
        monkeypatch.setattr(sqlite3, "connect", fail)
        await trio.sleep(1.1 * LOOK_S)
        (refused,) = await handle([turn("after")])

    assert "it cannot be read: disk I/O error" in str(health.fault)
    assert isinstance(refused, StoreFailed)
    assert not path.with_name("w.db-wal").exists()


async def test_damage_that_a_query_meets_is_remembered(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Pages in the middle are not looked at; who reads them is told, and so is everyone who asks for the health."""
    path, health = tmp_path / "w.db", StoreHealth()
    with closing(WorkstreamStore(path)) as store:
        for number in range(40):
            store.add_turn(WorkstreamState(name=f"w{number}"), 1, (user("hello " * 500),), None)
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    async with open_store(path, health, run_in_thread=in_place) as handle:
        (found,) = await handle([load("w7")])
        await trio.sleep(LOOK_S)

    assert isinstance(found, StoreFailed)
    assert "damaged" in str(found)
    assert "malformed" in str(health.fault)


def test_a_database_that_is_just_being_made_is_not_taken_for_a_lost_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process makes it between the two looks: the file first, then the journal beside it."""
    path = tmp_path / "w.db"
    real, looks = Path.stat, 0

    def stat(self: Path, *, follow_symlinks: bool = True) -> object:
        nonlocal looks
        looks += 1
        if looks == 2:
            path.write_bytes(b"SQLite format 3\0")
            path.with_name("w.db-wal").write_bytes(b"writes")
        return real(self, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", stat)

    assert orphaned_journal(path) is None


@pytest.mark.parametrize("harm", [Path.unlink, truncate])
def test_writes_without_their_database_are_not_deleted(tmp_path: Path, harm: Harm) -> None:
    """SQLite would begin a new database and remove the journal with the last writes: it is not opened."""
    path, kept = tmp_path / "w.db", tmp_path / "kept"
    journal = tmp_path / "w.db-wal"
    with closing(WorkstreamStore(path)) as store:
        store.add_turn(WorkstreamState(name="a"), 1, (user("hello"),), None)
        kept.hardlink_to(journal)
    kept.rename(journal)
    harm(path)

    with pytest.raises(StoreFailed, match=r"is gone or empty, and `.*w\.db-wal` has writes to it"):
        WorkstreamStore(path)
    assert journal.stat().st_size > 0


_NAMES = (
    "import sqlite3, sys; print([n for n, in sqlite3.connect(sys.argv[1]).execute('SELECT name FROM workstreams')])"
)


def test_a_store_that_closes_leaves_the_locks_of_another(tmp_path: Path) -> None:
    """Two runtimes of one process may share a database: what one writes is there for other processes all the same."""
    path = tmp_path / "w.db"

    def seen_by_another_process() -> str:
        return subprocess.run([sys.executable, "-c", _NAMES, path], capture_output=True, text=True, check=True).stdout

    with closing(WorkstreamStore(path)) as store:
        store.create(WorkstreamState(name="before"))
        WorkstreamStore(path).close()
        assert seen_by_another_process() == "['before']\n"  # as it ends, it deletes the journal unless that is locked

        store.create(WorkstreamState(name="after"))

        assert seen_by_another_process() == "['after', 'before']\n"


def first_page_moved(path: Path) -> None:
    """Do as a checkpoint does that is cut off after its first page: that page already tells of all the others."""
    content = journal(path).read_bytes()
    size = int.from_bytes(content[8:12], "big")
    frames = range(32, len(content) - 24 - size + 1, 24 + size)
    pages = [content[at + 24 : at + 24 + size] for at in frames if int.from_bytes(content[at : at + 4], "big") == 1]
    with path.open("r+b") as file:
        file.write(pages[-1])


def test_a_checkpoint_under_way_or_cut_off_is_no_damage(tmp_path: Path) -> None:
    """The database is shorter than its first page says until the last page has followed; the journal has them all."""
    path = tmp_path / "w.db"
    with closing(WorkstreamStore(path)) as store:
        store.add_turn(WorkstreamState(name="before"), 1, (user("hello " * 10_000),), None)

        first_page_moved(path)

        assert store.fault() is None
        store.add_turn(WorkstreamState(name="after"), 1, (user("hello"),), None)
        assert store.load("before") is not None
