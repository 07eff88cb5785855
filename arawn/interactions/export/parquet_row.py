"""The columns of a Parquet export, in order, with their types, and the row of one interaction. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from arawn.interactions.encode import encode_line
from arawn.interactions.export.rules import Reason
from arawn.interactions.record import ErrorRecord, InteractionRecord
from arawn.interactions.sql_schema import columns_of
from arawn.messages import RoutingMetadata

__all__ = ["COLUMNS", "parquet_row"]

_OF_LOG = columns_of(InteractionRecord)
_WITHIN = {"error": columns_of(ErrorRecord), "routing": columns_of(RoutingMetadata)}
_OTHERWISE = {"UBIGINT": "BIGINT", "JSON": "VARCHAR", "TIMESTAMP": "TIMESTAMP WITH TIME ZONE"}
_JSON_TEXTS = tuple(name for name, kind in _OF_LOG.items() if kind == "JSON" or kind.endswith(")[]"))


def _columns() -> Iterator[tuple[str, str]]:
    """Yield the columns of the log, those of an error and of the routing side by side, and texts for what has parts."""
    for name, kind in _OF_LOG.items():
        if name in _WITHIN:
            yield from ((f"{name}_{part}", _OTHERWISE.get(of_part, of_part)) for part, of_part in _WITHIN[name].items())
        else:
            yield name, "VARCHAR" if name in _JSON_TEXTS else _OTHERWISE.get(kind, kind)


COLUMNS: Mapping[str, str] = MappingProxyType(dict(_columns()))
_PLAIN = tuple(name for name in COLUMNS if name in _OF_LOG and name not in _JSON_TEXTS)
_NUMBERS = tuple(name for name, kind in COLUMNS.items() if kind == "BIGINT")
_LARGEST = (1 << 63) - 1


def parquet_row(record: InteractionRecord) -> dict[str, Any] | Reason:
    """Return the columns of one interaction, and `date`: the UTC day of its start, which names its directory.

    What has parts (bodies, parameters, tool calls) is JSON text; a number that no column can hold is a reason
    to drop the row, since it is nothing that Arawn writes.
    """
    started = datetime.fromisoformat(record.timestamp)
    error, routing = record.error, record.routing
    row: dict[str, Any] = {name: getattr(record, name) for name in _PLAIN}
    row |= {f"error_{name}": getattr(error, name, None) for name in _WITHIN["error"]}
    row |= {f"routing_{name}": getattr(routing, name, None) for name in _WITHIN["routing"]}
    row |= {name: _json(getattr(record, name)) for name in _JSON_TEXTS}
    row["routing_features"] = None if routing is None else _json(routing.features)
    row["timestamp"] = started.isoformat()
    for name in _NUMBERS:
        if row[name] is not None and abs(row[name]) > _LARGEST:
            return "malformed"
    return {**row, "date": started.date().isoformat()}


def _json(value: Any) -> str:
    return encode_line(value)[:-1].decode()
