"""What each of Arawn's own routes takes and gives: a table, for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from arawn.interactions.feedback import Judgement
from arawn.interactions.record import FeedbackLine, InteractionHead
from arawn.interactions.report import ChosenReport
from arawn.interactions.stats import NamedReport
from arawn.reload import ReloadReport
from arawn.routing.explain import Explanation
from arawn.server.interactions import COUNTED, LISTED, SEARCHED, SHOWN, Found
from arawn.server.native import ChatReply, ChatRequest
from arawn.server.openapi import EVENTS, TEXT, Answer, Operation, Operations, Parameter
from arawn.server.probes import Probe
from arawn.server.reply import ErrorBody
from arawn.server.v1.operations import CONTEXT
from arawn.server.workstreams import PAGING, Removed, WorkstreamChange, WorkstreamSettings
from arawn.status import BackendStatus, RuntimeStatus
from arawn.workstreams.store import Summary, WorkstreamState

__all__ = ["NATIVE_OPERATIONS"]

_CALL = (400, 404, 413, 415, 422, 429, 500, 502, 503, 504)
_STORE = (400, 500, 503)
_LOG = (400, 500, 503)
_OBJECTS = tuple[dict[str, Any], ...]
_NAME = Parameter("name", "path", "The workstream's name, percent-encoded.")
_ID = Parameter("id", "path", "The id of a record, or the beginning of it that no other has.")


def _get(summary: str, body: Any, *, errors: tuple[int, ...] = (), **more: Any) -> Operation:
    answers = {200: Answer("The answer.", body)}
    return Operation(summary=summary, answers=answers, error=ErrorBody, errors=errors, **more)


def _chosen(summary: str, body: Any, chosen: Any, asked: Mapping[str, str]) -> Operation:
    """Return what reads the log; with `fields` it answers `chosen`."""
    answer = Answer("The answer; with `fields`, only these.", body, or_else=chosen)
    parameters = tuple(Parameter(name, "query", said) for name, said in asked.items())
    return Operation(summary=summary, answers={200: answer}, error=ErrorBody, errors=_LOG, parameters=parameters)


def _take(summary: str, body: Any, answers: dict[int, Answer], errors: tuple[int, ...], **more: Any) -> Operation:
    errors = (*errors, 413, 415, 422)
    return Operation(summary=summary, body=body, answers=answers, error=ErrorBody, errors=errors, **more)


NATIVE_OPERATIONS: Operations = {
    ("GET", "/"): _get("Whether anybody is there", Probe, needs_token=False),
    ("GET", "/healthz"): _get("Whether the daemon lives", Probe, needs_token=False),
    ("GET", "/readyz"): _get("Whether calls can be taken", Probe, needs_token=False, errors=(503,)),
    ("GET", "/status"): _get("The state of everything", RuntimeStatus),
    ("GET", "/backends"): _get("The profiles and how they are", tuple[BackendStatus, ...]),
    ("GET", "/openapi.json"): _get("This document", dict[str, Any]),
    ("GET", "/metrics"): Operation(
        summary="What can be counted, for Prometheus",
        answers={200: Answer("The metrics.", others=(TEXT,))},
        error=ErrorBody,
    ),
    ("POST", "/chat"): _take(
        "One message to a model",
        ChatRequest,
        {200: Answer("The answer, or with `stream` its events.", ChatReply, (EVENTS,))},
        _CALL,
        parameters=CONTEXT,
        otherwise=Answer("A refusal of the provider, with its own status.", ErrorBody),
    ),
    ("POST", "/routing/explain"): Operation(
        summary="Which profile a request would go to, and why; the body is that of `/chat` or of a route under `/v1`",
        body=dict[str, Any],
        answers={200: Answer("The decision, and what every rule says.", Explanation)},
        parameters=CONTEXT,
        error=ErrorBody,
        errors=(400, 404, 413, 415, 422, 500, 502, 503),
    ),
    ("GET", "/workstreams"): _get(
        "All workstreams, or a page of them",
        tuple[Summary, ...],
        parameters=tuple(Parameter(name, "query", said) for name, said in PAGING.items()),
        errors=_STORE,
    ),
    ("POST", "/workstreams"): _take(
        "Make a workstream", WorkstreamSettings, {201: Answer("The workstream.", WorkstreamState)}, (*_STORE, 409)
    ),
    ("GET", "/workstreams/{name}"): _get(
        "One workstream with its messages", WorkstreamState, parameters=(_NAME,), errors=(404, *_STORE)
    ),
    ("PATCH", "/workstreams/{name}"): _take(
        "Change a workstream",
        WorkstreamChange,
        {200: Answer("The workstream.", WorkstreamState)},
        (404, *_STORE),
        parameters=(_NAME,),
    ),
    ("DELETE", "/workstreams/{name}"): _get(
        "Delete a workstream with its messages", Removed, parameters=(_NAME,), errors=(404, *_STORE)
    ),
    ("POST", "/reload"): _get(
        "Have the configuration read again; only through the socket", ReloadReport, errors=_STORE
    ),
    ("GET", "/interactions"): _chosen(
        "Calls in the log, the newest last", tuple[InteractionHead, ...], _OBJECTS, LISTED
    ),
    ("GET", "/interactions/search"): _chosen(
        "Calls that hold a text, the newest last", tuple[Found, ...], _OBJECTS, SEARCHED
    ),
    ("GET", "/interactions/stats"): _chosen(
        "Counts of calls, tokens, errors and time", NamedReport, ChosenReport, COUNTED
    ),
    ("GET", "/interactions/{id}"): _get(
        "One call with all that was said",
        dict[str, Any],
        parameters=(_ID, *(Parameter(name, "query", said) for name, said in SHOWN.items())),
        errors=(404, *_LOG),
    ),
    ("POST", "/interactions/{id}/feedback"): _take(
        "Write what somebody thinks of a call into the log",
        Judgement,
        {201: Answer("The line.", FeedbackLine)},
        (404, *_LOG),
        parameters=(_ID,),
    ),
}
