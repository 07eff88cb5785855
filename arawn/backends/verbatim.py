"""A request as its sender has said it: what a provider of the same dialect is sent instead of our own words. Pure."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from arawn.backends.protocol import Dialect
from arawn.errors import BadInput
from arawn.messages import CompletionRequest, Message

__all__ = ["Verbatim", "VerbatimMessages", "asks_for_usage", "dropped", "verbatim_body", "verbatim_of"]

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_MOST_NAMED = 100  # fields that a warning names, each
_NULL = msgspec.Raw(b"null")
_OURS = frozenset(("model", "stream_options"))  # what is said of these decides, even if the sender says something else
_SAME = (frozenset(("max_tokens", "max_completion_tokens")),)  # two names of one thing: either says it


class Verbatim(msgspec.Struct, frozen=True):
    """A request in a dialect: the JSON object of its body, headers of the dialect's own, and the query of its path.

    `path` is that of an endpoint of the dialect whose answers are no completions; without it, it is that of
    completions. The address and the key are the provider's.
    """

    dialect: str
    body: bytes
    headers: Mapping[bytes, bytes] = {}
    query: bytes = b""
    path: str | None = None


class _StreamOptions(msgspec.Struct):
    include_usage: Any = None


class _Asked(msgspec.Struct):
    stream_options: _StreamOptions | None = None


class VerbatimMessages(tuple[Message, ...]):  # noqa: SLOT001  # a tuple with slots cannot hold more
    """Messages, and beside them the request that said them, and the names of what of it has no neutral word.

    They travel as one value, so whoever gives a request other messages lets go of the bytes of the old ones. `verbatim`
    is None if no provider speaks the dialect that they were said in.
    """

    verbatim: Verbatim | None
    ignored: tuple[str, ...]

    @classmethod
    def of(
        cls, messages: tuple[Message, ...], verbatim: Verbatim | None, ignored: tuple[str, ...] = ()
    ) -> VerbatimMessages:
        """Return `messages` with the request that said them."""
        made = cls(messages)
        made.verbatim = verbatim
        made.ignored = ignored
        return made

    @property
    def is_of_other_endpoint(self) -> bool:
        """Whether the answer will be no completion: such a request takes no settings of completions."""
        return self.verbatim is not None and self.verbatim.path is not None


def dropped(request: CompletionRequest, named: Collection[str] = ()) -> tuple[str, ...]:
    """Return a warning for each part of a request, as it was said, that a provider of another dialect is not told.

    Args:
        request: As it is sent, in the neutral form.
        named: The names of parts for which there are warnings already.
    """
    if not isinstance(request.messages, VerbatimMessages):
        return ()
    names = [name for name in dict.fromkeys(request.messages.ignored) if name not in named]
    warnings = [f"`{name}` was dropped on the way to the provider's dialect" for name in names[:_MOST_NAMED]]
    more = len(names) - len(warnings)
    return (
        (*warnings, f"{more} more fields were dropped on the way to the provider's dialect") if more else (*warnings,)
    )


def verbatim_of(request: CompletionRequest, dialect: Dialect) -> Verbatim | None:
    """Return the request as it was said, if it was said in `dialect`.

    Raises:
        BadInput: It was said in another dialect, and asks for what only that one has.
    """
    verbatim = request.messages.verbatim if isinstance(request.messages, VerbatimMessages) else None
    if verbatim is None or verbatim.dialect == dialect.name:
        return verbatim
    if verbatim.path is not None:
        raise BadInput(f"`{verbatim.path}` is asked of a provider that speaks {dialect.name}, not {verbatim.dialect}")
    return None


def verbatim_body(verbatim: Verbatim, request: CompletionRequest, dialect: Dialect, *, stream: bool) -> bytes:
    """Return the body as it was said; what it leaves open is added, and what must be another is replaced.

    Every value that stays keeps its bytes; if all stay, so does the body.

    Args:
        verbatim: What was said.
        request: The same in the neutral form, completed by the profile.
        dialect: That of `verbatim`.
        stream: Whether the answer is to be streamed.
    """
    wanted: dict[str, Any] = {"model": request.model}
    if verbatim.path is None:
        settings = msgspec.structs.replace(request, messages=(), system=None, tools=(), tool_choice=None)
        wanted = dialect.encode(settings, stream=stream).body
        del wanted["messages"]
    fields = _FIELDS.decode(verbatim.body)
    changes = {name: value for name, value in _merged(wanted, fields) if not _says(fields, name, value)}
    if not changes:
        return verbatim.body
    raw = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in changes.items()}
    return msgspec.json.encode(fields | raw)


def _merged(wanted: Mapping[str, Any], fields: Mapping[str, msgspec.Raw]) -> list[tuple[str, Any]]:
    """Return `wanted`, where an object keeps what else the sender has put into it."""
    said = {name: msgspec.json.decode(fields[name]) for name in _OURS & wanted.keys() & fields.keys()}
    return [
        (name, {**said[name], **value} if isinstance(value, dict) and isinstance(said.get(name), dict) else value)
        for name, value in wanted.items()
    ]


def _says(fields: Mapping[str, msgspec.Raw], name: str, value: Any) -> bool:
    """Say whether the body needs no change for `value`."""
    if name in _OURS:
        return name in fields and msgspec.json.decode(fields[name]) == value
    if value is None:  # a sender's own null
        return name in fields
    names = next((names for names in _SAME if name in names), (name,))
    return any(bytes(fields.get(said, _NULL)) != b"null" for said in names)


def asks_for_usage(verbatim: Verbatim) -> bool:
    """Say whether the sender wants the token counts at the end of a stream of chat completions."""
    asked = _Asked()
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):  # the provider will say what is wrong with it
        asked = msgspec.json.decode(verbatim.body, type=_Asked)
    return asked.stream_options is not None and asked.stream_options.include_usage is True
