"""Each record is also an event of the standard logging: numbers and names, never content."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable
from typing import Any

from arawn.interactions.record import InteractionRecord, LogLine

__all__ = ["Events"]

_EVENTS = logging.getLogger("arawn.interactions")
_LOG = logging.getLogger("arawn.log")
_TEXT = (
    "LLM interaction id=%(id)s status=%(status)s session=%(session)s model=%(model)s input_tokens=%(input_tokens)s "
    "output_tokens=%(output_tokens)s tool_calls=%(tool_calls)s duration_ms=%(duration_ms)s "
    "routing_profile=%(routing_profile)s"
)


class Events:
    """Tells the standard logging of records that are written, and remembers whether it was said that this fails."""

    def __init__(self) -> None:
        self._failed = False

    def emit(self, lines: Iterable[LogLine]) -> None:
        """Tell of the records among `lines`. Raises nothing: factories, filters and handlers are the program's own.

        The first one that raises is named in a warning of `arawn.log`, where that can be said.
        """
        with contextlib.suppress(Exception):  # each record says so below
            if not _EVENTS.isEnabledFor(logging.INFO):
                return
        for line in lines:
            if isinstance(line, InteractionRecord):
                self._tell(line)

    def _tell(self, record: InteractionRecord) -> None:
        try:
            fields = _fields(record)
            _EVENTS.info(_TEXT, fields, extra=fields)
        except Exception as error:  # noqa: BLE001  # any at all: the record is written
            if not self._failed:
                self._failed = True
                with contextlib.suppress(Exception):
                    _LOG.warning("%s", _why_untold(record, error))


def _fields(record: InteractionRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "status": record.status,
        "session": record.session_id,
        "model": record.model_used or record.model_requested,
        "input_tokens": record.input_tokens,
        "output_tokens": record.output_tokens,
        "tool_calls": len(record.tool_calls),
        "duration_ms": record.duration_ms,
        "routing_profile": record.routing.profile if record.routing else "none",
    }


def _why_untold(record: InteractionRecord, error: Exception) -> str:
    return (
        f"interaction {record.id} is recorded, but its logging event failed: {type(error).__name__}: {error}; a record "
        "factory, filter or handler of this program's logging raised that: none may raise, and a factory must not set "
        f"{', '.join(f'`{name}`' for name in _fields(record))}; other events that fail are not told"
    )
