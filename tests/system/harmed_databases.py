"""The workstream database harmed under a running daemon, in each way, until `arawn status` says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from pathlib import Path

import httpx

from arawn.messages import user
from arawn.workstreams.store import WorkstreamState, WorkstreamStore
from tests.arawn.cli.place import Place
from tests.harms import overwrite, replace, truncate, unlink_journal
from tests.system.daemons import running
from tests.system.test_faults import wait_until

Harm = Callable[[Path], object]


@contextmanager
def harmed(harm: Harm, place: Place) -> Iterator[None]:
    """Do this to the open database, in which there is a conversation: the next turn is refused, other calls go on."""
    path = place.directory / "state" / "workstreams.db"
    with running(place) as daemon:
        assert daemon.chat("hi", workstream="research").is_success
        harm(path)
        wait_until(lambda: "cannot be used" in place.run("status").stdout)
        refused = daemon.chat("and now?", workstream="research")
        assert (refused.status_code, refused.json()["error"]["type"]) == (503, "store_failed")
        assert daemon.chat("hi").is_success
        assert httpx.get(f"{daemon.url}/readyz").status_code == 503
        yield


@contextmanager
def pages_damaged(place: Place) -> Iterator[None]:
    """Have the daemon open a database whose form is right and whose content is not, and read it."""
    path = place.directory / "state" / "workstreams.db"
    path.parent.mkdir()
    with closing(WorkstreamStore(path)) as store:
        for number in range(40):
            store.add_turn(WorkstreamState(name=f"w{number}"), 1, (user("hello " * 500),), None)
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    with running(place) as daemon:
        assert daemon.chat("hi", workstream="w7").status_code == 503
        wait_until(lambda: "cannot be used" in place.run("status").stdout)
        yield


HARMED: dict[str, Callable[[Place], AbstractContextManager[None]]] = {
    "the database is deleted": partial(harmed, Path.unlink),
    "another file stands in the database's place": partial(harmed, replace),
    "the database's journal is deleted": partial(harmed, unlink_journal),
    "the database is emptied": partial(harmed, truncate),
    "the database is overwritten": partial(harmed, overwrite),
    "pages of the database are damaged": pages_damaged,
}
