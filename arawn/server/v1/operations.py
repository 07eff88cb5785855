"""What each route under `/v1` takes and gives: a table, for the OpenAPI document.

The bodies of answers are described as far as all backends have them in common.
"""

from __future__ import annotations

from typing import Any

import msgspec

from arawn.server.openapi import EVENTS, Answer, Operation, Operations, Parameter
from arawn.server.v1.anthropic_messages_in import MessagesBody
from arawn.server.v1.envelope import AnthropicErrorBody, OpenAIErrorBody
from arawn.server.v1.models import MODEL
from arawn.server.v1.openai_chat_in import ChatBody
from arawn.server.v1.passthrough import EmbeddingsBody
from arawn.server.v1.responses_in import ResponsesBody

__all__ = ["CONTEXT", "V1_OPERATIONS"]

_ERRORS = (400, 404, 413, 415, 422, 429, 500, 502, 503, 504)
_BAD_HEADER = "1 to 200 printable characters, percent-encoded."
CONTEXT = (
    Parameter("x-arawn-profile", "header", f"The profile to use. {_BAD_HEADER}"),
    Parameter("x-arawn-session", "header", f"A session id for the record. {_BAD_HEADER}"),
    Parameter("x-arawn-workstream", "header", f"A workstream's name, for its binding and the record. {_BAD_HEADER}"),
)
_VERSION = Parameter("anthropic-version", "header", "Asks for the shape of the Anthropic dialect.")


class ChatCompletion(msgspec.Struct, frozen=True):
    """An answer of chat completions."""

    id: str
    object: str
    created: int
    model: str
    choices: list[dict[str, Any]]
    usage: dict[str, Any] | None = None


class AnthropicMessage(msgspec.Struct, frozen=True):
    """An answer of messages."""

    id: str
    type: str
    role: str
    model: str
    content: list[dict[str, Any]]
    stop_reason: str
    usage: dict[str, Any]


class Response(msgspec.Struct, frozen=True):
    """An answer of responses."""

    id: str
    object: str
    status: str
    model: str
    output: list[dict[str, Any]]


def _call(summary: str, body: Any, answer: Any, error: Any, *others: str) -> Operation:
    said = "The answer, or with `stream` its events." if others else "The provider's answer."
    return Operation(
        summary=summary,
        body=body,
        answers={200: Answer(said, answer, others)},
        parameters=CONTEXT,
        error=error,
        errors=_ERRORS,
        otherwise=Answer("A refusal of the provider, with its own status and in its own words.", error),
    )


def _models(summary: str, *parameters: Parameter, errors: tuple[int, ...] = ()) -> Operation:
    return Operation(
        summary=summary,
        answers={200: Answer("In the shape that the request's headers ask for.", dict[str, Any])},
        parameters=(_VERSION, *parameters),
        error=dict[str, Any],  # of either dialect, as the request's headers ask for
        errors=errors,
    )


V1_OPERATIONS: Operations = {
    ("POST", "/v1/chat/completions"): _call(
        "OpenAI chat completions", ChatBody, ChatCompletion, OpenAIErrorBody, EVENTS
    ),
    ("POST", "/v1/responses"): _call("OpenAI responses", ResponsesBody, Response, OpenAIErrorBody, EVENTS),
    ("POST", "/v1/messages"): _call("Anthropic messages", MessagesBody, AnthropicMessage, AnthropicErrorBody, EVENTS),
    ("POST", "/v1/messages/count_tokens"): _call(
        "Count the tokens of a message", MessagesBody, dict[str, Any], AnthropicErrorBody
    ),
    ("POST", "/v1/embeddings"): _call("OpenAI embeddings", EmbeddingsBody, dict[str, Any], OpenAIErrorBody),
    ("GET", "/v1/models"): _models(
        "The profiles",
        Parameter("limit", "query", "How many at most, up to 1000."),
        Parameter("after_id", "query", "Only those after this one."),
        Parameter("before_id", "query", "Only those before this one."),
        errors=(400,),
    ),
    ("GET", MODEL): _models(
        "The profile that a model's name means",
        Parameter("id", "path", "The name, percent-encoded."),
        errors=(404,),
    ),
}
