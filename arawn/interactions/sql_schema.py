"""The tables that SQL sees in the log: every column with its type, never inferred. Pure.

Inference would drop keys that come late in a file, and make structs of tags.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

__all__ = ["VIEWS", "Numbered", "text_literal", "view_statement"]

Numbered = tuple[str, int]  # writer and number of a line

_LINE = {"v": "UBIGINT", "writer": "VARCHAR", "seq": "UBIGINT", "timestamp": "TIMESTAMP"}
_CUT = 'STRUCT("where" VARCHAR, length UBIGINT, sha256 VARCHAR)[]'
_INTERACTIONS = {
    "v": "UBIGINT",
    "id": "VARCHAR",
    "writer": "VARCHAR",
    "seq": "UBIGINT",
    "timestamp": "TIMESTAMP",
    "duration_ms": "UBIGINT",
    "ttft_ms": "UBIGINT",
    "queue_ms": "UBIGINT",
    "status": "VARCHAR",
    "profile": "VARCHAR",
    "provider": "VARCHAR",
    "model_requested": "VARCHAR",
    "model_used": "VARCHAR",
    "stop_reason": "VARCHAR",
    "stop_reason_raw": "VARCHAR",
    "workstream": "VARCHAR",
    "session_id": "VARCHAR",
    "turn_id": "BIGINT",
    "iteration": "BIGINT",
    "call_id": "VARCHAR",
    "attempt": "BIGINT",
    "stream": "BOOLEAN",
    "input_tokens": "UBIGINT",
    "output_tokens": "UBIGINT",
    "cache_read_tokens": "UBIGINT",
    "cache_write_tokens": "UBIGINT",
    "reasoning_tokens": "UBIGINT",
    "total_input_tokens": "UBIGINT",
    "has_tool_use": "BOOLEAN",
    "tool_count": "UBIGINT",
    "request_id": "VARCHAR",
    "error": "STRUCT(type VARCHAR, status BIGINT, code VARCHAR, message VARCHAR, retryable BOOLEAN)",
    "routing": "STRUCT(profile VARCHAR, reason VARCHAR, confidence DOUBLE, features JSON)",
    "tags": "MAP(VARCHAR, VARCHAR)",
    "params": "JSON",
    "tools_available": "VARCHAR[]",
    "tool_calls": (
        "STRUCT(tool_name VARCHAR, tool_call_id VARCHAR, arguments JSON, result_success BOOLEAN,"
        " result_content VARCHAR)[]"
    ),
    "truncated": _CUT,
    "redactions": "VARCHAR[]",
    "warnings": "VARCHAR[]",
    "system_prompt": "VARCHAR",
    "tools": "JSON",
    "response_content": "JSON",
    "messages": "JSON",
}
_TOOL_RESULTS = {
    "interaction_id": "VARCHAR",
    "tool_call_id": "VARCHAR",
    "success": "BOOLEAN",
    "content": "VARCHAR",
    "truncated": _CUT,
    "redactions": "VARCHAR[]",
}
_FEEDBACK = {"interaction_id": "VARCHAR", "label": "VARCHAR", "value": "DOUBLE", "note": "VARCHAR"}

# Name of the view -> the kind of line it shows, and its columns.
VIEWS: Mapping[str, tuple[str, Mapping[str, str]]] = MappingProxyType(
    {
        "interactions": ("interaction", _INTERACTIONS),
        "tool_results": ("tool_result", {**_TOOL_RESULTS, **_LINE}),
        "feedback": ("feedback", {**_FEEDBACK, **_LINE}),
        "gaps": ("gap", {"count": "UBIGINT", "reason": "VARCHAR", **_LINE}),
        "marks": ("mark", {"event": "VARCHAR", "detail": "JSON", **_LINE}),
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
