"""Check one layer against the schema: unknown keys, wrong types, values out of range. Pure; finds every problem."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, assert_never

import msgspec
from msgspec import UNSET, inspect

from arawn.config.describe import Kind, accepted, any_of, as_kind, found, is_utf8, suggestion
from arawn.config.keypath import Finding, KeyPath, dotted
from arawn.config.schema import (
    AgentConfig,
    LoggingConfig,
    Profile,
    RoutingConfig,
    ServerConfig,
    ToolSource,
    WorkstreamsConfig,
)

__all__ = ["PROFILE_KEYS", "check", "kind_at"]


class RoutingTable(RoutingConfig, frozen=True, forbid_unknown_fields=True):
    """`[routing]` as written: one of the three places where profiles may stand."""

    profiles: dict[str, Profile] = msgspec.field(default_factory=dict)


class File(msgspec.Struct, frozen=True):
    """The tables of a configuration file, as written. `[llm]` may hold tables of further profiles beside its keys."""

    llm: Profile
    llm_profiles: dict[str, Profile]
    workstreams: WorkstreamsConfig
    routing: RoutingTable
    agent: AgentConfig
    tools: dict[str, ToolSource]
    logging: LoggingConfig
    server: ServerConfig


def _struct(kind: type[msgspec.Struct]) -> inspect.StructType:
    described = inspect.type_info(kind)
    assert isinstance(described, inspect.StructType), "a struct describes itself as one"
    return described


_FILE = _struct(File)
_PROFILE = _struct(Profile)
PROFILE_KEYS = frozenset(field.name for field in _PROFILE.fields)
_PROFILE_TABLES = ("extra", "headers", "retry", "timeouts")


def check(tree: Mapping[str, Any], schema: type[msgspec.Struct] = File) -> tuple[dict[str, Any], tuple[Finding, ...]]:
    """Return `tree` without the parts that are wrong, and what is wrong with them, in the order of the text."""
    findings: list[Finding] = []
    right = _table(tree, _FILE if schema is File else _struct(schema), (), findings)
    return right, tuple(findings)


def kind_at(path: Sequence[str]) -> Kind | None:
    """Return the type that the schema wants at `path`; None for a key that it does not have."""
    kind: Kind = _FILE
    for depth, part in enumerate(path):
        members = _members(kind, tuple(path[:depth]), part)
        if members is None:
            return None
        kind = members
    return kind


def _members(kind: Kind, path: KeyPath, key: str) -> Kind | None:
    """Return the type of `key` in a table of type `kind` at `path`; None if it has no such key."""
    if isinstance(kind, inspect.DictType):
        return as_kind(kind.value_type)
    if not isinstance(kind, inspect.StructType):
        return None
    declared = {field.name: field.type for field in kind.fields}
    if key in declared:
        return as_kind(declared[key])
    return _PROFILE if path == ("llm",) else None


def _checked(value: object, kind: Kind, path: KeyPath, findings: list[Finding]) -> Any:
    """Return what is right of `value`, `UNSET` if nothing is; what is wrong with it is added to `findings`."""
    match kind:
        case inspect.StructType() | inspect.DictType() if isinstance(value, Mapping):
            return _table(value, kind, path, findings)
        case inspect.VarTupleType() if isinstance(value, list | tuple):
            return _array(value, as_kind(kind.item_type), path, findings)
    if _fits(value, kind):
        return value
    findings.append(Finding(path, f"found {found(value, path)}; accepted: {accepted(kind)}"))
    return UNSET


def _table(
    table: Mapping[str, Any], kind: inspect.StructType | inspect.DictType, path: KeyPath, findings: list[Finding]
) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, value in table.items():
        member = _members(kind, path, key)
        if member is None or _is_stray_key(path, key, value):
            findings.append(_unknown(kind, path, key, value))
            continue
        right = _checked(value, member, (*path, key), findings)
        if right is not UNSET:
            kept[key] = right
    return kept


def _array(items: Iterable[object], kind: Kind, path: KeyPath, findings: list[Finding]) -> Any:
    kept = [_checked(item, kind, (*path, position), findings) for position, item in enumerate(items)]
    return UNSET if UNSET in kept else kept


def _is_stray_key(path: KeyPath, key: str, value: object) -> bool:
    """Say whether `key` of `[llm]` is a mistake: neither a key of a profile nor a table that holds another profile."""
    if path != ("llm",) or key in PROFILE_KEYS:
        return False
    if not isinstance(value, Mapping):
        return True
    # `[llm.timeout]` is `[llm.timeouts]` misspelt, unless it says that it is a profile.
    misspelt = bool(difflib.get_close_matches(key, _PROFILE_TABLES, n=1, cutoff=0.8))
    return misspelt and not {"backend", "model"} & value.keys()


def _unknown(kind: inspect.StructType | inspect.DictType, path: KeyPath, key: str, value: object) -> Finding:
    assert isinstance(kind, inspect.StructType), "a table of free keys knows them all"
    known = [field.name for field in kind.fields]
    where = f"in `[{dotted(path)}]`" if path else "at the top"
    hint = suggestion(key, known)
    if not hint and isinstance(value, Mapping) and _is_free(path):
        whole = (*path[:-1], f"{path[-1]}.{key}")
        hint = f" (a name with a dot is quoted: `[{dotted(whole)}]`)"
    return Finding((*path, key), f"unknown key; accepted {where}: {any_of(known)}{hint}")


def _is_free(path: KeyPath) -> bool:
    """Say whether the last part of `path` is a name that the user chose."""
    *around, last = map(str, path) if path else ("",)
    return isinstance(kind_at(around), inspect.DictType) or (around == ["llm"] and last not in PROFILE_KEYS)


def _fits(value: object, kind: Kind) -> bool:
    match kind:
        case inspect.StrType():
            return isinstance(value, str) and is_utf8(value)
        case inspect.BoolType():
            return isinstance(value, bool)
        case inspect.IntType():
            return isinstance(value, int) and not isinstance(value, bool) and _in_range(value, kind)
        case inspect.FloatType():
            return _is_finite(value) and _in_range(value, kind)
        case inspect.LiteralType():
            return isinstance(value, str) and value in kind.values
        case inspect.AnyType():
            return _is_json(value)
        case inspect.VarTupleType() | inspect.DictType() | inspect.StructType():
            return False
        case _:
            assert_never(kind)


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _in_range(value: Any, kind: inspect.IntType | inspect.FloatType) -> bool:
    return (
        (kind.gt is None or value > kind.gt)
        and (kind.ge is None or value >= kind.ge)
        and (kind.lt is None or value < kind.lt)
        and (kind.le is None or value <= kind.le)
    )


def _is_json(value: object) -> bool:
    if isinstance(value, Mapping):
        return all(_is_json(item) for item in value.values())
    if isinstance(value, list | tuple):
        return all(_is_json(item) for item in value)
    return value is None or isinstance(value, str | bool) or _is_finite(value)
