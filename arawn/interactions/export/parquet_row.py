"""The columns of a Parquet export, in order, with their types, and the row of one interaction. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from arawn.interactions.encode import encode_line
from arawn.interactions.export.rules import Reason
from arawn.interactions.record import InteractionRecord

__all__ = ["COLUMNS", "parquet_row"]

_TEXT = "VARCHAR"
_NUMBER = "BIGINT"
_FLAG = "BOOLEAN"

COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "v": _NUMBER,
        "id": _TEXT,
        "writer": _TEXT,
        "seq": _NUMBER,
        "timestamp": "TIMESTAMP WITH TIME ZONE",
        "duration_ms": _NUMBER,
        "ttft_ms": _NUMBER,
        "queue_ms": _NUMBER,
        "status": _TEXT,
        "profile": _TEXT,
        "provider": _TEXT,
        "model_requested": _TEXT,
        "model_used": _TEXT,
        "stop_reason": _TEXT,
        "stop_reason_raw": _TEXT,
        "workstream": _TEXT,
        "session_id": _TEXT,
        "turn_id": _NUMBER,
        "iteration": _NUMBER,
        "call_id": _TEXT,
        "attempt": _NUMBER,
        "stream": _FLAG,
        "input_tokens": _NUMBER,
        "output_tokens": _NUMBER,
        "cache_read_tokens": _NUMBER,
        "cache_write_tokens": _NUMBER,
        "reasoning_tokens": _NUMBER,
        "total_input_tokens": _NUMBER,
        "has_tool_use": _FLAG,
        "tool_count": _NUMBER,
        "request_id": _TEXT,
        "error_type": _TEXT,
        "error_status": _NUMBER,
        "error_code": _TEXT,
        "error_message": _TEXT,
        "error_retryable": _FLAG,
        "routing_profile": _TEXT,
        "routing_reason": _TEXT,
        "routing_confidence": "DOUBLE",
        "routing_features": _TEXT,
        "tags": "MAP(VARCHAR, VARCHAR)",
        "params": _TEXT,
        "tools_available": "VARCHAR[]",
        "tool_calls": _TEXT,
        "truncated": _TEXT,
        "redactions": "VARCHAR[]",
        "warnings": "VARCHAR[]",
        "system_prompt": _TEXT,
        "tools": _TEXT,
        "response_content": _TEXT,
        "messages": _TEXT,
    }
)
_JSON_TEXTS = ("params", "tool_calls", "truncated", "tools", "response_content", "messages")
_PLAIN = tuple(name for name in COLUMNS if name in InteractionRecord.__struct_fields__ and name not in _JSON_TEXTS)
_NUMBERS = tuple(name for name, kind in COLUMNS.items() if kind == _NUMBER)
_LARGEST = (1 << 63) - 1


def parquet_row(record: InteractionRecord) -> dict[str, Any] | Reason:
    """Return the columns of one interaction, and `date`: the UTC day of its start, which names its directory.

    What has parts (bodies, parameters, tool calls) is JSON text; a number or a time that no column can hold is a
    reason to drop the row, since it is nothing that Arawn writes.
    """
    try:
        started = datetime.fromisoformat(record.timestamp).astimezone(UTC)
    except (ValueError, OverflowError):
        return "malformed"
    error, routing = record.error, record.routing
    row: dict[str, Any] = {name: getattr(record, name) for name in _PLAIN}
    row |= {f"error_{name}": getattr(error, name, None) for name in ("type", "status", "code", "message", "retryable")}
    row |= {f"routing_{name}": getattr(routing, name, None) for name in ("profile", "reason", "confidence")}
    row |= {name: _json(getattr(record, name)) for name in _JSON_TEXTS}
    row["routing_features"] = None if routing is None else _json(routing.features)
    row["timestamp"] = started.isoformat()
    for name in _NUMBERS:
        if row[name] is not None and abs(row[name]) > _LARGEST:
            return "malformed"
    return {**row, "date": started.date().isoformat()}


def _json(value: Any) -> str:
    return encode_line(value)[:-1].decode()
