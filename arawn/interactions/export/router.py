"""Rows for a routing classifier: what was asked, which profile took it and why, and how that went. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from arawn.interactions.export.rules import Reason
from arawn.interactions.export.transcript import is_digest
from arawn.interactions.record import FeedbackLine, InteractionRecord
from arawn.messages import Message, RoutingMetadata, Text
from arawn.routing.features import FeatureScanner
from arawn.routing.logged import logged_request

__all__ = ["router_row"]


def router_row(
    record: InteractionRecord, feedback: FeedbackLine | None, scanner: FeatureScanner
) -> dict[str, Any] | Reason:
    """Return one attempt of one routed call.

    Args:
        record: The call; one without routing has nothing to learn from.
        feedback: The last judgement of the call, if there is one.
        scanner: Finds the features of a call that was decided without looking at any.
    """
    routing = record.routing
    if routing is None:
        return "not_routed"
    prompt = _prompt(record)
    if prompt is None:
        is_logged = record.messages and not any(is_digest(message) for message in record.messages)
        return "malformed" if is_logged else "not_logged"
    return {
        "id": record.id,
        "call_id": record.call_id,
        "attempt": record.attempt,
        "timestamp": record.timestamp,
        "prompt": prompt,
        "features": _features(record, routing, scanner),
        "profile": routing.profile,
        "reason": routing.reason,
        "confidence": routing.confidence,
        "candidates": routing.features.get("candidates"),
        "model": record.model_used or record.model_requested,
        "outcome": record.status,
        "error_type": record.error.type if record.error else None,
        "stop_reason": record.stop_reason,
        "has_tool_use": record.has_tool_use,
        "input_tokens": record.total_input_tokens,
        "output_tokens": record.output_tokens,
        "duration_ms": record.duration_ms,
        "ttft_ms": record.ttft_ms,
        "queue_ms": record.queue_ms,
        "feedback_label": feedback.label if feedback else None,
        "feedback_value": feedback.value if feedback else None,
        "feedback_note": feedback.note if feedback else None,
    }


def _features(record: InteractionRecord, routing: RoutingMetadata, scanner: FeatureScanner) -> dict[str, Any] | None:
    """Return what the call was decided by, else what its request looks like; None if the log does not tell."""
    decided_by = {name: value for name, value in routing.features.items() if name != "candidates"}
    if decided_by:
        return decided_by
    request = logged_request(record)
    return None if request is None else msgspec.structs.asdict(scanner.features(request))


def _prompt(record: InteractionRecord) -> str | None:
    """Return the text of the last user message that has one; None if there is none that can be read."""
    for logged in reversed(record.messages):
        try:
            message = msgspec.convert(logged, Message)
        except msgspec.ValidationError:
            return None
        text = "\n\n".join(block.text for block in message.content if isinstance(block, Text))
        if message.role == "user" and text:
            return text
    return None
