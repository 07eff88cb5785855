"""What would keep a profile from working, found without a request and without starting anything."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping

import msgspec

from arawn.backends.keys import resolve_key
from arawn.backends.local_model import find_model, read_settings
from arawn.backends.presets import PRESETS
from arawn.backends.script import load_script
from arawn.config import default_profile
from arawn.config.schema import Config, Profile
from arawn.errors import ConfigError, Unavailable

__all__ = ["Obstacle", "preflight"]


class Obstacle(msgspec.Struct, frozen=True):
    """One thing in the way of one profile.

    A fatal one keeps the daemon from starting; with any other the profile is merely unavailable.
    """

    profile: str
    text: str
    fatal: bool


async def preflight(config: Config, environ: Mapping[str, str]) -> list[Obstacle]:
    """Return what is in the way of every profile: its script, its model, its engine, its key.

    An `api_key_command` is not run.

    Args:
        config: A configuration that has passed every check of its text.
        environ: Where key variables are looked up.

    Checkpoint: never.
    If cancelled: it is not noticed.
    """
    needed = default_profile(config)
    found = []
    for name, profile in config.profiles.items():
        found += [Obstacle(name, text, fatal=True) for text in _wrong(name, profile)]
        missing = await _missing(name, profile, environ)
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
    """Return what the profile lacks around it: an engine, a key."""
    if profile.backend == "local" and importlib.util.find_spec("xllamacpp") is None:
        return f"profile `{name}` (local): the model server is missing; run `pip install 'arawn[local]'`"
    if profile.backend == "local" or profile.api_key_command is not None:
        return None
    try:
        await resolve_key(name, profile, PRESETS[profile.backend], environ=environ)
    except Unavailable as error:
        return error.user_message
    return None
