"""Each record is also an event of the standard logging: numbers and names, never content."""

from __future__ import annotations

import logging

from arawn.interactions.record import InteractionRecord

__all__ = ["emit"]

_EVENTS = logging.getLogger("arawn.interactions")
_TEXT = (
    "LLM interaction id=%(id)s status=%(status)s session=%(session)s model=%(model)s input_tokens=%(input_tokens)s "
    "output_tokens=%(output_tokens)s tool_calls=%(tool_calls)s duration_ms=%(duration_ms)s "
    "routing_profile=%(routing_profile)s"
)


def emit(record: InteractionRecord) -> None:
    """Tell the standard logging of a record."""
    if not _EVENTS.isEnabledFor(logging.INFO):
        return
    fields = {
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
    _EVENTS.info(_TEXT, fields, extra=fields)
