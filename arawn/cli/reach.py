"""Whether the doors and the providers can be reached. Connects, and asks no model."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

import httpx
import trio

from arawn.backends.connection_failures import from_httpx
from arawn.backends.presets import PRESETS
from arawn.cli.checkup import Finding
from arawn.cli.daemon_client import find_daemon, silence_of
from arawn.cli.door import DaemonFault, Door, door_at, files_of_daemon, running_daemon
from arawn.cli.process_files import open_files, out_of_files
from arawn.cli.status_page import LOG_WORDS, full_words, reason_of, since_words
from arawn.config import listen_address
from arawn.config.load import gone_words
from arawn.config.paths import interactions_dir
from arawn.config.schema import Config, Profile
from arawn.interactions.counted import counted
from arawn.interactions.lock_file import writer_is_active
from arawn.listen_faults import listen_fault
from arawn.status import BackendStatus, LogStatus, RuntimeStatus
from arawn.wire.connect import Connector, Origin
from arawn.wire.listeners import open_tcp_listeners
from arawn.wire.proxies import uses_proxy

__all__ = ["health_of", "look_at_daemon", "look_at_running", "reach_providers"]

_WELL = ("ready", "starting")
_PORTS = {"http": 80, "https": 443}


async def look_at_daemon(
    config: Config, door: Door, environ: Mapping[str, str], now: datetime
) -> tuple[RuntimeStatus | None, list[Finding]]:
    """Return what the running daemon says, and how it is at `now` (with its zone), or whether one could start.

    Checkpoint: always. If cancelled: nothing has changed.
    """
    try:
        async with find_daemon(door) as daemon:
            if daemon is not None:
                status = await daemon.status()
                return status, [*_gone_files(door), *_of_daemon(config, status, now)]
    except DaemonFault as fault:
        return None, [Finding("daemon", False, out_of_files(door) or str(fault))]
    return None, await _without_answer(config, environ, door)


async def _without_answer(config: Config, environ: Mapping[str, str], door: Door) -> list[Finding]:
    silent = silence_of(door)
    if silent is not None:
        return [Finding("daemon", False, str(silent)), *open_files(config, silent.pid)]
    log = interactions_dir(config, environ)
    if config.logging.interactions.enabled and _is_written(log):
        return [_hidden_daemon(door, log)]
    none = Finding("daemon", True, "none runs; `arawn start` runs one")
    return [none, *open_files(config, None), await _address(config.server.listen)]


def _is_written(log: Path) -> bool:
    try:
        return log.is_dir() and writer_is_active(log)
    except PermissionError:  # which the finding of the log tells
        return False


async def look_at_running(config_file: Path | None, now: datetime) -> list[Finding]:
    """Return how the one daemon is that runs, where the configuration cannot be used; nothing if it is not known.

    Args:
        config_file: The `--config` of the command; the daemon was started with it.
        now: The time, with its zone.

    Checkpoint: if there is one. If cancelled: nothing has changed.
    """
    found = running_daemon(config_file)
    if found is None:
        return []
    door = door_at(found)
    gone = list(_gone_files(door))
    try:
        async with find_daemon(door) as daemon:
            if daemon is not None:
                return [*gone, *_of_daemon(None, await daemon.status(), now)]
    except DaemonFault as fault:
        return [*gone, Finding("daemon", False, out_of_files(door) or str(fault))]
    silent = silence_of(door)
    return [*gone, *([] if silent is None else [Finding("daemon", False, str(silent))])]


def _gone_files(door: Door) -> Iterator[Finding]:
    """Yield a finding for each file that the daemon was started with and that is gone."""
    for path in map(Path, sorted(files_of_daemon(door) or ())):
        if not os.path.lexists(path):
            yield Finding("configuration", False, gone_words(path))


def _of_daemon(config: Config | None, status: RuntimeStatus, now: datetime) -> list[Finding]:
    full = status.full_mailboxes()
    return [
        Finding("daemon", True, f"process {status.pid} answers"),
        *(open_files(config, status.pid) if config else ()),
        _of_log(status.log, now),
        *(health_of(backend, now, full.get(backend.profile)) for backend in status.backends),
        *(_of_draining(backend) for backend in status.draining),
    ]


def _of_log(log: LogStatus, now: datetime) -> Finding:
    health = log.health
    if log.path is None or health.state == "ok":
        return Finding("log", True, "off" if log.path is None else health.reason or "ok")
    lost = (
        f", {counted(health.count, 'record')} lost (`arawn interactions verify` names the gap)" if health.count else ""
    )
    words = f"{health.state} {since_words(health.since, now)}{lost}: {health.reason}"
    return Finding("log", False, f"{words}; {LOG_WORDS}")


def health_of(backend: BackendStatus, now: datetime, full: int | None) -> Finding:
    """Return how one profile is: its health, what its last crash was, whether `full` calls wait and more are refused.

    One that is ready may have a reason too: its provider answers, and says that the rate is too high.
    """
    what = f"profile {backend.profile}"
    reason = reason_of(backend)
    well = backend.health == "ready" or (backend.health == "starting" and not backend.last_crash)
    words = backend.health
    if reason and backend.health == "ready":
        words = f"ready; {reason}"
    elif reason:
        again = f"; then `arawn backends test {backend.profile}` asks it again" if backend.health not in _WELL else ""
        words = f"{backend.health} {since_words(backend.since, now)}: {reason}{again}"
    return Finding(what, well and full is None, words if full is None else f"{words}; {full_words(full)}")


def _of_draining(backend: BackendStatus) -> Finding:
    calls = counted(backend.in_hand + backend.queued, "call")
    words = f"draining: what it was before a reload finishes {calls}; nothing to do"
    return Finding(f"profile {backend.profile}", True, words)


def _hidden_daemon(door: Door, log: Path) -> Finding:
    where = f"and nothing answers on `{door}`" if door.socket else "and no daemon of this configuration is known"
    return Finding(
        "daemon",
        True,  # nothing tells a program that uses the library from a daemon that has lost its file
        f"a process writes the log `{log}` {where}: so it is while a program uses the library; if it is a daemon that "
        f"has lost its file, end it with `kill` (its number is in `{log / '.lock'}`) and start it again",
    )


async def _address(listen: str) -> Finding:
    """Say whether the daemon's address is free, by listening there for a moment."""
    try:
        listeners = await open_tcp_listeners(*listen_address(listen))
    except (OSError, UnicodeError) as error:
        return Finding("address", False, listen_fault(listen, error))
    for listener in listeners:
        listener.socket.close()
    return Finding("address", True, f"`{listen}` is free")


async def reach_providers(config: Config) -> list[Finding]:
    """Connect to the server of every profile that has one, all at once; nothing is asked of it. Each has a row.

    Checkpoint: always. If cancelled: every connection is closed.
    """
    found: dict[str, Finding] = {}

    async def reach(name: str, profile: Profile) -> None:
        found[name] = await _reach(name, profile)

    async with trio.open_nursery() as nursery:
        for name, profile in config.profiles.items():
            nursery.start_soon(reach, name, profile)
    return [found[name] for name in config.profiles]


async def _reach(name: str, profile: Profile) -> Finding:
    base = profile.base_url or PRESETS[profile.backend].base_url
    what = f"profile {name}"
    if base is None or profile.backend in {"local", "scripted"}:
        return Finding(what, True, f"`{profile.backend}` has no server elsewhere")
    url = httpx.URL(base)
    place = f"{url.scheme}://{url.netloc.decode()}"
    if uses_proxy(url, os.environ):
        return Finding(what, True, f"{place} is behind a proxy, which was not asked")
    origin = Origin(url.scheme, url.raw_host.decode("ascii"), url.port or _PORTS[url.scheme])
    seconds = profile.timeouts.connect_s
    try:
        link = await Connector().connect(origin, seconds)
    except httpx.HTTPError as error:
        where = f"profile `{name}` ({profile.backend} at {url.netloc.decode()})"
        return Finding(what, False, from_httpx(where, error, connect_s=seconds).user_message)
    link.close()
    return Finding(what, True, f"{place} can be reached")
