"""Every value of a configuration with the place it comes from, secrets masked. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from arawn.config.describe import plain
from arawn.config.hidden import HIDDEN, masked, secrets_in
from arawn.config.keypath import KeyPath, dotted
from arawn.config.profiles import NamedProfile
from arawn.config.schema import Config

__all__ = ["Source", "sources_of"]

Origin = Callable[[KeyPath], str | None]


class Source(msgspec.Struct, frozen=True):
    """A value in effect and where it was set: `arawn.toml:12`, `environment ARAWN_…`, `flag --…` or `default`.

    Secrets never get here: `value` is `(hidden)` for them; `holds_secret` says that it is no mere guess by a name.
    """

    value: Any
    origin: str
    holds_secret: bool = False

    @property
    def text(self) -> str:
        """The value as TOML would write it."""
        return HIDDEN if self.value == HIDDEN else plain(self.value)


def sources_of(config: Config, entries: Iterable[NamedProfile], origin: Origin) -> dict[str, Source]:
    """Return dotted key path -> source for every key in effect, profiles first, at the place they were written.

    Args:
        config: The configuration.
        entries: Its profiles with their places.
        origin: Tells where the value at a key path was set; None for a default.
    """
    tables: list[tuple[KeyPath, object]] = [(entry.path, entry.profile) for entry in entries]
    tables += [((name,), getattr(config, name)) for name in config.__struct_fields__ if name != "profiles"]
    return {
        dotted(leaf): Source(masked(item, leaf), origin(leaf) or "default", any(secrets_in(item, leaf)))
        for path, table in tables
        for leaf, item in _leaves(table, path)
    }


def _leaves(value: object, path: KeyPath) -> Iterator[tuple[KeyPath, object]]:
    """Yield every value below `path` that is not a table, nor an array of tables of ours; an empty one is a value."""
    if isinstance(value, msgspec.Struct):
        value = {name: getattr(value, name) for name in value.__struct_fields__}
    if isinstance(value, Mapping) and value:
        inner: Iterable[tuple[str | int, object]] = value.items()
    elif isinstance(value, tuple) and value and isinstance(value[0], msgspec.Struct):
        inner = enumerate(value)
    else:
        yield path, value
        return
    for key, item in inner:
        yield from _leaves(item, (*path, key))
