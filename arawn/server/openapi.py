"""`GET /openapi.json`: the routes as an OpenAPI 3.1 document, made of the structs that they decode and encode. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec

from arawn.version import VERSION

__all__ = ["EVENTS", "TEXT", "Answer", "Operation", "Operations", "Parameter", "openapi_document"]

TEXT = "text/plain"
EVENTS = "text/event-stream"

_REF = "#/components/schemas/{name}"
_ALWAYS = (401, 403)  # the door may refuse anybody
_REQUEST_ID = {"x-request-id": {"$ref": "#/components/headers/RequestId"}}
_SECURITY = {
    "token": {"type": "http", "scheme": "bearer", "description": "The access token of the daemon."},
    "key": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "The same token."},
}
_DESCRIPTION = (
    "The HTTP API of Arawn. `HEAD` works where `GET` does. Besides the statuses below the server answers 408 when "
    "a request does not arrive in time, 431 when its headers are too long, and 503 beyond its number of connections. "
    "Through the Unix socket no token is asked for."
)


class Parameter(msgspec.Struct, frozen=True):
    """One parameter of a request, a text; those of the path are always needed."""

    name: str
    place: str
    description: str


class Answer(msgspec.Struct, frozen=True):
    """One answer: what it means, the type of its JSON body, and other forms that the body may have.

    `or_else` is another type that the JSON body may be of, for who asks for it.
    """

    description: str
    body: Any = None
    others: tuple[str, ...] = ()
    or_else: Any = None


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One method of one path.

    Attributes:
        summary: What it does, in a few words.
        answers: What is answered by status.
        body: The type of the JSON body that it takes.
        parameters: What else it takes.
        needs_token: Whether it asks for the token.
        error: The type of the body of an error.
        errors: The statuses of errors, besides those that every operation has.
        otherwise: What is answered with any other status.
    """

    summary: str
    answers: Mapping[int, Answer]
    body: Any = None
    parameters: tuple[Parameter, ...] = ()
    needs_token: bool = True
    error: Any = None
    errors: tuple[int, ...] = ()
    otherwise: Answer | None = None


Operations = Mapping[tuple[str, str], Operation]
"""By method and path."""


def openapi_document(operations: Operations, served: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return the document for the routes that are served.

    Args:
        operations: What is known of each route.
        served: Methods and paths.
    """
    shown = {route: operations[route] for route in served}
    schemas, components = _schemas(shown.values())
    paths: dict[str, dict[str, Any]] = {}
    for (method, path), operation in shown.items():
        paths.setdefault(path, {})[method.lower()] = _operation(method, path, operation, schemas)
    identity = {"description": "The id of the record that answered, else a random one.", "schema": {"type": "string"}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Arawn", "version": VERSION, "description": _DESCRIPTION},
        "security": [{name: []} for name in _SECURITY],
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": _SECURITY, "headers": {"RequestId": identity}},
    }


def _schemas(operations: Iterable[Operation]) -> tuple[dict[Any, Any], dict[str, Any]]:
    """Return the schema of each type, and the parts that schemas refer to."""
    types: dict[Any, None] = {}
    for operation in operations:
        answers = (*operation.answers.values(), *filter(None, (operation.otherwise,)))
        bodies = (operation.body, operation.error, *(body for one in answers for body in (one.body, one.or_else)))
        types |= dict.fromkeys(body for body in bodies if body is not None)
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    return dict(zip(types, schemas, strict=True)), components


def _operation(method: str, path: str, operation: Operation, schemas: Mapping[Any, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "operationId": f"{method.lower()}{path}".replace("/", "_").replace("{", "").replace("}", ""),
        "summary": operation.summary,
        "responses": _responses(operation, schemas),
    }
    if operation.parameters:
        shown["parameters"] = [
            {
                "name": parameter.name,
                "in": parameter.place,
                "required": parameter.place == "path",
                "description": parameter.description,
                "schema": {"type": "string"},
            }
            for parameter in operation.parameters
        ]
    if operation.body is not None:
        shown["requestBody"] = {"required": True, "content": _json(schemas[operation.body])}
    if not operation.needs_token:
        shown["security"] = []
    return shown


def _responses(operation: Operation, schemas: Mapping[Any, Any]) -> dict[str, Any]:
    errors = {status: Answer(HTTPStatus(status).phrase, operation.error) for status in (*_ALWAYS, *operation.errors)}
    answers = {**errors, **operation.answers}
    shown = {str(status): _response(answer, schemas) for status, answer in sorted(answers.items())}
    return shown if operation.otherwise is None else {**shown, "default": _response(operation.otherwise, schemas)}


def _response(answer: Answer, schemas: Mapping[Any, Any]) -> dict[str, Any]:
    forms = [schemas[body] for body in (answer.body, answer.or_else) if body is not None]
    content: dict[str, Any] = _json(forms[0] if forms[:1] == forms else {"anyOf": forms}) if forms else {}
    content |= {kind: {} for kind in answer.others}
    return {"description": answer.description, "headers": _REQUEST_ID, **({"content": content} if content else {})}


def _json(schema: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
