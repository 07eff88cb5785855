"""Messages and tools made ready for the log: without secrets, cut, encoded; and that only once.

A conversation is sent whole with every call. What is remembered of it is used again

- for the very same message, if nothing in it can change (the memory holds it, so its identity stays its own), or
- for one whose JSON is equal byte for byte to that of a value whose every text was searched,

under the same redactor and the same configuration, and for nothing else.
"""

from __future__ import annotations

from itertools import chain, compress, repeat
from operator import attrgetter, is_, is_not
from typing import Any, cast

import msgspec

from arawn.config.schema import InteractionLogConfig
from arawn.interactions.encode import encode_line, encode_strictly, with_text_keys
from arawn.interactions.record import BodyDigest, Truncation
from arawn.interactions.redact import Redactor
from arawn.interactions.shorten import cut_message, digest
from arawn.messages import Image, Message, Text, ToolDefinition, ToolUse

__all__ = ["ReadyMessage", "ReadyTools", "ready_messages", "ready_tools"]

_DEEPEST = 20  # what is nested deeper is not remembered
_ENTRY_BYTES = 1_000  # what an entry takes without its texts
_ATOMS = frozenset((str, int, float, bool, type(None)))
_are_text_blocks = frozenset((Text,)).issuperset
_are_plain_texts = frozenset((str,)).issuperset
_text_of = attrgetter("text")
_config_of = attrgetter("config")


class ReadyMessage(msgspec.Struct, frozen=True, gc=False):
    """What the log takes of `message` under `config`; the places of cuts begin inside the message."""

    message: Message
    config: InteractionLogConfig
    body: msgspec.Raw | BodyDigest
    rules: tuple[str, ...]
    cuts: tuple[Truncation, ...]


class ReadyTools(msgspec.Struct, frozen=True, gc=False):
    """What the log takes of the tools of a request under `config`."""

    config: InteractionLogConfig | None
    names: tuple[str, ...]
    bodies: tuple[msgspec.Raw, ...]
    rules: tuple[str, ...]


_NO_TOOLS = ReadyTools(None, (), (), ())


class _New(msgspec.Struct, gc=False):
    """A message of which nothing is remembered: its place, its JSON, and its texts if there is nothing else in it."""

    place: int
    message: Message
    data: bytes | None
    texts: list[str] | None


def ready_messages(
    messages: tuple[Message, ...], redactor: Redactor, config: InteractionLogConfig
) -> list[ReadyMessage]:
    """Return what the log takes of each of `messages`. The texts of those that are new are searched all at once."""
    memory = redactor.messages
    ready = memory.get_all(list(map(id, messages)))
    if any(map(is_not, map(_config_of, filter(None, ready)), repeat(config))):
        ready = [None] * len(messages)
    if None in ready:
        new: list[_New] = []
        for place, message in list(compress(enumerate(messages), map(is_, ready, repeat(None)))):
            data = encode_strictly(message)
            known = None if data is None else memory.get(data)
            if known is None or known.config is not config:
                new.append(_New(place, message, data, _plain_texts(message)))
            else:
                ready[place] = known
        if new:
            texts = [*chain.from_iterable(one.texts for one in new if one.texts)]
            clean = not config.redact_secrets or redactor.are_clean(texts)
            for one in new:
                ready[one.place] = _made_ready(one, redactor, config, clean=clean)
    return cast("list[ReadyMessage]", ready)


def _made_ready(new: _New, redactor: Redactor, config: InteractionLogConfig, *, clean: bool) -> ReadyMessage:
    """Return what the log takes of a message, and remember it; `clean` says that its texts need no more searching."""
    message, data, plain = new.message, new.data, new.texts is not None
    if clean and plain and data and config.include_messages:
        ready = ReadyMessage(message, config, msgspec.Raw(data), (), ())
    else:
        ready = _make_message_ready(message, data, redactor, config)
    size = _ENTRY_BYTES + 3 * len(data or b"")  # the message, its JSON, and what is logged of it
    if plain or _is_fixed(message, _DEEPEST):
        redactor.messages.put(id(message), ready, size)
    if data is not None and (plain or _is_searched(message, _DEEPEST)):
        redactor.messages.put(data, ready, size)
    return ready


def _make_message_ready(
    message: Message, data: bytes | None, redactor: Redactor, config: InteractionLogConfig
) -> ReadyMessage:
    clean, rules = redactor.redact(message) if config.redact_secrets else (message, [])
    clean, cuts = cut_message(clean, config.truncate_tool_results)
    body: msgspec.Raw | BodyDigest
    if not config.include_messages:
        body = digest(clean.content, role=clean.role)
    elif not _has_text_keys(clean):
        body = msgspec.Raw(encode_line(with_text_keys(clean))[:-1])
    elif clean is message and data is not None:
        body = msgspec.Raw(data)
    else:
        body = msgspec.Raw(encode_line(clean)[:-1])
    return ReadyMessage(message, config, body, tuple(rules), cuts)


def _has_text_keys(message: Message) -> bool:
    uses = (block for block in message.content if isinstance(block, ToolUse))
    return all(with_text_keys(use.arguments) is use.arguments for use in uses)


def ready_tools(tools: tuple[ToolDefinition, ...], redactor: Redactor, config: InteractionLogConfig) -> ReadyTools:
    """Return what the log takes of `tools`."""
    if not tools:
        return _NO_TOOLS
    data = encode_strictly(tools)
    if data is not None and (known := redactor.tools.get(data)) is not None and known.config is config:
        return known
    clean, rules = redactor.redact(tools) if config.redact_secrets else (tools, [])
    names = tuple(tool.name for tool in clean)
    bodies = tuple(msgspec.Raw(encode_line(with_text_keys(tool))[:-1]) for tool in clean)
    ready = ReadyTools(config, names, bodies, tuple(rules))
    if data is not None and _is_searched(tools, _DEEPEST):
        redactor.tools.put(data, ready, _ENTRY_BYTES + 3 * len(data))
    return ready


def _plain_texts(message: Message) -> list[str] | None:
    """Return every text of `message` if there is nothing but text in it, which answers both questions below; else None.

    Most messages are such, and stay as they are: none of the steps for the others need be asked then.
    """
    if type(message) is not Message or type(message.content) is not tuple:
        return None
    if not _are_text_blocks(map(type, message.content)):
        return None
    texts = [message.role, *map(_text_of, message.content)]
    return texts if _are_plain_texts(map(type, texts)) else None


def _is_fixed(value: Any, depth: int) -> bool:
    """Say whether nothing in `value` can ever change."""
    if type(value) in _ATOMS:
        return True
    if not depth:
        return False
    if isinstance(value, msgspec.Struct):
        fields = (getattr(value, name) for name in value.__struct_fields__)
        return value.__struct_config__.frozen and all(_is_fixed(field, depth - 1) for field in fields)
    return type(value) is tuple and all(_is_fixed(item, depth - 1) for item in value)


def _is_searched(value: Any, depth: int) -> bool:
    """Say whether every text in the JSON of `value` is one that the redactor looks into."""
    if type(value) in _ATOMS:
        return True
    if not depth or (isinstance(value, Image) and value.data is not None):
        return False
    if isinstance(value, msgspec.Struct):
        return all(_is_searched(getattr(value, name), depth - 1) for name in value.__struct_fields__)
    if type(value) is dict:
        return all(type(key) is str and _is_searched(item, depth - 1) for key, item in value.items())
    return type(value) in (tuple, list) and all(_is_searched(item, depth - 1) for item in value)
