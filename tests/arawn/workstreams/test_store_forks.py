"""A process that was forked while a database was open changes nothing of it, and does not keep it locked."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from arawn.errors import StoreFailed
from arawn.messages import user
from arawn.workstreams.store import WorkstreamState, WorkstreamStore
from arawn.workstreams.store_file import journal_of
from arawn.workstreams.store_lock import StoreLock
from tests.arawn.interactions.forks import forked, in_a_fork


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir() if not path.name.endswith("-shm")}


@pytest.mark.parametrize(
    "act",
    [
        lambda store: store.create(WorkstreamState(name="b")),
        lambda store: store.change(WorkstreamState(name="a", profile="p"), {"profile"}),
        lambda store: store.remove("a"),
        lambda store: store.add_turn(WorkstreamState(name="a"), 1, (user("hi"),), None),
        lambda store: store.load("a"),
        lambda store: store.list(),
        lambda store: store.hold(),
    ],
)
@pytest.mark.parametrize("held", [True, False])
def test_a_fork_is_refused(tmp_path: Path, act: Callable[[WorkstreamStore], object], *, held: bool) -> None:
    """Whatever it asks for, by an error that says why; nothing is changed."""
    with closing(WorkstreamStore(tmp_path / "w.db")) as store:
        store.create(WorkstreamState(name="a"))
        if held:
            store.hold()
        before = contents(tmp_path)

        def ask() -> None:
            with pytest.raises(StoreFailed, match="from which this one was forked; open it anew"):
                act(store)

        in_a_fork(ask)
        assert contents(tmp_path) == before
        store.create(WorkstreamState(name="c"))


def test_a_fork_that_closes_the_store_deletes_no_journal(tmp_path: Path) -> None:
    """SQLite would write it back, or delete what a process has left there that was killed since."""
    path = tmp_path / "w.db"
    store = WorkstreamStore(path)
    store.hold()
    store.create(WorkstreamState(name="a"))
    journal = journal_of(path)
    before = contents(tmp_path)

    def close() -> None:
        nonlocal store
        store.close()
        del store
        gc.collect()

    in_a_fork(close)
    assert contents(tmp_path) == before
    assert journal.stat().st_size > 0
    with pytest.raises(StoreFailed, match="has it"):
        StoreLock(path).take()
    store.close()
    with closing(WorkstreamStore(path)) as again:
        assert [one.name for one in again.list()] == ["a"]


def test_a_fork_does_not_keep_the_database_locked(tmp_path: Path) -> None:
    """A worker that lives on after the store was closed keeps nobody from it."""
    store = WorkstreamStore(tmp_path / "w.db")
    store.hold()
    with forked():
        store.close()
        with closing(WorkstreamStore(tmp_path / "w.db")) as again:
            again.hold()


def test_the_lock_of_a_fork_is_not_its_own(tmp_path: Path) -> None:
    """It is refused what its parent has, and what it closes stays locked."""
    lock = StoreLock(tmp_path / "w.db")
    lock.take()

    def take() -> None:
        with pytest.raises(StoreFailed, match=f"process {os.getppid()} .* has it; wait"):
            lock.take()
        lock.release()

    in_a_fork(take)
    with pytest.raises(StoreFailed):
        StoreLock(tmp_path / "w.db").take()
    lock.release()
