"""`arawn start`: the daemon in the foreground, as systemd and people like it."""

from __future__ import annotations

import json
import logging
import os
import shlex
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import click
import msgspec
import trio

from arawn.cli.door import door_of
from arawn.cli.log_holder import why_no_second
from arawn.cli.log_output import quiet_retries, show_from
from arawn.cli.options import config_option
from arawn.cli.output import say
from arawn.cli.process_files import open_files
from arawn.collector import calm_collector
from arawn.config import listen_address
from arawn.config.load import Loaded
from arawn.config.paths import interactions_dir, runtime_dir, state_dir
from arawn.config.schema import Config, ServerConfig
from arawn.config.search import read_config, with_profiles
from arawn.daemon import Opened, run_daemon
from arawn.errors import LogWriteFailed
from arawn.interactions.directory import LogInUse
from arawn.running_daemons import RunningDaemon, announced, path_text
from arawn.server.auth import TOKEN_FILE, TOKEN_VARIABLE
from arawn.standstill import StandstillClock
from arawn.status import BackendStatus
from arawn.version import VERSION

__all__ = ["address_to_use", "only_loopback", "start"]

_LOG = logging.getLogger("arawn.daemon")
_UNGUARDED = 'no token is asked for (`server.auth = "none"`): every user of this machine can %sask at your cost'
_LOOPBACK = {4: "127.0.0.1", 6: "[::1]"}


@click.command()
@click.option("--listen", metavar="HOST:PORT", help="Listen here; port 0 lets the system pick one.")
@config_option
@click.option("-q", "--quiet", is_flag=True, help="Do not print where the doors and the log are.")
@click.option("-v", "--verbose", is_flag=True, help="Log every call, without content, on stderr.")
def start(listen: str | None, config_file: Path | None, quiet: bool, verbose: bool) -> None:
    """Run the daemon in the foreground.

    It is ready when it prints `ready`. SIGTERM or SIGINT ends it in order: calls in flight get the grace of
    `server.shutdown_grace_s`; a second signal takes that grace away. SIGHUP reloads the configuration.
    """
    show_from(logging.INFO if verbose else logging.WARNING)
    logging.getLogger("arawn.reload").setLevel(logging.INFO)  # a line for each reload, also without `--verbose`
    quiet_retries()
    trio.run(partial(_start, listen, config_file, quiet=quiet), clock=StandstillClock())


async def _start(listen: str | None, config_file: Path | None, *, quiet: bool) -> None:
    flags = {"server.listen": listen}
    read = partial(read_config, config_file, environ=os.environ, flags=flags, cwd=Path.cwd())
    found = await with_profiles(await read(), os.environ)
    for finding in open_files(found.config, None):
        if not finding.ok:
            _LOG.warning("%s", finding.found)

    async def reread() -> Config:
        return (await with_profiles(await read(in_use=found.files), os.environ)).config

    def announce(told: ExitStack, opened: Opened) -> Callable[[], None]:
        return told.enter_context(announced(runtime_dir(os.environ), _as_running(found, opened)))

    def ready(opened: Opened) -> None:
        for address in opened.addresses:
            narrow = only_loopback(address, found.config.server)
            if narrow is not None:
                _LOG.warning("%s", narrow)
        if opened.token is None and opened.addresses:
            _LOG.warning(_UNGUARDED, "read the log, and " if found.config.logging.interactions.enabled else "")
        calm_collector()
        if not quiet:
            _announce(found, opened)

    try:
        with ExitStack() as told:
            await run_daemon(found.config, os.environ, announce=partial(announce, told), ready=ready, reread=reread)
    except LogInUse as error:
        raise LogWriteFailed(why_no_second(door_of(found), interactions_dir(found.config, os.environ))) from error


def _as_running(found: Loaded, opened: Opened) -> RunningDaemon:
    socket = None if opened.socket is None else path_text(opened.socket.absolute())
    return RunningDaemon(
        pid=os.getpid(),
        socket=socket,
        files=tuple(path_text(path.resolve()) for path in found.files),
        listen=found.config.server.listen,
        address=next((_own_address(url) for url in opened.addresses), None),
        guarded=opened.token is not None,
    )


def _announce(found: Loaded, opened: Opened) -> None:
    listen = found.config.server.listen
    used = msgspec.structs.replace(opened, addresses=tuple(address_to_use(url, listen) for url in opened.addresses))
    for line in [*_account(found, opened), "", *_exports(used), *_try_it(used), "ready"]:
        say(line)
    sys.stdout.flush()


def _account(found: Loaded, opened: Opened) -> list[str]:
    """Return what runs and where it is."""
    files = ", ".join(str(path.absolute()) for path in found.files)
    runtime = opened.runtime
    rows = [
        ("arawn", f"{VERSION}, process {os.getpid()}"),
        ("configuration", files or found.why or "environment"),
        ("", found.why if files and found.why else ""),
        *(("profile", _profile_words(backend)) for backend in runtime.status().backends),
        *(("http", _address_words(url, found.config.server.listen)) for url in opened.addresses),
        ("socket", str(opened.socket.absolute()) if opened.socket else "none"),
        ("token", "none is asked for" if opened.token is None else _token_place()),
        ("log", _log_words(runtime.log_path, runtime.status().log.health.reason)),
    ]
    return [f"{name:<14} {text}" for name, text in rows if text]


def _log_words(path: Path | None, reason: str | None) -> str:
    return "off" if path is None else f"{path.absolute()}{f' ({reason})' if reason else ''}"


def _address_words(url: str, listen: str) -> str:
    used = address_to_use(url, listen)
    return url if used == url else f"{used} (listening on {url})"


def _profile_words(backend: BackendStatus) -> str:
    model = f", {backend.model}" if backend.model else ""
    trouble = f": {backend.health}, {backend.reason}" if backend.reason else ""
    return f"{backend.profile} ({backend.kind}{model}){trouble}"


def _token_place() -> str:
    return (
        f"from {TOKEN_VARIABLE}"
        if TOKEN_VARIABLE in os.environ
        else str((state_dir(os.environ) / TOKEN_FILE).absolute())
    )


def _exports(opened: Opened) -> list[str]:
    """Return what makes the usual clients talk to this daemon. The token is named by its place and never printed."""
    if not opened.addresses:
        return []
    url, key = opened.addresses[0], _key_words(opened)
    return [
        f"export OPENAI_BASE_URL={url}/v1",
        f"export OPENAI_API_KEY={key}",
        f"export ANTHROPIC_BASE_URL={url}",
        f"export ANTHROPIC_API_KEY={key}",
    ]


def _key_words(opened: Opened) -> str:
    """Return the token as a shell finds it; clients want a key even where none is asked for."""
    if opened.token is None:
        return "none"
    if TOKEN_VARIABLE in os.environ:
        return f'"${TOKEN_VARIABLE}"'
    return f'"$(cat {shlex.quote(_token_place())})"'


def _try_it(opened: Opened) -> list[str]:
    """Return a command that asks something over HTTP, if there is one that shows the token to nobody.

    A token in curl's arguments would stand in the list of processes; through the socket none is needed.
    """
    status = opened.runtime.status()
    named = {} if status.default_profile else {"routing_profile": status.backends[0].profile}
    question = f"-d {shlex.quote(json.dumps({'message': 'hello', **named}))}"
    if opened.socket is not None:
        return [f"curl --unix-socket {shlex.quote(str(opened.socket.absolute()))} http://localhost/chat {question}"]
    if opened.addresses and opened.token is None:
        return [f"curl {opened.addresses[0]}/chat {question}"]
    return []


def address_to_use(url: str, listen: str) -> str:
    """Return the URL that works for what listens on `url`: by loopback for every address, else by the name it has.

    Args:
        url: An address that is listened on, such as `http://0.0.0.0:8470`.
        listen: What `server.listen` says.
    """
    parts = urlsplit(url)
    address = ip_address(parts.hostname or "")
    name, _ = listen_address(listen)
    if address.is_unspecified:
        return _own_address(url)
    return url if address.is_loopback or ":" in name else f"http://{name}:{parts.port}"


def _own_address(url: str) -> str:
    """Return the URL by which this machine reaches what listens on `url`: by loopback, where that is every address."""
    parts = urlsplit(url)
    address = ip_address(parts.hostname or "")
    return f"http://{_LOOPBACK[address.version]}:{parts.port}" if address.is_unspecified else url


def only_loopback(url: str, server: ServerConfig) -> str | None:
    """Return what to say of a daemon that listens on every address and is known by loopback names alone; else None."""
    if server.allowed_hosts or not ip_address(urlsplit(url).hostname or "").is_unspecified:
        return None
    return (
        f"`{server.listen}` is every address of this machine, but requests are answered under loopback names only "
        "(others get 403 `foreign_host`) until `server.allowed_hosts` lists the names and addresses that clients use"
    )
