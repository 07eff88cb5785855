"""The tables that SQL sees in the log: every column with its type, by the structs of `record`. Pure.

Types inferred from the data would drop keys that come late in a file, and make structs of tags.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import msgspec
from msgspec import inspect

from arawn.interactions.record import FeedbackLine, GapLine, InteractionRecord, MarkLine, ToolResultLine

__all__ = ["VIEWS", "Numbered", "columns_of", "text_literal", "view_statement"]

Numbered = tuple[str, int]  # writer and number of a line

_SIGNED = frozenset(("turn_id", "iteration", "attempt", "status"))  # all other whole numbers are counts
_BY_NAME = {"timestamp": "TIMESTAMP", "tools": "JSON"}
_OF_EVERY_LINE = ("v", "writer", "seq", "timestamp")


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


def _view(kind: type[msgspec.Struct]) -> tuple[str, Mapping[str, str]]:
    """Return the tag of a kind of line and its columns: an interaction's as in the file, else what it says first."""
    columns = columns_of(kind)
    if kind is not InteractionRecord:
        columns |= {name: columns.pop(name) for name in _OF_EVERY_LINE}
    return str(kind.__struct_config__.tag), columns


# Name of the view -> the kind of line it shows, and its columns.
VIEWS: Mapping[str, tuple[str, Mapping[str, str]]] = MappingProxyType(
    {
        "interactions": _view(InteractionRecord),
        "tool_results": _view(ToolResultLine),
        "feedback": _view(FeedbackLine),
        "gaps": _view(GapLine),
        "marks": _view(MarkLine),
    }
)


def view_statement(name: str, files: Sequence[str], *, longest_line: int, doubles: Sequence[Numbered]) -> str:
    """Return the statement that makes one of `VIEWS`.

    Args:
        name: The view.
        files: The files that it reads.
        longest_line: Bytes of the longest line in them.
        doubles: The lines that are there more than once; the first of each is kept.
    """
    kind, columns = VIEWS[name]
    if not files:
        nothing = ", ".join(f'CAST(NULL AS {type_}) AS "{column}"' for column, type_ in columns.items())
        return f"CREATE TEMP VIEW {name} AS SELECT {nothing} WHERE false"
    shown = ", ".join(map(_shown, columns))
    lines = f"{_read(files, columns, longest_line)} WHERE kind = {text_literal(kind)}"
    once = f"SELECT {shown} FROM {lines}"  # noqa: S608  # of names and quoted texts alone
    if doubles:
        numbers = ", ".join(f"({text_literal(writer)}, {seq})" for writer, seq in doubles)
        first = f"SELECT DISTINCT ON (writer, seq) {shown} FROM {lines} AND (writer, seq) IN ({numbers})"  # noqa: S608
        once += f" AND (writer IS NULL OR seq IS NULL OR (writer, seq) NOT IN ({numbers})) UNION ALL ({first})"
    return f"CREATE TEMP VIEW {name} AS {once}"


def _shown(column: str) -> str:
    """Return the expression of a column, with what other readers show in the place of what is not there or cannot be.

    Of a count of tokens, null for what no count can be; of `warnings`, which lines of an older Arawn lack, none.
    """
    if column == "warnings":
        return "coalesce(warnings, []) AS warnings"
    if not column.endswith("_tokens"):
        return f'"{column}"'
    return f'CASE WHEN "{column}" < {1 << 63} THEN "{column}" END AS "{column}"'


def _read(files: Sequence[str], columns: Mapping[str, str], longest_line: int) -> str:
    names = ", ".join(text_literal(file) for file in files)
    types = ", ".join(f'"{column}": {text_literal(type_)}' for column, type_ in {"kind": "VARCHAR", **columns}.items())
    return f"read_ndjson([{names}], columns = {{{types}}}, ignore_errors = true, maximum_object_size = {longest_line})"


def text_literal(text: str) -> str:
    """Return `text` as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"
