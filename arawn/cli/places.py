"""Whether Arawn's files can be where the configuration puts them, and who else can read or change them. Only looks."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from shlex import quote

from arawn.config import Loaded
from arawn.config.paths import database_path, expanded, interactions_dir, runtime_dir, socket_path, state_dir
from arawn.config.schema import Config
from arawn.errors import ConfigError
from arawn.owners import stranger, way_in
from arawn.server.auth import read_token

__all__ = ["exposed_directories", "impossible_places", "readable_keys"]


def impossible_places(config: Config, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield a problem for every place that cannot be used: log, database, socket, token; for a wrong token too."""
    if config.logging.interactions.enabled:
        yield from _directory("logging.interactions.path", interactions_dir(config, environ))
    database = database_path(config, environ)
    if os.path.isdir(database):  # noqa: PTH112  # False where this user may not look, which is told below
        yield f"workstreams.database: `{database}` is a directory; give the path of a file"
    else:
        yield from _directory("workstreams.database", database.parent)
    socket = socket_path(config, environ)
    if socket is not None:
        yield from _directory("server.socket", socket.parent)
    if config.server.auth == "token":
        yield from _token(state_dir(environ), environ)


def _token(directory: Path, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield what keeps a start from using the token, or from making one."""
    wrong = list(_directory("the state directory, for the token", directory))
    if not wrong:
        try:
            read_token(directory, environ)
        except ConfigError as error:
            wrong += error.problems
    yield from wrong


def _directory(key: str, directory: Path) -> Iterator[str]:
    """Yield what keeps `directory` from being made and written to."""
    nearest = next((path for path in (directory, *directory.absolute().parents) if os.path.lexists(path)), directory)
    if not nearest.is_dir():
        yield f"{key}: `{directory}` cannot be a directory, since `{nearest}` is none; give another path"
    elif not os.access(nearest, os.W_OK | os.X_OK):
        remedy = _remedy(directory, nearest)
        yield f"{key}: `{directory}` cannot be written to: permission denied at `{nearest}`; {remedy}"


def _remedy(directory: Path, nearest: Path) -> str:
    """Return what to do about `nearest`; a `directory` that is there is kept: what it holds would be left behind."""
    right = way_in(nearest)
    writable = "make it writable" + (f" ({right})" if right else "")
    return writable if nearest == directory else f"{writable}, or give another path"


def readable_keys(loaded: Loaded, environ: Mapping[str, str], cwd: Path) -> Iterator[str]:
    """Yield a warning for every file of the configuration that holds a key and that others may read.

    Args:
        loaded: The configuration and where each of its values stands.
        environ: The process environment.
        cwd: Where the configuration was looked for.
    """
    lines = {source.origin: key for key, source in loaded.sources.items() if source.holds_secret}
    for origin, key in lines.items():
        path = cwd / expanded(origin.rpartition(":")[0], environ)
        if path in loaded.files and (mode := stat.S_IMODE(path.stat().st_mode)) & 0o044:
            yield f"{origin}: others may read `{key}` (mode {mode:04o}); run `chmod go= {quote(str(path))}`"


def exposed_directories(config: Config, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield a warning for every directory of Arawn's that another user owns, or that every user may write to."""
    places = {
        "the state directory": state_dir(environ),
        "the runtime directory": runtime_dir(environ),
        "the directory of the log": interactions_dir(config, environ) if config.logging.interactions.enabled else None,
        "the directory of the workstreams": database_path(config, environ).parent,
    }
    names: dict[Path, str] = {}
    for name, path in places.items():
        if path is not None and path.is_dir():
            names.setdefault(path.absolute(), name)
    for path, name in names.items():
        yield from _exposed(f"{name}, `{path}`,", path)


def _exposed(called: str, path: Path) -> Iterator[str]:
    found = path.stat()
    owner = stranger(found)
    if owner is not None:
        yield f"{called} belongs to {owner}, who can replace what is in it; give a place of your own, or `chown` it"
    if found.st_mode & stat.S_IWOTH:
        shared = found.st_mode & stat.S_ISVTX  # such as /tmp, which is to stay so
        remedy = "give a place of your own" if shared else f"run `chmod o-w {quote(str(path))}`"
        yield f"{called} can be written to by every user (mode {stat.S_IMODE(found.st_mode):04o}); {remedy}"
