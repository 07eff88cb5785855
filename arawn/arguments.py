"""What single arguments of the Python API must be, so that a wrong one is refused in words. Pure but for `fspath`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

from arawn.config.schema import Config
from arawn.errors import BadInput

__all__ = ["require_config_source", "require_kind", "require_policy", "require_text_or_none"]

T = TypeVar("T")


def require_kind(name: str, value: T, kind: type[object]) -> T:
    """Return `value`, the argument called `name`, if it is a `kind`.

    Raises:
        BadInput: It is something else.
    """
    if isinstance(value, kind):
        return value
    raise BadInput(f"`{name}` is a {kind.__name__}, found {type(value).__name__}")


def require_text_or_none(name: str, value: str | None) -> str | None:
    """Return `value`, the argument called `name`, if it is a text or None; errors as for `require_kind`."""
    return None if value is None else require_kind(name, value, str)


def require_config_source(config: object) -> Path | Config | None:
    """Return the configuration, or the path of its file, or None where it is to be searched.

    Raises:
        BadInput: It is none of these.
    """
    if config is None or isinstance(config, Config):
        return config
    path = os.fspath(config) if isinstance(config, str | os.PathLike) else None
    if isinstance(path, str) and _can_be_a_path(path):
        return Path(path)
    found = f"{path[:40]!a}" if isinstance(path, str) else type(config).__name__
    raise BadInput(
        f"a configuration is the path of a TOML file, an `arawn.Config`, or None to search for one, found {found}; "
        '`arawn.Config(profiles={"default": arawn.Profile(...)})` makes one in Python'
    )


def _can_be_a_path(path: str) -> bool:
    try:
        return b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:  # half a character
        return False


def require_policy(policy: object) -> None:
    """Return if `policy` is None or can be asked.

    Raises:
        BadInput: It has no method `route`, or is a class, which would miss its own `self`.
    """
    if policy is not None and (isinstance(policy, type) or not callable(getattr(policy, "route", None))):
        raise BadInput(f"`policy` is an object with a method `route(request)`, found {type(policy).__name__}")
