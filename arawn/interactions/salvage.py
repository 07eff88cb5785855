"""Finds whole lines inside damaged bytes: behind NULs, behind half a line, with a newline that was flipped. Pure."""

from __future__ import annotations

import json

from arawn.interactions.line_check import CheckedLine, check_line

__all__ = ["Salvaged", "whole_lines_in"]

Salvaged = tuple[int, int, CheckedLine]  # where a line begins and ends, without its newline, and what it says

_BEGINNING = b'{"kind":"'
_BEFORE_VALUES = (b":", b",", b"[")
_TRIES = 1_000  # in bodies that a caller wrote, any number of objects can look like the beginning of a line
_scan = json.JSONDecoder().raw_decode


def whole_lines_in(data: bytes) -> list[Salvaged]:
    """Return the whole lines that `data`, itself none, holds, in order.

    One that stands where a value inside another line can stand is none: the arguments of a tool call can be an object
    that looks like a line, and whoever chose them would write into the log.
    """
    text = data.decode("latin-1")  # a character a byte: only where values end is asked of it
    found: list[Salvaged] = []
    start = data.find(_BEGINNING)
    for _ in range(_TRIES):
        if start < 0:
            break
        end = start if data[start - 1 : start] in _BEFORE_VALUES else _end_of_value(text, start)
        checked = check_line(data[start:end] + b"\n")
        if isinstance(checked, CheckedLine):
            found.append((start, end, checked))
            start = end - 1
        start = data.find(_BEGINNING, start + 1)
    return found


def _end_of_value(text: str, start: int) -> int:
    """Return where the JSON value ends that begins at `start`; `start` itself when none does."""
    try:
        return _scan(text, start)[1]
    except (ValueError, RecursionError):
        return start
