"""What `arawn doctor` finds wrong with the socket's path and with the database, and leaves as it is."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, nullcontext
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import msgspec
import pytest

from arawn.cli.checkup import look_around
from arawn.config.paths import database_path, interactions_dir
from arawn.config.schema import Config, ServerConfig, WorkstreamsConfig
from arawn.errors import StoreFailed
from arawn.interactions.opening import open_day_log
from arawn.messages import user
from arawn.wire.listeners import open_unix_listener
from arawn.workstreams.store import WorkstreamState, WorkstreamStore
from arawn.workstreams.store_lock import lock_of
from tests.arawn.interactions.samples import note
from tests.runtimes import configured

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def wrong(tmp_path: Path, config: Config) -> list[tuple[str, str]]:
    environ = {"HOME": str(tmp_path)}
    return [(one.what, one.found) for one in look_around(config, environ, NOW) if not one.ok]


@pytest.mark.parametrize(("size", "fits"), [(107, True), (108, False)])
def test_a_socket_path_that_start_cannot_take_is_found(tmp_path: Path, size: int, fits: bool) -> None:
    """At the very length at which the daemon could not listen."""
    socket = Path("/tmp") / ("s" * (size - len("/tmp/")))  # its length counts; it is gone at once
    config = msgspec.structs.replace(configured(tmp_path), server=ServerConfig(socket=str(socket)))

    found = wrong(tmp_path, config)

    assert (found == []) is fits
    assert fits or f"has {size} bytes, and a Unix socket path may have 107" in found[0][1]
    with nullcontext() if fits else pytest.raises(OSError, match="may have 107 bytes"), open_unix_listener(socket):
        pass


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no such file system here")
@pytest.mark.parametrize(
    ("database", "told"),
    [
        ("/proc/x/y.db", (False, "`/proc/x` is not there, and the file system of `/proc` has no size")),
        ("/proc/x.db", (True, "how much is free at `/proc` cannot be seen")),
    ],
)
def test_a_file_system_without_a_size_is_not_said_to_be_full(
    tmp_path: Path, database: str, told: tuple[bool, str]
) -> None:
    """Where nothing is there yet, it may well be none that keeps files."""
    config = msgspec.structs.replace(configured(tmp_path), workstreams=WorkstreamsConfig(database=database))

    found = [one for one in look_around(config, {"HOME": str(tmp_path)}, NOW) if one.what == "workstreams"]

    assert [(one.ok, one.found[: len(told[1])]) for one in found] == [told]


@pytest.fixture
def in_use(tmp_path: Path) -> Iterator[tuple[Config, Path]]:
    """A database that is open, as beside a daemon; its last writes are in the journal alone."""
    config = configured(tmp_path)
    path = database_path(config, {})
    with closing(WorkstreamStore(path)) as store:
        store.add_turn(WorkstreamState(name="a"), 1, (user("hello"),), None)
        yield config, path


def test_writes_that_only_the_journal_has_survive_a_look_at_an_emptied_database(
    tmp_path: Path, in_use: tuple[Config, Path]
) -> None:
    """SQLite would delete them; doctor says what is wrong, and they are there afterwards."""
    config, path = in_use
    journal = path.with_name(f"{path.name}-wal")
    before = journal.read_bytes()
    path.write_bytes(b"")

    ((what, found),) = wrong(tmp_path, config)

    assert (what, "it is gone or empty" in found, str(journal) in found) == ("workstreams", True, True)
    assert journal.read_bytes() == before


def test_another_database_in_its_place_costs_no_journal(tmp_path: Path, in_use: tuple[Config, Path]) -> None:
    """Whoever closes that one as the last would delete the journal that it finds: the one of the database in use."""
    config, path = in_use
    journal = path.with_name(f"{path.name}-wal")
    before = journal.stat().st_ino, journal.read_bytes()
    copy = path.with_suffix(".copy")
    copy.write_bytes(path.read_bytes())
    path.rename(path.with_suffix(".moved"))
    copy.rename(path)

    wrong(tmp_path, config)

    assert (journal.stat().st_ino, journal.read_bytes()) == before


def test_a_database_that_a_daemon_calls_harmed_is_left_alone(tmp_path: Path, in_use: tuple[Config, Path]) -> None:
    """What the daemon says is the finding; the file is not opened at all."""
    config, path = in_use
    path.write_bytes(b"")
    environ = {"HOME": str(tmp_path)}

    found = [one for one in look_around(config, environ, NOW, database_fault="it was emptied") if not one.ok]

    assert [(one.what, one.found) for one in found] == [("workstreams", "it was emptied")]


def test_a_look_leaves_no_file_and_changes_none(tmp_path: Path) -> None:
    """Beside a database that nobody has open no journal stays; one that a crash left is for the next start."""
    config = configured(tmp_path)
    path = database_path(config, {})
    journal, kept = path.with_name(f"{path.name}-wal"), tmp_path / "kept"
    with closing(WorkstreamStore(path)) as store:
        store.add_turn(WorkstreamState(name="a"), 1, (user("hello"),), None)
        kept.hardlink_to(journal)
        before = path.read_bytes()
    assert (wrong(tmp_path, config), sorted(path.parent.glob(f"{path.name}*"))) == ([], [path, lock_of(path)])

    kept.rename(journal)
    path.write_bytes(before)
    crashed = before, journal.read_bytes()

    assert (wrong(tmp_path, config), (path.read_bytes(), journal.read_bytes())) == ([], crashed)


def test_a_database_that_is_gone_is_found(tmp_path: Path, in_use: tuple[Config, Path]) -> None:
    """It has no row of its own to be sound in, and its last writes are still there."""
    config, path = in_use
    path.unlink()

    ((_, found),) = wrong(tmp_path, config)

    assert "it is gone or empty" in found


def test_a_database_whose_beginning_was_overwritten_is_found(tmp_path: Path, in_use: tuple[Config, Path]) -> None:
    """Though the journal still has the page that stood there."""
    config, path = in_use
    with path.open("r+b") as file:
        file.write(b"x" * 100)

    ((_, found),) = wrong(tmp_path, config)

    assert "is damaged: its beginning was overwritten; stop Arawn, restore a backup" in found


def test_an_index_that_does_not_fit_its_table_is_found(tmp_path: Path) -> None:
    """The whole database is checked, not the form of its pages alone."""
    config = configured(tmp_path)
    path = database_path(config, {})
    with closing(WorkstreamStore(path)) as store:
        store.add_turn(WorkstreamState(name="name-of-a-conversation"), 1, (user("hello"),), None)
    with closing(sqlite3.connect(path)) as db:
        (root,) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name LIKE 'sqlite_autoindex%'").fetchone()
        (size,) = db.execute("PRAGMA page_size").fetchone()
    content = bytearray(path.read_bytes())
    page = content[(root - 1) * size : root * size].replace(b"name-of-a-conversation", b"name-of-a-conversatioN")
    content[(root - 1) * size : root * size] = page
    path.write_bytes(content)

    ((what, found),) = wrong(tmp_path, config)

    assert (what, "is damaged" in found) == ("workstreams", True)


def test_a_database_of_a_newer_schema_is_told_as_every_command_tells_it(tmp_path: Path) -> None:
    """It is sound, and no command of this version can use it; a look leaves it as it is."""
    config = configured(tmp_path)
    path = database_path(config, {})
    WorkstreamStore(path).close()
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 99")
    before = path.read_bytes()

    found = wrong(tmp_path, config)

    with pytest.raises(StoreFailed, match="was written by a newer Arawn") as refused:
        WorkstreamStore(path)
    assert found == [("workstreams", str(refused.value))]
    assert path.read_bytes() == before


@pytest.mark.parametrize("begun", [False, True], ids=["empty", "without tables"])
def test_a_database_that_is_still_to_be_made_stays_so(tmp_path: Path, begun: bool) -> None:
    """Doctor makes no tables: the first conversation does."""
    config = configured(tmp_path)
    path = database_path(config, {})
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as database:
        if begun:
            database.execute("PRAGMA journal_mode = WAL")
    path.touch()
    before = path.read_bytes()

    assert (wrong(tmp_path, config), path.read_bytes() == before) == ([], True)


def told_with_a_file_ahead(tmp_path: Path, days: int) -> tuple[Path, tuple[str, str]]:
    """Return the log's directory, and what is wrong after a clock was ahead for so many days."""
    config = configured(tmp_path)
    log = interactions_dir(config, {})
    for day in (NOW, NOW + timedelta(days=days)):
        with closing(open_day_log(log, config.logging.interactions, clock=partial(day.replace))) as written:
            written.append([note(1)])
    (told,) = wrong(tmp_path, config)
    return log, told


def test_a_clock_that_was_ahead_once_is_told_as_that(tmp_path: Path) -> None:
    """When it is right by now, there is nothing to set; the file is named, and where the remedy is."""
    log, (what, found) = told_with_a_file_ahead(tmp_path, days=400)

    later = f"`{log}`: interactions-2027-12-27.jsonl is of a day to come, today being 2026-11-22 (UTC)"
    assert (what, later in found) == ("clock", True)
    assert "the clock is behind, or was ahead once" in found
    assert "if the clock is right by now, stop Arawn and run `arawn interactions repair --today`" in found


def test_a_file_of_tomorrow_is_waited_for(tmp_path: Path) -> None:
    """A clock that was ahead by a day is told too; by tomorrow all is right again."""
    log, (what, found) = told_with_a_file_ahead(tmp_path, days=1)

    assert (what, "`interactions-2026-11-23.jsonl`" in found.replace(f"{log}/", "")) == ("clock", True)
    assert found.endswith("until 2026-11-23 records go into files of that day; wait until then")
