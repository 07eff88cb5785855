"""How much memory a line takes on its way to the log, and what is left of it when its bodies are dropped. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from arawn.interactions.encode import clean_text, encode_line
from arawn.interactions.record import InteractionRecord, LogLine, ToolResultLine, Truncation

__all__ = ["weigh", "without_bodies"]

_EMPTY: Mapping[str, Any] = MappingProxyType(
    {"system_prompt": None, "tools": (), "response_content": (), "messages": ()}
)
_packer = msgspec.msgpack.Encoder()  # copies texts as they are: a tenth of the price of JSON


def weigh(line: LogLine) -> int:
    """Return about how many bytes `line` is long once encoded; escapes may add to it."""
    try:
        return len(_packer.encode(line))
    except (ValueError, TypeError, RecursionError, OverflowError):  # the values that JSON needs a rule for
        return len(encode_line(line))


def without_bodies(line: LogLine) -> LogLine:
    """Return `line` with empty bodies, each one named in `truncated`; a line that has none stays as it is.

    A body that is no text counts as its JSON text.
    """
    match line:
        case InteractionRecord():
            dropped = tuple(_dropped(name, body) for name in _EMPTY if (body := getattr(line, name)))
            return msgspec.structs.replace(line, truncated=line.truncated + dropped, **_EMPTY)
        case ToolResultLine(content=str(content)):
            return msgspec.structs.replace(
                line, truncated=(*line.truncated, _dropped("content", content)), content=None
            )
        case _:
            return line


def _dropped(name: str, body: Any) -> Truncation:
    text = clean_text(body) if isinstance(body, str) else encode_line(body)[:-1].decode()
    return Truncation(where=name, length=len(text), sha256=hashlib.sha256(text.encode()).hexdigest())
