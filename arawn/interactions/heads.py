"""Decodes a line of the log as cheaply as its use allows. Pure."""

from __future__ import annotations

import msgspec

from arawn.interactions.record import (
    FeedbackLine,
    GapLine,
    InteractionHead,
    LogLine,
    MarkLine,
    ToolResultLine,
)

__all__ = ["Head", "decode_head", "decode_line"]

Head = InteractionHead | ToolResultLine | FeedbackLine | GapLine | MarkLine

_FIRST_BODY_KEY = b',"system_prompt":'
_head_decoder: msgspec.json.Decoder[Head] = msgspec.json.Decoder(Head)
_line_decoder: msgspec.json.Decoder[LogLine] = msgspec.json.Decoder(LogLine)


def decode_head(line: bytes) -> Head:
    """Return the scalars of an interaction, or another kind of line whole.

    The line is cut before its first body key. The same key can stand deeper inside the scalars (in the arguments of a
    tool call); a cut there leaves an object open, which never decodes, so the next place is tried.

    Raises:
        msgspec.DecodeError: The line is no JSON, or not of a kind and shape that this version knows.
    """
    cut = line.find(_FIRST_BODY_KEY)
    while cut >= 0:
        try:
            return _head_decoder.decode(line[:cut] + b"}")
        except msgspec.DecodeError:
            cut = line.find(_FIRST_BODY_KEY, cut + 1)
    return _head_decoder.decode(line)


def decode_line(line: bytes) -> LogLine:
    """Return a line with everything in it.

    Raises:
        msgspec.DecodeError: As `decode_head`.
    """
    return _line_decoder.decode(line)
