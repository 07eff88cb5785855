"""The three spellings of a profile, gathered into one table. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from arawn.backends.presets import PRESETS
from arawn.config.describe import any_of, ticked
from arawn.config.keypath import Finding, KeyPath, dotted
from arawn.config.layers import Layer, single
from arawn.config.schema import Config, Profile
from arawn.config.structure import PROFILE_KEYS

__all__ = ["DEFAULT", "NamedProfile", "backend_from_key", "default_profile", "gathered", "keys_set", "twice_named"]

DEFAULT = "default"


class NamedProfile(msgspec.Struct, frozen=True):
    """A profile, its name, and the key path of the table it was written in. A missing `backend` is the empty string."""

    name: str
    path: KeyPath
    profile: Profile


def gathered(tree: Mapping[str, Any]) -> list[NamedProfile]:
    """Return every profile of a checked tree: `[llm]`, `[llm.X]`, `[llm_profiles.X]`, `[routing.profiles.X]`.

    A name that is used twice is here twice. An `[llm]` without keys of its own is no profile.
    """
    return [
        NamedProfile(name, path, msgspec.convert({"backend": "", **table}, Profile))
        for name, path, table in _tables(tree)
    ]


def twice_named(entries: Sequence[NamedProfile]) -> Iterator[Finding]:
    """Yield a finding at every place of a name that has more than one."""
    for entry in entries:
        others = [dotted(other.path) for other in entries if other.name == entry.name and other.path != entry.path]
        if others:
            yield Finding(
                entry.path, f"profile {ticked(entry.name)} is also configured at {any_of(others)}; keep one of them"
            )


def backend_from_key(tree: Mapping[str, Any], environ: Mapping[str, str]) -> Layer | None:
    """Return a layer that sets `llm.backend`, if `llm.model` stands alone and only one provider's key is set.

    Args:
        tree: The merged, checked tree.
        environ: The environment; only whether a variable is set and not empty matters.
    """
    llm = tree.get("llm", {})
    keys = keys_set(environ)
    if not llm.get("model") or "backend" in llm or len(keys) != 1:
        return None
    ((kind, variable),) = keys.items()
    return single(("llm", "backend"), kind, f"chosen because {variable} is set")


def keys_set(environ: Mapping[str, str]) -> dict[str, str]:
    """Return backend kind -> the variable of its key, for every key that is set and not empty."""
    return {kind: preset.key_env for kind, preset in PRESETS.items() if preset.key_env and environ.get(preset.key_env)}


def default_profile(config: Config) -> str | None:
    """Return the profile of a call that names none: `routing.default`, else `default` if there is one, else None."""
    if config.routing.default is not None:
        return config.routing.default
    return DEFAULT if DEFAULT in config.profiles else None


def _tables(tree: Mapping[str, Any]) -> Iterator[tuple[str, KeyPath, dict[str, Any]]]:
    llm = tree.get("llm", {})
    own = {key: value for key, value in llm.items() if key in PROFILE_KEYS}
    if own:
        yield DEFAULT, ("llm",), own
    yield from _named(("llm",), ((key, value) for key, value in llm.items() if key not in PROFILE_KEYS))
    yield from _named(("llm_profiles",), tree.get("llm_profiles", {}).items())
    yield from _named(("routing", "profiles"), tree.get("routing", {}).get("profiles", {}).items())


def _named(
    path: KeyPath, tables: Iterable[tuple[str, dict[str, Any]]]
) -> Iterator[tuple[str, KeyPath, dict[str, Any]]]:
    for name, table in tables:
        yield name, (*path, name), table
