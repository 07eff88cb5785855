"""One database, one writer: whoever else writes, or keeps in memory what is stored, is refused and told by whom."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from arawn.config.schema import Config
from arawn.errors import StoreFailed
from arawn.messages import user
from arawn.workstreams.store import WorkstreamState, WorkstreamStore
from arawn.workstreams.store_actor import Query, open_store
from arawn.workstreams.store_lock import StoreLock, lock_of
from tests.arawn.workstreams.held_store import held_elsewhere
from tests.runtimes import configured, in_place, records, running
from tests.strangers import give_away

HELD = r"cannot use the workstream database .*: this process \(\d+\) has it open already; one runtime a database"


def turn(name: str) -> Query[None]:
    return Query(lambda store: store.add_turn(WorkstreamState(name=name), 1, (user("hello"),), None))


def with_another_log(config: Config, directory: Path) -> Config:
    log = msgspec.structs.replace(config.logging.interactions, path=str(directory / "other-log"))
    return msgspec.structs.replace(config, logging=msgspec.structs.replace(config.logging, interactions=log))


@pytest.mark.parametrize("logged", [True, False])
async def test_two_runtimes_never_keep_one_conversation(tmp_path: Path, logged: bool) -> None:
    """With logs of their own, or none, the second is refused, and every turn that was answered is kept."""
    config = configured(tmp_path, enabled=logged)
    async with running(config) as first:
        await first.workstream("talk").send("one")
        with pytest.raises(StoreFailed, match=rf"this process \({os.getpid()}\) has it open already"):
            async with running(with_another_log(config, tmp_path)) as second:
                await second.workstream("talk").send("two")
        await first.workstream("talk").send("three")
        stored = await first.stored_workstream("talk")

    assert stored is not None
    assert [message.role for message in stored.history] == ["user", "assistant"] * 2
    assert not logged or [one["turn_id"] for one in records(tmp_path)] == [1, 2]


async def test_the_next_runtime_has_the_lock_of_the_one_before(tmp_path: Path) -> None:
    """It is let go before the block of a runtime is left, and its own memory begins with what is stored."""
    config = configured(tmp_path)
    for text in ("one", "two"):
        async with running(config) as runtime:
            await runtime.workstream("talk").send(text)

    assert [one["turn_id"] for one in records(tmp_path)] == [1, 2]


async def test_who_wants_the_database_at_once_is_refused_at_once(tmp_path: Path) -> None:
    """There is nobody to wait for where it is this very process: the refusal says so, and what to do."""
    path = tmp_path / "w.db"
    async with open_store(path, held_at_once=True, run_in_thread=in_place):
        with pytest.raises(StoreFailed, match=HELD) as refused:
            async with open_store(path, held_at_once=True, run_in_thread=in_place):
                raise AssertionError("two stores have one database")

    said = str(refused.value)
    assert f"cannot use the workstream database `{path}`: this process ({os.getpid()}) has it open already" in said
    assert "share that one, or set another `workstreams.database`" in said
    assert "wait" not in said


async def test_who_can_wait_gets_it_when_it_is_free(tmp_path: Path) -> None:
    """Until then neither a write nor a read that would be kept in memory goes through."""
    path = tmp_path / "w.db"
    with closing(WorkstreamStore(path)) as other:
        other.hold()
        async with open_store(path, run_in_thread=in_place) as handle:
            for query in (turn("a"), Query(lambda store: store.load("a"))):
                with pytest.raises(StoreFailed, match=HELD):
                    await handle([query])
            other.close()
            assert await handle([turn("a"), turn("b")]) == [None, None]
            with pytest.raises(StoreFailed, match=HELD):
                StoreLock(path).take()


@pytest.mark.parametrize(
    "write",
    [
        lambda store: store.create(WorkstreamState(name="a")),
        lambda store: store.change(WorkstreamState(name="a", profile="p"), {"profile"}),
        lambda store: store.remove("a"),
        lambda store: store.add_turn(WorkstreamState(name="a"), 1, (user("hi"),), None),
    ],
)
def test_a_write_has_the_lock_for_its_time(tmp_path: Path, write: Callable[[WorkstreamStore], object]) -> None:
    """It fails while somebody else has it; afterwards nobody has it."""
    path = tmp_path / "w.db"
    holder = StoreLock(path)
    with closing(WorkstreamStore(path)) as store:
        with holder.held(), pytest.raises(StoreFailed, match=HELD):
            write(store)
        write(store)
        assert holder.take()
        holder.release()


def test_readers_are_not_refused(tmp_path: Path) -> None:
    """Whoever has the lock, what is stored can be listed and shown."""
    path = tmp_path / "w.db"
    with closing(WorkstreamStore(path)) as writer, closing(WorkstreamStore(path)) as reader:
        writer.hold()
        writer.create(WorkstreamState(name="a"))

        assert [one.name for one in reader.list()] == ["a"]
        assert reader.load("a") == WorkstreamState(name="a")


def test_a_link_leads_to_the_lock_of_the_database(tmp_path: Path) -> None:
    """Two names of one database are one lock, and the file is private."""
    path, link = tmp_path / "w.db", tmp_path / "link.db"
    link.symlink_to(path)
    with StoreLock(path).held(), pytest.raises(StoreFailed, match=HELD):
        StoreLock(link).take()

    assert lock_of(path).stat().st_mode & 0o777 == 0o600
    assert json.loads(lock_of(path).read_text())["pid"] == os.getpid()


@pytest.mark.parametrize("data", [b"", b'{"pid":1,"started":"\xff"}'], ids=["empty", "no text"])
def test_a_lock_file_that_names_nobody_still_locks(data: bytes, tmp_path: Path) -> None:
    """As on a full disk, or after a fault of it: the refusal says `another process`."""
    path = tmp_path / "w.db"
    with StoreLock(path).held():
        lock_of(path).write_bytes(data)
        with pytest.raises(StoreFailed, match="another process has it"):
            StoreLock(path).take()


def test_a_lock_file_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    """It is named, with why."""
    path = tmp_path / "w.db"
    lock_of(path).mkdir()
    with closing(WorkstreamStore(path)) as store, pytest.raises(StoreFailed, match=r"cannot lock .*w\.db\.lock"):
        store.hold()


@pytest.mark.slow
def test_a_kill_takes_the_lock_away(tmp_path: Path) -> None:
    """The process that has it is named; once it is killed, the lock is free."""
    path = tmp_path / "w.db"
    with held_elsewhere(path) as child:
        with pytest.raises(
            StoreFailed, match=rf"process {child.pid} \(since 20.*\) has it; wait until .* `arawn start`"
        ):
            StoreLock(path).take()
        child.send_signal(signal.SIGKILL)
        child.wait(20)

    assert StoreLock(path).take()


def a_link(place: Path) -> None:
    place.symlink_to(place.with_name("precious"))


@pytest.mark.parametrize("put", [a_link, os.mkfifo, Path.mkdir], ids=["link", "pipe", "directory"])
def test_what_is_no_lock_file_is_not_written_to(tmp_path: Path, put: Callable[[Path], None]) -> None:
    """Above all not what a link leads to. The refusal names it and says what to do."""
    path = tmp_path / "w.db"
    precious = tmp_path / "precious"
    precious.write_text("mine", encoding="utf-8")
    put(lock_of(path))

    with closing(WorkstreamStore(path)) as store, pytest.raises(StoreFailed) as refused:
        store.hold()

    assert f"cannot lock the workstream database `{path}`: `{lock_of(path)}`, the place" in str(refused.value)
    assert str(refused.value).endswith("; remove it")
    assert precious.read_text(encoding="utf-8") == "mine"


def test_a_link_of_another_user_leads_to_no_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is made or written where it leads to; the user's own link leads to the database, there already or not."""
    link, target = tmp_path / "w.db", tmp_path / "elsewhere" / "real.db"
    target.parent.mkdir()
    link.symlink_to(target)
    with monkeypatch.context() as patched:
        owner = give_away(link, patched)
        with pytest.raises(StoreFailed, match=rf"cannot open .*: it is a link of {owner}, who would choose"):
            WorkstreamStore(link)
        assert list(target.parent.iterdir()) == []

    link.unlink()
    link.symlink_to(target)
    for _ in range(2):
        with closing(WorkstreamStore(link)) as store:
            store.list()
    assert target.stat().st_size > 0
