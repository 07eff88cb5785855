"""What the settings of a conversation must be to be stored and sent. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from arawn.config.schema import NamedWorkstream
from arawn.errors import BadInput
from arawn.messages import CompletionRequest
from arawn.workstreams.store import WorkstreamState

__all__ = ["require_settings", "require_system", "require_text", "said_within"]


def require_settings(given: Mapping[str, Any]) -> None:
    """Return if every setting, by its name, is what its type promises, and text that can be stored.

    Raises:
        BadInput: One is not; the message names it.
    """
    try:
        settings = msgspec.convert({"name": "", **given}, WorkstreamState)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:  # the latter for text in the place of something else
        raise BadInput(f"these cannot be the settings of a workstream: {error}") from error
    for field, text in _texts(settings):
        _require_whole(f"`{field}`", text)


def require_system(system: str | None) -> None:
    """Return if this can be sent as the system prompt of one call.

    Raises:
        BadInput: It is no text, an empty one, or holds half a character.
    """
    if system is None:
        return
    if not isinstance(system, str):
        raise BadInput(f"`system` is a text, found {type(system).__name__}")
    if not system.strip():
        raise BadInput("`system` is empty; leave it out, or say something in it")
    _require_whole("`system`", system)


def require_text(text: str) -> None:
    """Return if `text` is one that can be sent and stored.

    Raises:
        BadInput: It is no text, an empty one, or holds half a character.
    """
    if not isinstance(text, str):
        raise BadInput(f"a message is text, found {type(text).__name__}")
    if not text.strip():
        raise BadInput("the message is empty; say something")
    _require_whole("the message", text)


def said_within(
    request: CompletionRequest, stored: WorkstreamState | None, standing: NamedWorkstream | None
) -> tuple[CompletionRequest, str | None]:
    """Return a request as it is sent when it is said in a conversation, and the profile that this is bound to.

    Args:
        request: What is said.
        stored: The conversation; None if there is none yet.
        standing: What the configuration says of it, if anything.
    """
    stored = stored or WorkstreamState(name="")
    standing = standing or NamedWorkstream()
    request = msgspec.structs.replace(
        request,
        messages=(*stored.history, *request.messages),
        system=request.system or stored.system_prompt or standing.system_prompt,
    )
    return request, stored.profile or standing.profile


def _texts(settings: WorkstreamState) -> Iterator[tuple[str, str]]:
    """Yield each text that is stored, with the name of its field."""
    if settings.system_prompt is not None:
        yield "system_prompt", settings.system_prompt
    for key, text in settings.tags.items():
        yield "tags", key
        yield f"tags.{key}", text


def _require_whole(what: str, text: str) -> None:
    """Refuse a lone surrogate, such as text that was decoded wrongly has."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadInput(
            f"{what} holds half a character at position {error.start}; decode it with the right encoding"
        ) from error
