"""What was said in a call, but for messages and tool definitions: what its record is searched for secrets in. Pure."""

from __future__ import annotations

from math import isfinite
from operator import attrgetter
from typing import Any

import msgspec

from arawn.errors import BackendError
from arawn.interactions.encode import with_text_keys
from arawn.interactions.record import ErrorRecord
from arawn.messages import CallContext, CompletionRequest, CompletionResponse, ContentBlock, RoutingMetadata, Text

__all__ = ["Said", "laid_out", "said_in"]

_PARAMETERS = ("tool_choice", "max_tokens", "temperature", "top_p", "stop", "extra")
_NO_PARAMETERS: tuple[Any, ...] = (None, None, None, None, None, {})
_parameters_of = attrgetter(*_PARAMETERS)
_flat_of = attrgetter(
    "workstream",
    "session_id",
    "error",
    "model_requested",
    "model_used",
    "stop_reason",
    "stop_reason_raw",
    "request_id",
    "system_prompt",
)


class Said(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What callers, providers and tools have written; each under its name in the record.

    In the order in which the rules that find something are listed.
    """

    workstream: str | None
    session_id: str | None
    routing: RoutingMetadata | None
    tags: dict[str, str]
    params: dict[str, Any]
    error: ErrorRecord | None
    model_requested: str | None
    model_used: str | None
    stop_reason: str | None
    stop_reason_raw: str | None
    request_id: str | None
    system_prompt: str | None
    response_content: tuple[ContentBlock, ...]
    warnings: tuple[str, ...]


def said_in(
    request: CompletionRequest,
    context: CallContext,
    response: CompletionResponse | None,
    error: BaseException | None,
    *,
    model: str | None,
) -> Said:
    """Return what was said in one attempt at a call; `model` is the one that was asked for."""
    tags = context.tags
    if context.routing is not None:
        tags = {**tags, "routing_profile": context.routing.profile}
    params: dict[str, Any] = {}
    if (given := _parameters_of(request)) != _NO_PARAMETERS:
        params = {name: value for name, value in zip(_PARAMETERS, given, strict=True) if value not in (None, {})}
    if "extra" in params:
        params["extra"] = with_text_keys(params["extra"])
    return Said(
        workstream=_text(context.workstream),
        session_id=_text(context.session_id),
        routing=_routing(context.routing),
        tags=dict(zip(map(str, tags), map(str, tags.values()), strict=True)),
        params=params,
        error=None if error is None else _error_record(error),
        model_requested=model,
        model_used=response.model if response else None,
        stop_reason=response.stop_reason if response else None,
        stop_reason_raw=response.stop_reason_raw if response else None,
        request_id=response.request_id if response else getattr(error, "request_id", None),
        system_prompt=request.system,
        response_content=response.content if response else (),
        warnings=response.warnings if response else (),
    )


def _error_record(error: BaseException) -> ErrorRecord:
    kind = type(error).__name__
    if not isinstance(error, BackendError):
        return ErrorRecord(type=kind, message=str(error))
    return ErrorRecord(
        type=kind, status=error.status, code=error.code, message=error.user_message, retryable=error.retryable
    )


def _routing(routing: RoutingMetadata | None) -> RoutingMetadata | None:
    """Return it with a confidence that JSON has a word for, and features that have names."""
    if routing is None:
        return None
    sure, features = routing.confidence, routing.features
    fits = (type(sure) is float or type(sure) is int) and isfinite(sure)
    if fits and type(features) is dict and not features:  # what only equals `{}` may have no form in JSON
        return routing
    features = with_text_keys(features) if isinstance(features, dict) else {}
    return msgspec.structs.replace(routing, confidence=sure if fits else 0.0, features=features)


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else str(value)


def laid_out(said: Said) -> tuple[Any, ...]:
    """Return all that `said` holds, as flat as it nearly always is: to look into each struct and dict in it costs more
    than to search all their texts.
    """
    tags, params, routing, blocks = said.tags, said.params, said.routing, said.response_content
    return (
        *_flat_of(said),
        *tags,
        *tags.values(),
        *params,
        *params.values(),
        *(
            (routing.profile, routing.reason)
            if type(routing) is RoutingMetadata and not routing.features
            else (routing,)
        ),
        *([block.text if type(block) is Text else block for block in blocks] if type(blocks) is tuple else (blocks,)),
        *(said.warnings and (said.warnings,)),
    )
