"""What other users of this machine can read or change of Arawn's files. Looks, and changes nothing."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from shlex import quote

from arawn.config import Loaded
from arawn.config.paths import database_path, expanded, interactions_dir, runtime_dir, state_dir
from arawn.config.schema import Config
from arawn.owners import stranger

__all__ = ["exposed_directories", "readable_keys"]


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
