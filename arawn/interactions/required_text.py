"""The text that everything which a regular expression finds must hold: searched for first, it rules lines out. Pure."""

from __future__ import annotations

import re

__all__ = ["required_text"]

_SHORTEST = 3  # characters: what is shorter stands in nearly every line
_REPEATED = re.compile(r"\{(?:\d+(?:,\d*)?|,\d+)\}")
_CLASS = re.compile(r"\[\^?\]?(?:[^\]\\]|\\.)*\]", re.DOTALL)
_KINDS = frozenset("AbBdDsSwWZ" + "afnrtv")  # escapes of one letter: a kind of character, a place, a control character


def required_text(pattern: str) -> str:
    """Return the longest text that stands in whatever `pattern` matches, as far as that is plain; empty if none is.

    It looks at what is outside of all groups and classes. Without it nothing is ruled out, so where it cannot be sure,
    as with alternatives, flags and characters by their number, it returns nothing.

    Args:
        pattern: A regular expression that the `re` module has accepted, without `re.VERBOSE`.
    """
    runs = [""]
    place = 0
    while place < len(pattern):
        char = pattern[place]
        end = _end_of(pattern, place)
        if end is None:
            return ""
        if char == "\\" and pattern[place + 1] not in _KINDS:
            runs[-1] += pattern[place + 1]
        elif char in "*?{":  # what stands before it may be missing
            runs[-1] = runs[-1][:-1]
            runs.append("")
        elif end > place + 1 or char in ".^$+":
            runs.append("")
        else:
            runs[-1] += char
        place = end
    longest = max(runs, key=len)
    return longest if len(longest) >= _SHORTEST else ""


def _end_of(pattern: str, place: int) -> int | None:
    """Return where the part of a pattern that begins at `place` ends; None where nothing can be said of the whole."""
    match pattern[place]:
        case "|":
            return None
        case "\\":
            escaped = pattern[place + 1]
            return place + 2 if escaped in _KINDS or not escaped.isalnum() else None
        case "[":
            return _CLASS.match(pattern, place).end()  # type: ignore[union-attr]  # `re` has accepted it
        case "{":
            repeated = _REPEATED.match(pattern, place)
            return repeated.end() if repeated else None
        case "(":
            return _end_of_group(pattern, place)
    return place + 1


def _end_of_group(pattern: str, place: int) -> int | None:
    """Return where a group ends; None for what is more than a group, such as flags for all that follows."""
    if pattern.startswith("(?", place) and not pattern.startswith("(?:", place):
        return None
    depth = 0
    while True:
        match pattern[place]:
            case "\\":
                place += 1
            case "[":
                place = _CLASS.match(pattern, place).end() - 1  # type: ignore[union-attr]  # as above
            case "(":
                depth += 1
            case ")":
                depth -= 1
        place += 1
        if not depth:
            return place
