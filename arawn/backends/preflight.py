"""What would keep a profile from working, found without a request and without starting anything."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Container, Mapping

import httpx
import msgspec

from arawn.backends.keys import require_key_program, resolve_key
from arawn.backends.local_model import find_model, no_model, read_settings
from arawn.backends.presets import PRESETS
from arawn.backends.proxied import open_client
from arawn.backends.script import load_script
from arawn.config import default_profile
from arawn.config.schema import Config, Profile
from arawn.errors import ConfigError, Unavailable
from arawn.wire.proxies import uses_proxy

__all__ = ["Obstacle", "preflight"]


class Obstacle(msgspec.Struct, frozen=True):
    """One thing in the way of one profile.

    A fatal one keeps the daemon from starting; with any other the profile is merely unavailable.
    """

    profile: str
    text: str
    fatal: bool


async def preflight(config: Config, environ: Mapping[str, str], *, keyed: Container[str] = ()) -> list[Obstacle]:
    """Return what is in the way of every profile: its script, its model, its engine, its key, its proxy.

    An `api_key_command` is not run; its program is looked for.

    Args:
        config: A configuration that has passed every check of its text.
        environ: Where key variables and programs are looked up; proxies are taken from the process's own environment.
        keyed: The profiles whose keys and proxies are not looked up: those of a running daemon, which has its own
            environment.

    Checkpoint: never.
    If cancelled: it is not noticed.
    """
    needed = default_profile(config)
    found = []
    for name, profile in config.profiles.items():
        found += [Obstacle(name, text, fatal=True) for text in _wrong(name, profile)]
        missing = None if name in keyed and profile.backend != "local" else await _missing(name, profile, environ)
        if missing is not None:
            found.append(Obstacle(name, missing, fatal=name == needed))
    return found


def _wrong(name: str, profile: Profile) -> tuple[str, ...]:
    """Return what can never work as it stands."""
    try:
        if profile.backend == "scripted" and profile.script is not None:
            load_script(name, profile.script)
        elif profile.backend == "local":
            read_settings(name, profile)
            find_model(name, profile.model)
    except ConfigError as error:
        return error.problems
    return ()


async def _missing(name: str, profile: Profile, environ: Mapping[str, str]) -> str | None:
    """Return what the profile lacks around it: an engine, a model that is one, a key, proxies that are some."""
    if profile.backend == "local":
        return _missing_on_this_machine(name, profile)
    preset = PRESETS[profile.backend]
    try:
        require_key_program(name, profile, environ)
        if profile.api_key_command is None:
            await resolve_key(name, profile, preset, environ=environ)
        base_url = profile.base_url or preset.base_url
        if base_url is not None and uses_proxy(httpx.URL(base_url), os.environ):
            open_client(f"profile `{name}` ({profile.backend})", os.environ, limits=httpx.Limits())
    except Unavailable as error:
        return error.user_message
    return None


def _missing_on_this_machine(name: str, profile: Profile) -> str | None:
    where = f"profile `{name}` (local)"
    if importlib.util.find_spec("xllamacpp") is None:
        return f"{where}: the model server is missing; run `pip install 'arawn[local]'`"
    try:
        path = find_model(name, profile.model).path
    except ConfigError:  # told above, by `_wrong`
        return None
    found = no_model(path)
    return found and f"{where}: {found}"
