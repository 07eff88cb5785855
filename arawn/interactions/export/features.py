"""The types of an export's columns, as `datasets.Features.from_dict` reads them, for every format. Pure.

A tool that infers types from the first rows fails at a column that is null in all of them. What has no fixed shape
(arguments, schemas, tags, blocks) is `Json`; a reader without such a type takes its JSON text.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from arawn.interactions.export.parquet import COLUMNS
from arawn.interactions.export.rules import Format
from arawn.interactions.record import InteractionRecord
from arawn.interactions.sql_schema import columns_of

__all__ = ["features_of"]

_TEXT = {"dtype": "string", "_type": "Value"}
_NUMBER = {"dtype": "int64", "_type": "Value"}
_REAL = {"dtype": "float64", "_type": "Value"}
_FLAG = {"dtype": "bool", "_type": "Value"}
_TIME = {"dtype": "timestamp[us, tz=UTC]", "_type": "Value"}
_JSON = {"_type": "Json"}


def _list(feature: dict[str, Any]) -> dict[str, Any]:
    return {"feature": feature, "_type": "List"}


_OF_COLUMN = {
    "VARCHAR": _TEXT,
    "BIGINT": _NUMBER,
    "UBIGINT": _NUMBER,
    "DOUBLE": _REAL,
    "BOOLEAN": _FLAG,
    "TIMESTAMP WITH TIME ZONE": _TIME,
    "VARCHAR[]": _list(_TEXT),
}
_CALL = {"id": _TEXT, "type": _TEXT, "function": {"name": _TEXT, "arguments": _TEXT}}
_MESSAGE = {"role": _TEXT, "content": _TEXT, "tool_calls": _list(_CALL), "tool_call_id": _TEXT, "name": _TEXT}


def _of_record() -> dict[str, Any]:
    """Return the types of a line of the log."""
    typed = {name: _OF_COLUMN.get(kind, _JSON) for name, kind in columns_of(InteractionRecord).items()}
    return {"kind": _TEXT, **typed, "timestamp": _TEXT}


_FEATURES: Mapping[Format, dict[str, Any]] = MappingProxyType(
    {
        "parquet": {name: _OF_COLUMN[kind] for name, kind in COLUMNS.items() if kind in _OF_COLUMN},  # it has no maps
        "jsonl": _of_record(),
        "openai-chat": {"messages": _JSON, "tools": _JSON, "parallel_tool_calls": _FLAG},
        "trl": {"messages": _list(_MESSAGE), "tools": _TEXT, "id": _TEXT},
        "sharegpt": {
            "conversations": _list({"from": _TEXT, "value": _TEXT}),
            **dict.fromkeys(("system", "tools", "id"), _TEXT),
        },
        "router": {
            **dict.fromkeys(("id", "call_id"), _TEXT),
            "attempt": _NUMBER,
            **dict.fromkeys(("timestamp", "prompt"), _TEXT),
            "features": _JSON,
            **dict.fromkeys(("profile", "reason"), _TEXT),
            "confidence": _REAL,
            "candidates": _JSON,
            **dict.fromkeys(("model", "outcome", "error_type", "stop_reason"), _TEXT),
            "has_tool_use": _FLAG,
            **dict.fromkeys(("input_tokens", "output_tokens", "duration_ms", "ttft_ms", "queue_ms"), _NUMBER),
            "feedback_label": _TEXT,
            "feedback_value": _REAL,
            "feedback_note": _TEXT,
        },
    }
)


def features_of(export_format: Format) -> dict[str, Any]:
    """Return the type of each column; of Parquet, of all but `tags`, since `datasets` has no type for a map."""
    return dict(_FEATURES[export_format])
