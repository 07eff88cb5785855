"""Whether the files that Arawn writes can be where the configuration puts them. Looks, and changes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from arawn.config.paths import database_path, interactions_dir, socket_path, state_dir
from arawn.config.schema import Config
from arawn.errors import ConfigError
from arawn.server.auth import read_token

__all__ = ["impossible_places"]


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
        yield f"{key}: `{directory}` cannot be written to: permission denied at `{nearest}`; give another path"
