"""What a new configuration changes: which backends, and which settings only a restart can. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from arawn.config.hidden import masked
from arawn.config.schema import Config

__all__ = ["ReloadPlan", "compared", "configuration_hash"]


class ReloadPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The names of profiles by what becomes of their backends, and what does not take effect.

    `settings` lists key paths outside of profiles whose new values hold from now on, `needs_restart` those whose new
    values wait for a restart; `in_force` is the new configuration with the old values of the latter.
    """

    started: tuple[str, ...]
    replaced: tuple[str, ...]
    stopped: tuple[str, ...]
    unchanged: tuple[str, ...]
    settings: tuple[str, ...]
    needs_restart: tuple[str, ...]
    in_force: Config


def compared(old: Config, new: Config, running: Mapping[str, object], wanted: Mapping[str, object]) -> ReloadPlan:
    """Return what a change from `old` to `new` does.

    Args:
        old, new: The configuration in force and the one to come.
        running, wanted: What the backends of each are made from, by profile.
    """
    in_force = msgspec.structs.replace(
        new,
        logging=old.logging,
        server=old.server,
        workstreams=msgspec.structs.replace(old.workstreams, named=new.workstreams.named),
    )
    beside_profiles = msgspec.structs.replace(in_force, profiles=old.profiles)
    return ReloadPlan(
        started=tuple(name for name in wanted if name not in running),
        replaced=tuple(name for name in wanted if name in running and running[name] != wanted[name]),
        stopped=tuple(name for name in running if name not in wanted),
        unchanged=tuple(name for name in wanted if name in running and running[name] == wanted[name]),
        settings=tuple(_differences(msgspec.to_builtins(old), msgspec.to_builtins(beside_profiles), ())),
        needs_restart=tuple(_differences(msgspec.to_builtins(in_force), msgspec.to_builtins(new), ())),
        in_force=in_force,
    )


def configuration_hash(config: Config) -> str:
    """Return the SHA-256 of a configuration, its secrets left out."""
    tree = masked(msgspec.to_builtins(config), ())
    return hashlib.sha256(msgspec.json.encode(tree, order="deterministic")).hexdigest()


def _differences(old: Any, new: Any, path: tuple[str, ...]) -> Iterator[str]:
    """Yield the dotted path of each value that differs; a table that is on one side alone is one value."""
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict) and old.keys() == new.keys():
        for key in old:
            yield from _differences(old[key], new[key], (*path, key))
    else:
        yield ".".join(path)
