"""Where files live, as functions of the environment. Nothing is created and nothing is looked up on disk."""

from __future__ import annotations

import contextlib
import os
import pwd
from collections.abc import Mapping
from pathlib import Path

import platformdirs

from arawn.config.schema import Config
from arawn.errors import ConfigError

__all__ = ["config_dir", "database_path", "expanded", "interactions_dir", "runtime_dir", "socket_path", "state_dir"]


def config_dir(environ: Mapping[str, str]) -> Path:
    """Return the directory of `config.toml`: `$ARAWN_CONFIG_DIR`, else `$XDG_CONFIG_HOME/arawn` or `~/.config/arawn`.

    Raises:
        ConfigError: If no variable tells and this user has no home directory, or the path is no UTF-8.
    """
    found = (
        _named("ARAWN_CONFIG_DIR", environ)
        or _below_xdg("XDG_CONFIG_HOME", environ)
        or _home(environ) / ".config" / "arawn"
    )
    return _writable_as_json(found, "ARAWN_CONFIG_DIR")


def state_dir(environ: Mapping[str, str]) -> Path:
    """Return the directory of what must outlive a restart: `$ARAWN_STATE_DIR`, else the platform's place for it.

    Without either variable the platform's place is that of the running process. Errors as for `config_dir`.
    """
    found = _named("ARAWN_STATE_DIR", environ) or _below_xdg("XDG_STATE_HOME", environ) or _platforms_state_dir(environ)
    return _writable_as_json(found, "ARAWN_STATE_DIR")


def runtime_dir(environ: Mapping[str, str]) -> Path:
    """Return the directory of sockets: `$ARAWN_RUNTIME_DIR`, else `$XDG_RUNTIME_DIR/arawn`, else the state directory.

    Never below the shared temporary directory, where another user could take the name first. Errors as for
    `config_dir`.
    """
    found = _named("ARAWN_RUNTIME_DIR", environ) or _below_xdg("XDG_RUNTIME_DIR", environ) or state_dir(environ)
    return _writable_as_json(found, "ARAWN_RUNTIME_DIR")


def interactions_dir(config: Config, environ: Mapping[str, str]) -> Path:
    """Return the directory of the interaction log: `logging.interactions.path`, else below the config directory."""
    configured = config.logging.interactions.path
    return expanded(configured, environ) if configured else config_dir(environ) / "interactions"


def database_path(config: Config, environ: Mapping[str, str]) -> Path:
    """Return the file of the workstreams: `workstreams.database`, else below the state directory."""
    configured = config.workstreams.database
    return expanded(configured, environ) if configured else state_dir(environ) / "workstreams.db"


def socket_path(config: Config, environ: Mapping[str, str]) -> Path | None:
    """Return the daemon's Unix socket: `server.socket`, else below the runtime directory; None if it is set to `""`."""
    configured = config.server.socket
    if configured is None:
        return runtime_dir(environ) / "arawn.sock"
    return expanded(configured, environ) if configured else None


def expanded(text: str, environ: Mapping[str, str]) -> Path:
    """Return `text` as a path, with a leading `~` replaced by the home directory. A relative path stays relative."""
    path = Path(text)
    if path.parts[:1] != ("~",):
        return path
    return _home(environ).joinpath(*path.parts[1:])


def _named(variable: str, environ: Mapping[str, str]) -> Path | None:
    return expanded(environ[variable], environ) if environ.get(variable) else None


def _below_xdg(variable: str, environ: Mapping[str, str]) -> Path | None:
    base = Path(environ.get(variable, ""))
    return base / "arawn" if base.is_absolute() else None  # the XDG specification says to ignore relative ones


def _platforms_state_dir(environ: Mapping[str, str]) -> Path:
    home = _home(environ)
    if Path(os.environ.get("HOME", home)).is_absolute():
        return Path(platformdirs.user_state_dir("arawn", appauthor=False))
    return home / ".local" / "state" / "arawn"


def _writable_as_json(path: Path, variable: str) -> Path:
    """Return `path` if it can stand in JSON, in which it is shown, logged and told to clients."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        shown = os.fsencode(path).decode("utf-8", "backslashreplace")
        problem = f"the path `{shown}` is no UTF-8; set `{variable}` to a directory whose path is"
        raise ConfigError([problem]) from error
    return path


def _home(environ: Mapping[str, str]) -> Path:
    """Return the home directory; a relative or empty `HOME` counts as none, since it is another place for each cwd."""
    named = Path(environ.get("HOME", ""))
    if named.is_absolute():
        return named
    with contextlib.suppress(KeyError):  # this user is in no list
        home = Path(pwd.getpwuid(os.getuid()).pw_dir)
        if home.is_absolute():
            return home
    problem = (
        "cannot find the home directory of this user; set `HOME` to an absolute path, or `ARAWN_CONFIG_DIR` and "
        "`ARAWN_STATE_DIR`"
    )
    raise ConfigError([problem])
