"""The words for types and values, shared by error messages and the reference table. Pure."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from datetime import date, time
from typing import assert_never

from msgspec import inspect

from arawn.config.hidden import is_secret, masked
from arawn.config.keypath import KeyPath

__all__ = ["Kind", "accepted", "any_of", "as_kind", "found", "is_utf8", "plain", "suggestion", "ticked"]

Kind = (
    inspect.AnyType
    | inspect.BoolType
    | inspect.IntType
    | inspect.FloatType
    | inspect.StrType
    | inspect.LiteralType
    | inspect.VarTupleType
    | inspect.DictType
    | inspect.StructType
)

_NEAR = 0.75  # farther words are others: `api_base` is not `api_key`
_LONGEST = 60  # characters of a wrong value that are quoted


def as_kind(declared: inspect.Type) -> Kind:
    """Return the type behind `declared`, without `| None`: TOML has no null, so absent is the only None.

    Raises:
        TypeError: If the schema uses a type that the configuration cannot check.
    """
    if isinstance(declared, inspect.UnionType):
        members = [member for member in declared.types if not isinstance(member, inspect.NoneType)]
        if len(members) == 1:
            return as_kind(members[0])
    if isinstance(declared, Kind):
        return declared
    raise TypeError(f"cannot check configuration of type {declared!r}; a key has one type, and may be None")


def accepted(kind: Kind) -> str:
    """Say in words what `kind` accepts."""
    match kind:
        case inspect.StrType():
            return "a string"
        case inspect.BoolType():
            return "`true` or `false`"
        case inspect.IntType():
            return "an integer" + _range(kind)
        case inspect.FloatType():
            return "a number" + _range(kind)
        case inspect.LiteralType():
            return _joined(f"`{plain(value)}`" for value in kind.values)
        case inspect.VarTupleType():
            return f"an array; each item {accepted(as_kind(kind.item_type))}"
        case inspect.DictType(value_type=inspect.StrType()):
            return "a table of strings"
        case inspect.DictType() | inspect.StructType():
            return "a table"
        case inspect.AnyType():
            return "anything that JSON can hold"
        case _:
            assert_never(kind)


def found(value: object, path: KeyPath) -> str:
    """Say in words what stands at `path`; the value itself only without what is secret in it."""
    if value is None:
        return plain(value)
    name = _type_name(value)
    if isinstance(value, str) and not is_utf8(value):
        return f"a {name} with bytes that are not UTF-8"
    if is_secret(path) or isinstance(value, Mapping | list):
        return f"{'an' if name[0] in 'ai' else 'a'} {name}"
    text = plain(masked(value, path))
    return f"the {name} `{text if len(text) <= _LONGEST else text[:_LONGEST] + '…'}`"


def plain(value: object) -> str:
    """Return `value` as TOML would write it; `none` for None."""
    if value is None:
        return "none"
    if isinstance(value, str):
        return f'"{_escaped(value)}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        items = ", ".join(f"{plain(key)} = {plain(item)}" for key, item in value.items())
        return f"{{ {items} }}" if items else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(plain(item) for item in value)}]"
    return str(value)


def is_utf8(text: str) -> bool:
    """Say whether `text` can be written as UTF-8; text from the environment may hold bytes that were none."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def ticked(text: str) -> str:
    """Return `text` in backticks, on one line whatever it holds."""
    return f"`{_escaped(text)}`"


def any_of(words: Iterable[str]) -> str:
    """Return ``a, b or c`` with each word in backticks."""
    return _joined(ticked(word) for word in words)


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return `` (did you mean `x`?)`` for the known word nearest to `word`; nothing if none is near."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=_NEAR)
    return f" (did you mean {ticked(near[0])}?)" if near else ""


def _joined(words: Iterable[str]) -> str:
    *first, last = list(words) or ["nothing"]
    return f"{', '.join(first)} or {last}" if first else last


def _escaped(text: str) -> str:
    return text if text.isprintable() and not set(text) & {'"', "\\"} else json.dumps(text)[1:-1]


def _range(kind: inspect.IntType | inspect.FloatType) -> str:
    bounds = (("above", kind.gt), ("at least", kind.ge), ("below", kind.lt), ("at most", kind.le))
    return "".join(f", {word} {bound}" for word, bound in bounds if bound is not None)


def _type_name(value: object) -> str:
    names: tuple[tuple[type, str], ...] = (
        (bool, "boolean"),
        (int, "integer"),
        (float, "number"),
        (str, "string"),
        (list, "array"),
        (dict, "table"),
        (date, "date or time"),
        (time, "date or time"),
    )
    return next((name for kind, name in names if isinstance(value, kind)), type(value).__name__)
