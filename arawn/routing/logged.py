"""A logged call as the request that it was, and what its caller had said of the profile. Pure."""

from __future__ import annotations

import msgspec

from arawn.interactions.record import InteractionHead, InteractionRecord
from arawn.messages import CompletionRequest, Message

__all__ = ["logged_request", "said_of_profile"]


def logged_request(record: InteractionRecord) -> CompletionRequest | None:
    """Return what was asked; None if the log does not hold it (`include_messages = false`, or bodies were shed).

    A later call of a turn with tools is the first one of that turn: it decided for all of them. Each call since then
    has added two messages, the answer and the results of its tools.
    """
    try:
        messages = msgspec.convert(record.messages, tuple[Message, ...])
    except msgspec.ValidationError:
        return None
    messages = messages[: max(0, len(messages) - 2 * (record.iteration - 1))]
    if not messages:
        return None
    return CompletionRequest(messages=messages, system=record.system_prompt, tools=record.tools)


def said_of_profile(head: InteractionHead) -> tuple[str | None, str | None]:
    """Return the hint of the call, and the profile that its workstream was bound to."""
    routing = head.routing
    if routing is None:
        return None, None
    return (
        routing.profile if routing.reason == "CallerHint" else None,
        routing.profile if routing.reason == "Workstream" else None,
    )
