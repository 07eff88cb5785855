"""Decodes a line of the log as cheaply as its use allows. Pure."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from arawn.interactions.record import (
    FeedbackLine,
    GapLine,
    InteractionHead,
    LogLine,
    MarkLine,
    ToolResultLine,
)

__all__ = ["UNREADABLE", "Head", "decode_head", "decode_line", "decode_scalars", "scalars_size"]

T = TypeVar("T")

Head = InteractionHead | ToolResultLine | FeedbackLine | GapLine | MarkLine

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)  # what decoding any bytes at all can raise

_FIRST_BODY_KEY = b',"system_prompt":'
_CUTS = 8  # places tried; a line with more of them before its bodies is decoded whole
_head_decoder: msgspec.json.Decoder[Head] = msgspec.json.Decoder(Head)
_line_decoder: msgspec.json.Decoder[LogLine] = msgspec.json.Decoder(LogLine)


def decode_head(line: bytes) -> Head:
    """Return the scalars of an interaction, or another kind of line whole.

    The line is cut before its first body key. The same key can stand deeper inside the scalars (in the arguments of a
    tool call); a cut there leaves an object open, which never decodes, so the next place is tried.

    Raises:
        msgspec.DecodeError: The line is no JSON, or not of a kind and shape that this version knows.
    """
    return decode_scalars(line, _head_decoder)


def decode_scalars(line: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """Return what `decoder` makes of the line, cut as for `decode_head`. Errors as there."""
    cut = line.find(_FIRST_BODY_KEY)
    for _ in range(_CUTS):
        if cut < 0:
            break
        try:
            return decoder.decode(line[:cut] + b"}")
        except msgspec.DecodeError:
            cut = line.find(_FIRST_BODY_KEY, cut + 1)
    return decoder.decode(line)


def scalars_size(line: bytes) -> int:
    """Return about how many bytes stand before the bodies."""
    cut = line.find(_FIRST_BODY_KEY)
    return cut if cut >= 0 else len(line)


def decode_line(line: bytes) -> LogLine:
    """Return a line with everything in it.

    Raises:
        msgspec.DecodeError: As `decode_head`.
    """
    return _line_decoder.decode(line)
