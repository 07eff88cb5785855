"""Two ways to the conversations: the running daemon, or their database when none runs."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from urllib.parse import quote

import msgspec
import trio

from arawn.cli.daemon_bodies import decoded
from arawn.cli.daemon_client import DaemonClient, find_daemon, silence_of
from arawn.cli.door import door_of, refuse_other_file
from arawn.config.paths import database_path
from arawn.config.profiles import DEFAULT
from arawn.config.search import read_config
from arawn.errors import BadInput
from arawn.routing.policy import require_profile
from arawn.server.workstreams import WorkstreamChange, WorkstreamSettings, no_workstream
from arawn.workstreams.store import Summary, WorkstreamState, WorkstreamStore, require_name

__all__ = ["ThroughDaemon", "WorkstreamAccess", "open_access"]


@asynccontextmanager
async def open_access(config_file: Path | None) -> AsyncIterator[WorkstreamAccess]:
    """Yield the daemon's workstreams if it runs, else those in the database.

    Raises:
        ConfigError: The configuration is wrong.
        BadInput: A daemon runs, and was started with another file.
        DaemonSilent: A daemon runs and cannot be reached; it has the database.
        StoreFailed: The database cannot be opened.

    Checkpoint: always.
    If cancelled: a change that has begun is finished or was never made.
    """
    loaded = await read_config(config_file, environ=os.environ, cwd=Path.cwd())
    config, door = loaded.config, door_of(loaded)
    async with find_daemon(door) as daemon:
        if daemon is not None:
            refuse_other_file(config_file, daemon.door)
            yield ThroughDaemon(daemon)
            return
    silent = silence_of(door)
    if silent is not None:
        raise silent
    store = await trio.to_thread.run_sync(WorkstreamStore, database_path(config, os.environ))
    try:
        yield OnStore(store, tuple(config.profiles) or (DEFAULT,))
    finally:
        store.close()


class ThroughDaemon:
    """Has the daemon do it, so that what it holds in memory stays true; errors as for `DaemonClient.call`."""

    def __init__(self, daemon: DaemonClient) -> None:
        self._daemon = daemon

    async def list(self) -> list[Summary]:
        """Return all, the archived ones too.

        Checkpoint: always. If cancelled: nothing has changed.
        """
        return decoded(await self._daemon.get("/workstreams"), list[Summary])

    async def load(self, name: str) -> WorkstreamState:
        """Return one with its messages.

        Checkpoint: always. If cancelled: nothing has changed.
        """
        return decoded(await self._daemon.get(_path(name)), WorkstreamState)

    async def create(self, settings: WorkstreamSettings) -> None:
        """Store a new one.

        Checkpoint: always. If cancelled: it may have been done.
        """
        await self._daemon.call("POST", "/workstreams", settings)

    async def change(self, name: str, wanted: WorkstreamChange) -> None:
        """Change settings of one; a profile makes it if it is new.

        Checkpoint: always. If cancelled: it may have been done.
        """
        await self._daemon.call("PATCH", _path(name), wanted)

    async def remove(self, name: str) -> None:
        """Delete one.

        Checkpoint: always. If cancelled: it may have been done.
        """
        await self._daemon.call("DELETE", _path(name))


class OnStore:
    """Works on the database, in a thread. Every method raises `StoreFailed` when the database cannot be used."""

    def __init__(self, store: WorkstreamStore, profiles: tuple[str, ...]) -> None:
        self._store = store
        self._profiles = profiles

    async def list(self) -> list[Summary]:
        """Return all, the archived ones too.

        Checkpoint: always. If cancelled: nothing has changed.
        """
        return await trio.to_thread.run_sync(partial(self._store.list, archived=True))

    async def load(self, name: str) -> WorkstreamState:
        """Return one with its messages.

        Raises:
            BadInput: The name does not fit, or there is none of that name.

        Checkpoint: always. If cancelled: nothing has changed.
        """
        state = await trio.to_thread.run_sync(self._store.load, require_name(name))
        if state is None:
            raise BadInput(no_workstream(name))
        return state

    async def create(self, settings: WorkstreamSettings) -> None:
        """Store a new one.

        Raises:
            BadInput: The name does not fit, or there is one of that name already.
            UnknownProfile: Its profile is not configured.

        Checkpoint: always. If cancelled: once it has begun, it is done all the same.
        """
        if settings.profile is not None:
            require_profile(settings.profile, self._profiles)
        await trio.to_thread.run_sync(self._store.create, WorkstreamState(**msgspec.structs.asdict(settings)))

    async def change(self, name: str, wanted: WorkstreamChange) -> None:
        """Change settings of one; a profile makes it if it is new.

        Raises:
            BadInput: The name does not fit, or there is none of that name.
            UnknownProfile: The profile is not configured.

        Checkpoint: always. If cancelled: once it has begun, it is done all the same.
        """
        given = {key: value for key, value in msgspec.structs.asdict(wanted).items() if value is not msgspec.UNSET}
        changed = WorkstreamState(name=require_name(name), **given)
        if changed.profile is not None:
            require_profile(changed.profile, self._profiles)
        _require(await trio.to_thread.run_sync(self._store.change, changed, given), name)

    async def remove(self, name: str) -> None:
        """Delete one.

        Raises:
            BadInput: The name does not fit, or there is none of that name.

        Checkpoint: always. If cancelled: once it has begun, it is done all the same.
        """
        _require(await trio.to_thread.run_sync(self._store.remove, require_name(name)), name)


def _require(found: bool, name: str) -> None:
    if not found:
        raise BadInput(no_workstream(name))


def _path(name: str) -> str:
    return f"/workstreams/{quote(require_name(name), safe='')}"


WorkstreamAccess = ThroughDaemon | OnStore
"""What the commands do with conversations. Each raises `BadInput` for a name that does not fit, or is not there."""
