"""The tables that SQL sees in the log: every column with its type, never inferred from the data. Pure.

Such inference would drop keys that come late in a file, and make structs of tags.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import msgspec

from arawn.interactions.columns import columns_of
from arawn.interactions.record import FeedbackLine, GapLine, InteractionRecord, MarkLine, ToolResultLine

__all__ = ["VIEWS", "Numbered", "text_literal", "view_statement"]

Numbered = tuple[str, int]  # writer and number of a line

_KINDS: Mapping[str, type[msgspec.Struct]] = MappingProxyType(
    {
        "interactions": InteractionRecord,
        "tool_results": ToolResultLine,
        "feedback": FeedbackLine,
        "gaps": GapLine,
        "marks": MarkLine,
    }
)
_OF_EVERY_LINE = ("v", "writer", "seq", "timestamp")


def _view(kind: type[msgspec.Struct]) -> tuple[str, Mapping[str, str]]:
    """Return the tag of a kind of line and its columns: an interaction's as in the file, else what it says first."""
    columns = columns_of(kind)
    if kind is not InteractionRecord:
        columns |= {name: columns.pop(name) for name in _OF_EVERY_LINE}
    return str(kind.__struct_config__.tag), columns


# Name of the view -> the kind of line it shows, and its columns.
VIEWS: Mapping[str, tuple[str, Mapping[str, str]]] = MappingProxyType(
    {name: _view(kind) for name, kind in _KINDS.items()}
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
