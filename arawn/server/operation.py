"""What one route takes and gives, as the OpenAPI document says it. Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

__all__ = ["EVENTS", "TEXT", "Answer", "Operation", "Operations", "Parameter"]

TEXT = "text/plain"
EVENTS = "text/event-stream"


class Parameter(msgspec.Struct, frozen=True):
    """One parameter of a request, a text; those of the path are always needed."""

    name: str
    place: str
    description: str


class Answer(msgspec.Struct, frozen=True):
    """One answer: what it means, the type of its JSON body, and other forms that the body may have."""

    description: str
    body: Any = None
    others: tuple[str, ...] = ()


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
