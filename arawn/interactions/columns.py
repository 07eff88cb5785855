"""The keys of a line as columns of DuckDB, by the structs of `record`: one place says what a key is. Pure."""

from __future__ import annotations

import msgspec
from msgspec import inspect

__all__ = ["columns_of"]

_SIGNED = frozenset(("turn_id", "iteration", "attempt", "status"))  # all other whole numbers are counts
_BY_NAME = {"timestamp": "TIMESTAMP", "tools": "JSON"}


def columns_of(kind: type[msgspec.Struct]) -> dict[str, str]:
    """Return the name and the type of each column, in the order of the fields; what has no fixed shape is `JSON`."""
    return _columns(inspect.type_info(kind))


def _columns(kind: inspect.Type) -> dict[str, str]:
    assert isinstance(kind, inspect.StructType)
    return {
        field.encode_name: _BY_NAME.get(field.encode_name) or _column(field.encode_name, field.type)
        for field in kind.fields
    }


def _column(name: str, kind: inspect.Type) -> str:
    match kind:
        case inspect.UnionType(types=(known, inspect.NoneType())):
            return _column(name, known)
        case inspect.StrType() | inspect.LiteralType():
            return "VARCHAR"
        case inspect.IntType():
            return "BIGINT" if name in _SIGNED else "UBIGINT"
        case inspect.FloatType():
            return "DOUBLE"
        case inspect.BoolType():
            return "BOOLEAN"
        case inspect.DictType(value_type=inspect.StrType()):
            return "MAP(VARCHAR, VARCHAR)"
        case inspect.VarTupleType(item_type=inspect.StrType() | inspect.StructType() as item):
            return f"{_column(name, item)}[]"
        case inspect.StructType():
            parts = ", ".join(f'"{part}" {type_}' for part, type_ in _columns(kind).items())
            return f"STRUCT({parts})"
        case _:
            return "JSON"
