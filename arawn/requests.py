"""What a request must be before it is worth sending. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from arawn.errors import BadInput
from arawn.messages import CompletionRequest

__all__ = ["require_request", "require_tags"]


def require_request(request: CompletionRequest) -> CompletionRequest:
    """Return `request` if it says something in the shape that its type promises.

    Raises:
        BadInput: It is something else, has no message, or a field of the wrong type.
    """
    if not isinstance(request, CompletionRequest):
        raise BadInput(
            f"a call takes a CompletionRequest, found {type(request).__name__}; "
            "`CompletionRequest(messages=(user(text),))` makes one of a text"
        )
    if not request.messages:
        raise BadInput("the request has no messages; `messages=(user(text),)` gives it one")
    if request.max_tokens is not None and request.max_tokens < 1:
        raise BadInput(f"`max_tokens` is {request.max_tokens}; it must be at least 1")
    return request


def require_tags(tags: Mapping[str, str] | None) -> dict[str, str]:
    """Return the tags as a dict of texts.

    Raises:
        BadInput: A key or value is no text.
    """
    try:
        return msgspec.convert(dict(tags or {}), dict[str, str])
    except (msgspec.ValidationError, TypeError, ValueError) as error:
        raise BadInput(f"tags are texts by name: {error}") from error
