"""What a request must be before it is worth sending. Pure.

A struct takes whatever it is given. What is of another type than its field says would fail in the middle of a call, or
make a line of the log that no reader can read; so it is refused at the door, at the cost of a look at each field.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import chain, repeat
from math import isfinite
from operator import attrgetter
from types import MappingProxyType, NoneType
from typing import Any

import msgspec

from arawn.arguments import require_kind, require_text_or_none
from arawn.backends.turns import blocks_of, of_kind
from arawn.backends.verbatim import VerbatimMessages
from arawn.errors import BadInput
from arawn.messages import (
    CallContext,
    CompletionRequest,
    Image,
    Message,
    RoutingMetadata,
    Text,
    Thinking,
    ToolDefinition,
    ToolResult,
    ToolUse,
)
from arawn.unseen import UNSEEN

__all__ = ["call_context", "require_request", "require_session_id", "require_tags"]

_Fields = tuple[tuple[str, tuple[type, ...]], ...]

_TEXT = (str,)
_OPTIONAL = (str, NoneType)
_MANY = (tuple, list)
_FIELDS: Mapping[type, _Fields] = MappingProxyType(
    {
        Text: (("text", _TEXT),),
        Thinking: (("text", _TEXT), ("signature", _OPTIONAL)),
        Image: (("media_type", _OPTIONAL), ("data", _OPTIONAL), ("url", _OPTIONAL)),
        ToolUse: (("id", _TEXT), ("name", _TEXT), ("arguments", (dict, NoneType)), ("invalid_arguments", _OPTIONAL)),
        ToolResult: (("tool_use_id", _TEXT), ("content", _MANY), ("is_error", (bool,))),
        Message: (("role", _TEXT), ("content", _MANY)),
        ToolDefinition: (("name", _TEXT), ("description", _TEXT), ("parameters", (dict,)), ("strict", (bool,))),
        CompletionRequest: (
            ("messages", _MANY),
            ("system", _OPTIONAL),
            ("tools", _MANY),
            ("tool_choice", _OPTIONAL),
            ("model", _OPTIONAL),
            ("max_tokens", (int, NoneType)),
            ("temperature", (float, int, NoneType)),
            ("top_p", (float, int, NoneType)),
            ("stop", (*_MANY, NoneType)),
            ("extra", (dict,)),
        ),
    }
)
_WANTED = {kind: tuple(wanted for _, wanted in fields) for kind, fields in _FIELDS.items()}
_BLOCKS = (Text, Thinking, Image, ToolUse, ToolResult)
_PARTS = (Text, Image)
_CHOICES = (None, "auto", "none", "required")
_ROLES = ("user", "assistant")
_ROLE, _CONTENT = attrgetter("role"), attrgetter("content")
_ARGUMENTS = attrgetter("arguments", "invalid_arguments")


def require_request(request: CompletionRequest) -> CompletionRequest:
    """Return `request` if it says something in the shape that its type promises.

    What another program has said in its dialect may say nothing that is understood here: whether it can be served was
    judged where it was read, or is for the provider to judge.

    Raises:
        BadInput: It is something else, has no message, or a field of the wrong type.
    """
    if not isinstance(request, CompletionRequest):
        raise BadInput(
            f"a call takes a CompletionRequest, found {type(request).__name__}; "
            "`CompletionRequest(messages=(user(text),))` makes one of a text"
        )
    said_elsewhere = isinstance(request.messages, VerbatimMessages)
    if not request.messages and not said_elsewhere:
        raise BadInput("the request has no messages; `messages=(user(text),)` gives it one")
    misfit = _misfit(request, (CompletionRequest,)) or _misfit_inside(request)
    if misfit is not None:
        raise BadInput(f"the request does not fit: `request{misfit}")
    if not said_elsewhere:
        _require_settings(request)
    return request


def _require_settings(request: CompletionRequest) -> None:
    """Refuse what no provider can be told, or would be told as something else; how hot is too hot is for it to say."""
    if not request.max_tokens is request.temperature is request.top_p is None:  # nearly all calls leave that to others
        for name in ("max_tokens", "temperature", "top_p"):
            value = getattr(request, name)
            if isinstance(value, bool) or (isinstance(value, float) and not isfinite(value)):
                raise BadInput(f"`{name}` is {value}; it must be a finite number")
        if request.max_tokens is not None and request.max_tokens < 1:
            raise BadInput(f"`max_tokens` is {request.max_tokens}; it must be at least 1")
    is_named = request.tool_choice not in _CHOICES and "tools" not in request.extra  # where the provider's own stand
    if is_named and all(tool.name != request.tool_choice for tool in request.tools):
        raise BadInput(
            f"`tool_choice` is `{request.tool_choice}`, which is no tool of the request; it must be one of its tools, "
            "or `auto`, `none` or `required`"
        )


def call_context(
    routing: RoutingMetadata, *, workstream: str | None, session_id: str | None, tags: Mapping[str, str] | None
) -> CallContext:
    """Return where a call of no conversation comes from, as it goes into its record.

    Raises:
        BadInput: A part of it is no text.
    """
    return CallContext(
        workstream=require_text_or_none("workstream", workstream),
        session_id=require_session_id(session_id),
        tags=require_tags(tags),
        routing=routing,
    )


def require_session_id(session_id: str | None) -> str | None:
    """Return the session id if it is a text or None.

    Raises:
        BadInput: It is something else, or holds a character that is not seen: it stands in tables and in the log.
    """
    if session_id is None:
        return None
    unseen = UNSEEN.search(require_kind("session_id", session_id, str))
    if unseen is not None:
        raise BadInput(
            f"`session_id` holds U+{ord(unseen[0]):04X}, which is a control character, or turns or ends a line where "
            "it is shown; leave it out"
        )
    return session_id


def require_tags(tags: Mapping[str, str] | None) -> dict[str, str]:
    """Return the tags as a dict of texts.

    Raises:
        BadInput: A key or value is no text, or a key is empty.
    """
    if not tags:
        return {}
    require_kind("tags", tags, Mapping)
    try:
        texts = msgspec.convert(dict(tags), dict[str, str])
    except (msgspec.ValidationError, TypeError, ValueError) as error:
        raise BadInput(f"tags are texts by name: {error}") from error
    if "" in texts:
        raise BadInput("tags are texts by name: one has an empty key; give it a name")
    return texts


def _misfit(value: Any, kinds: Sequence[type]) -> str | None:
    """Return what is wrong with a struct, as the rest of a sentence that names its place; not what is inside it."""
    kind = type(value)
    if kind not in kinds:
        return f"` is a {kind.__name__}; it must be a {_listed(kinds)}"
    if not all(map(isinstance, msgspec.structs.astuple(value), _WANTED[kind])):
        for name, wanted in _FIELDS[kind]:
            if not isinstance(getattr(value, name), wanted):
                found = type(getattr(value, name)).__name__
                return f".{name}` is a {found}; it must be a {_listed(wanted)}"
    if kind is ToolUse and value.arguments is None and value.invalid_arguments is None:
        return ".arguments` is a NoneType; it must be a dict, unless `invalid_arguments` says what stood there"
    return None


def _misfit_inside(request: CompletionRequest) -> str | None:
    if _all_fits(request):
        return None
    for number, tool in enumerate(request.tools):
        if (misfit := _misfit(tool, (ToolDefinition,))) is not None:
            return f".tools[{number}]{misfit}"
    for number, text in enumerate(request.stop or ()):
        if not isinstance(text, str):
            return f".stop[{number}]` is a {type(text).__name__}; it must be a str"
    for number, message in enumerate(request.messages):
        if (misfit := _misfit_of_message(message)) is not None:
            return f".messages[{number}]{misfit}"
    return None


def _all_fits(request: CompletionRequest) -> bool:
    """Say at once that nothing inside is a misfit: histories are long, and looked at with every call."""
    messages = request.messages
    if not (_fit(messages, (Message,)) and all(map(_ROLES.__contains__, map(_ROLE, messages)))):
        return False
    blocks = (*blocks_of(messages),)
    if not (_fit(blocks, _BLOCKS) and _fit(request.tools, (ToolDefinition,))):
        return False
    if not all(map(isinstance, request.stop or (), repeat(str))):
        return False
    if {ToolUse, ToolResult}.isdisjoint(map(type, blocks)):
        return True
    parts = (*chain.from_iterable(map(_CONTENT, of_kind(ToolResult, blocks))),)
    return _fit(parts, _PARTS) and (None, None) not in map(_ARGUMENTS, of_kind(ToolUse, blocks))


def _fit(values: Sequence[Any], kinds: Collection[type]) -> bool:
    """Say whether all values are of these kinds, and their fields of the types that they promise."""
    if not values:
        return True
    found = (*map(type, values),)
    wanted = chain.from_iterable(map(_WANTED.__getitem__, found))
    fields = chain.from_iterable(map(msgspec.structs.astuple, values))
    return all(map(kinds.__contains__, found)) and all(map(isinstance, fields, wanted))


def _misfit_of_message(message: Message) -> str | None:
    if (misfit := _misfit(message, (Message,))) is not None:
        return misfit
    if message.role not in _ROLES:
        return f".role` is {message.role!r:.40}; it must be `user` or `assistant`"
    for number, block in enumerate(message.content):
        misfit = _misfit(block, _BLOCKS)
        if misfit is None and isinstance(block, ToolResult):
            misfit = next((found for part in block.content if (found := _misfit(part, _PARTS))), None)
        if misfit is not None:
            return f".content[{number}]{misfit}"
    return None


def _listed(kinds: Sequence[type]) -> str:
    return " or ".join("None" if kind is NoneType else kind.__name__ for kind in kinds)
