"""Load the configuration: read every layer, check each, merge them, check the whole, report all problems at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from arawn.config.describe import plain
from arawn.config.environment import environment_layers, flag_layers, misread
from arawn.config.hidden import HIDDEN, masked, secrets_in
from arawn.config.keypath import Finding, KeyPath, dotted
from arawn.config.layers import Layer, holds, merged, origin_of
from arawn.config.profiles import NamedProfile, backend_from_key, gathered, twice_named
from arawn.config.read import read_files
from arawn.config.rules import config_findings
from arawn.config.schema import Config, Profile
from arawn.config.structure import check
from arawn.errors import ConfigError

__all__ = ["Loaded", "Source", "checked", "load"]


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


class Loaded(msgspec.Struct, frozen=True):
    """A configuration that passed every check.

    Attributes:
        config: The merged configuration. It has no profiles if nothing configures one: see `discover`.
        entries: Its profiles, at the places where they were written.
        origin: Tells where the value at a key path was set; None for a default. Layers hold secrets, and are not here.
        files: The files that were read, later ones overriding earlier ones.
        why: How its profiles were chosen if none is configured; else None.
    """

    config: Config
    entries: tuple[NamedProfile, ...]
    origin: Callable[[KeyPath], str | None]
    files: tuple[Path, ...]
    why: str | None = None

    @property
    def sources(self) -> dict[str, Source]:
        """Dotted key path, as written -> the value in effect and where it was set; profiles first, secrets masked."""
        tables: list[tuple[KeyPath, object]] = [(entry.path, entry.profile) for entry in self.entries]
        tables += [((name,), getattr(self.config, name)) for name in Config.__struct_fields__ if name != "profiles"]
        return {
            dotted(leaf): Source(masked(item, leaf), self.origin(leaf) or "default", any(secrets_in(item, leaf)))
            for path, table in tables
            for leaf, item in _leaves(table, path)
        }


def load(
    *,
    config_file: Path | None = None,
    environ: Mapping[str, str],
    flags: Mapping[str, object] = MappingProxyType({}),
    cwd: Path,
    in_use: Sequence[Path] = (),
) -> Loaded:
    """Return the merged configuration with the source of every value.

    Later layers override earlier ones key by key: the user's file, `./arawn.toml` (or `config_file` in place of both),
    the `ARAWN_…` variables, the flags. Tables merge; arrays and plain values replace.

    Args:
        config_file: Read this file alone, which must exist; None searches. Flag: `--config`.
        environ: The process environment.
        flags: Dotted key path -> value of each flag used; None for one that was not.
        cwd: Where `arawn.toml` is looked for.
        in_use: The files that the running configuration was read from: each must still be there.

    Raises:
        ConfigError: If anything is wrong anywhere; it lists every problem found.
    """
    readings = read_files(config_file, environ, cwd)
    unread = [reading.problem for reading in readings if reading.problem is not None]
    unread += [gone_words(path) for path in in_use if path not in {reading.path for reading in readings}]
    raw = [reading.layer for reading in readings if reading.layer is not None]
    layers, problems, wrong = _checked(raw + environment_layers(environ) + flag_layers(flags))
    if unread:  # what the missing file says is unknown, so the whole cannot be judged
        raise ConfigError(unread + problems)

    chosen = backend_from_key(merged(layers), environ)
    layers = [*([chosen] if chosen else []), *layers]
    tree = merged(layers)
    entries = gathered(tree)
    config = _built(tree, entries)
    findings = (*twice_named(entries), *config_findings(config, entries))
    problems += [
        _line(origin_of(layers, finding.path), finding) for finding in findings if not _is_under(wrong, finding.path)
    ]
    if problems:
        raise ConfigError(problems)

    def origin(path: KeyPath) -> str | None:
        return origin_of(layers, path) if holds(tree, path) else None

    return Loaded(config, tuple(entries), origin, tuple(reading.path for reading in readings))


def gone_words(path: Path) -> str:
    """Return what is said of a file with which the running daemon was started, and which is gone."""
    return f"{path}: the file is gone, and the daemon was started with it; put it back, or start the daemon without it"


def _checked(layers: Iterable[Layer]) -> tuple[list[Layer], list[str], list[KeyPath]]:
    """Return the layers without what is wrong in them, the problem lines, and the key paths that were wrong."""
    right: list[Layer] = []
    problems: list[str] = []
    wrong: list[KeyPath] = []
    for layer in layers:
        tree, findings = check(layer.tree)
        right.append(Layer(layer.name, tree, layer.marks))
        problems += [_line(layer.origin(finding.path), finding) + misread(layer) for finding in findings]
        wrong += [finding.path for finding in findings]
    return right, problems, wrong


def _built(tree: Mapping[str, Any], entries: Sequence[NamedProfile]) -> Config:
    """Build the configuration of a checked tree. A required key that is missing is the empty string here."""
    routing = {key: value for key, value in tree.get("routing", {}).items() if key != "profiles"}
    routing["rules"] = [{"name": "", "condition": {}, "profile": "", **rule} for rule in routing.get("rules", [])]
    tables = {key: value for key, value in tree.items() if key not in ("llm", "llm_profiles")}
    config = msgspec.convert({**tables, "routing": routing}, Config)
    return msgspec.structs.replace(config, profiles={entry.name: entry.profile for entry in entries})


def _is_under(wrong: Iterable[KeyPath], path: KeyPath) -> bool:
    """Say whether `path`, a table around it or something in it was found wrong already."""
    return any(path[: len(known)] == known[: len(path)] for known in wrong)


def _line(origin: str | None, finding: Finding) -> str:
    return f"{origin or 'default'}: {dotted(finding.path)}: {finding.text}"


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


def checked(config: Config) -> Config:
    """Return `config` if it would pass as a file, and has a profile: for a file one is looked for.

    Raises:
        ConfigError: It would not; every problem is listed.
    """
    try:
        config = msgspec.convert(msgspec.to_builtins(config), Config)
    except RecursionError as error:
        raise ConfigError(["Config: a value is nested too deeply, or holds itself"]) from error
    except (msgspec.ValidationError, TypeError, UnicodeEncodeError) as error:
        raise ConfigError(_unfit(config) or [f"Config: {error}"]) from error
    if findings := list(_found_in(config)):
        raise ConfigError(_line("Config", finding) for finding in findings)
    return config


def _unfit(config: Config) -> list[str]:
    """Return the problem lines of a configuration that holds values of wrong types or out of range."""
    tree, wrong = check(_as_written(config), Config)
    tables = tree.pop("profiles", {}).items()
    profiles = {name: msgspec.convert({"backend": "", **table}, Profile) for name, table in tables}
    right = msgspec.structs.replace(_built(tree, ()), profiles=profiles)
    paths = [finding.path for finding in wrong]
    others = [finding for finding in _found_in(right) if not _is_under(paths, finding.path)]
    return [_line("Config", finding) for finding in (*wrong, *others)]


def _found_in(config: Config) -> Iterator[Finding]:
    """Yield what is wrong in a configuration that was built, and whose values have the right types."""
    if not config.profiles:
        yield Finding(("profiles",), "there is none, and every call would fail; name at least one")
    entries = [NamedProfile(name, ("profiles", name), profile) for name, profile in config.profiles.items()]
    yield from config_findings(config, entries)


def _as_written(value: object) -> Any:
    """Return what a file would say: a table for a struct, without the fields that are None since they are not set."""
    if isinstance(value, msgspec.Struct):
        fields = [(field, getattr(value, field.name)) for field in msgspec.structs.fields(value)]
        value = {field.name: item for field, item in fields if item is not None or field.default is not None}
    if isinstance(value, Mapping):
        return {str(key): _as_written(item) for key, item in value.items()}
    return [_as_written(item) for item in value] if isinstance(value, list | tuple) else value
