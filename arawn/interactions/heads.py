"""Decodes a line of the log as cheaply as its use allows. Pure."""

from __future__ import annotations

from datetime import datetime
from operator import attrgetter
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

__all__ = ["UNREADABLE", "Head", "decode_head", "decode_line", "head_or_none", "scalars_size"]

Head = InteractionHead | ToolResultLine | FeedbackLine | GapLine | MarkLine
L = TypeVar("L", bound=Head)

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)  # what decoding any bytes at all can raise

_COUNTS = (
    *("input_tokens", "output_tokens", "reasoning_tokens"),
    *("cache_read_tokens", "cache_write_tokens", "total_input_tokens"),
)
_counts_of = attrgetter(*_COUNTS)
_MOST = (1 << 63) - 1  # as much as every tool takes that reads Parquet
_TIME_LENGTH = len("2026-01-31T12:34:56.123456Z")
_FIRST_BODY_KEY = b',"system_prompt":'
_CUTS = 8  # places tried; a line with more of them before its bodies is decoded whole
_head_decoder: msgspec.json.Decoder[Head] = msgspec.json.Decoder(Head)
_line_decoder: msgspec.json.Decoder[LogLine] = msgspec.json.Decoder(LogLine)


def decode_head(line: bytes) -> Head:
    """Return the scalars of an interaction, or another kind of line whole; counts of tokens that are none are null.

    The line is cut before its first body key. The same key can stand deeper inside the scalars (in the arguments of a
    tool call); a cut there leaves an object open, which never decodes, so the next place is tried.

    Raises:
        msgspec.DecodeError: The line is no JSON, or not of a kind and shape that this version knows, or of no time; of
            one that a newer Arawn wrote it says so.
    """
    cut = line.find(_FIRST_BODY_KEY)
    for _ in range(_CUTS):
        if cut < 0:
            break
        try:
            return _usable(_head_decoder.decode(line[:cut] + b"}"))
        except msgspec.DecodeError:
            cut = line.find(_FIRST_BODY_KEY, cut + 1)
    try:
        return _usable(_head_decoder.decode(line))
    except msgspec.DecodeError as error:
        raise _in_words(line, error) from None


def _in_words(line: bytes, error: msgspec.DecodeError) -> msgspec.DecodeError:
    from arawn.interactions.line_check import newer_line  # which decodes lines, too

    newer = newer_line(line)
    if newer is None:
        return error
    return msgspec.ValidationError(f"written by a newer Arawn ({newer.why}), which can read it")


def head_or_none(line: bytes) -> Head | None:
    """Return what `decode_head` returns; None for a line that it cannot read."""
    try:
        return decode_head(line)
    except UNREADABLE:
        return None


def scalars_size(line: bytes) -> int:
    """Return about how many bytes stand before the bodies."""
    cut = line.find(_FIRST_BODY_KEY)
    return cut if cut >= 0 else len(line)


def decode_line(line: bytes) -> LogLine:
    """Return a line with everything in it.

    Raises:
        msgspec.DecodeError: As `decode_head`.
    """
    return _usable(_line_decoder.decode(line))


def _usable(line: L) -> L:
    """Return `line` with null for each count of tokens that can be none: all readers take those alike.

    Raises:
        msgspec.ValidationError: Its time is none, and no reader can place it.
    """
    if not _is_time(line.timestamp):
        raise msgspec.ValidationError(f"`{line.timestamp[:40]}` is no timestamp")
    if not isinstance(line, InteractionHead):
        return line
    for count in _counts_of(line):
        if count is not None and not 0 <= count <= _MOST:
            break
    else:
        return line
    counts = zip(_COUNTS, _counts_of(line), strict=True)
    return msgspec.structs.replace(line, **{name: None for name, count in counts if not 0 <= (count or 0) <= _MOST})


def _is_time(text: str) -> bool:
    """Say whether a reader can take it for a time; how the log writes one is for `check_line` to say."""
    if len(text) != _TIME_LENGTH or text[10] != "T" or text[-1] != "Z":
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
