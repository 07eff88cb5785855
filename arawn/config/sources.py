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

__all__ = ["Origins", "Source", "sources_below", "sources_of"]

Origins = Callable[[KeyPath], str | None]


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


def sources_of(config: Config, entries: Iterable[NamedProfile], origins: Origins) -> dict[str, Source]:
    """Return dotted key path -> source for every key in effect, profiles first, at the place they were written.

    Args:
        config: The configuration.
        entries: Its profiles with their places.
        origins: Tells where the value at a key path was set; None for a default.
    """
    sources: dict[str, Source] = {}
    for entry in entries:
        sources |= sources_below(entry.profile, entry.path, origins)
    for table in config.__struct_fields__:
        if table != "profiles":
            sources |= sources_below(getattr(config, table), (table,), origins)
    return sources


def sources_below(value: object, path: KeyPath, origins: Origins) -> dict[str, Source]:
    """Return dotted key path -> source for every key of one table, which stands at `path`."""
    return {
        dotted(leaf): Source(masked(item, leaf), origins(leaf) or "default", any(secrets_in(item, leaf)))
        for leaf, item in _leaves(value, path)
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
