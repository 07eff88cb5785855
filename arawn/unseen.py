"""The characters that are not seen and do something: to a terminal, to the order of a line, to where it ends. Pure.

What outsiders wrote goes through here before a person reads it on a terminal or in the daemon's log; names that are
shown in many places are refused if they hold one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["UNSEEN", "json_escaped", "one_line", "set_off", "without_unseen"]

_CONTROL = (*range(0x20), *range(0x7F, 0xA0))  # C0, DEL and C1: cursor, colours, title, bell
_MARKS = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))  # they turn the order of a line about
_ENDS = (*map(ord, "\n\v\f\r\x85"), 0x2028, 0x2029)  # of a line
_ALL = frozenset((*_CONTROL, *_MARKS, *_ENDS))

UNSEEN = re.compile(f"[{re.escape(''.join(map(chr, sorted(_ALL))))}]")

_KEPT = {code: None for code in _ALL if chr(code) not in "\n\t"} | {0x2028: " ", 0x2029: " "}
_ONE_LINE = _KEPT | dict.fromkeys(_ENDS, " ")
_ESCAPED = {code: f"\\u{code:04x}" for code in _ALL if code >= 0x7F}  # JSON has escaped those below


def without_unseen(text: str) -> str:
    """Return `text` without them; its line ends and tabs stay."""
    return text.translate(_KEPT)


def one_line(text: str) -> str:
    """Return `text` without them, as one line: line ends become spaces, tabs stay."""
    return text.translate(_ONE_LINE)


def set_off(lines: Iterable[str]) -> str:
    """Return one text of `lines`: those below the first begin with a space, so that none passes for another's first.

    Empty ones stay empty.
    """
    first, *below = lines
    return "\n".join((first, *(line if line.startswith(" ") or not line else f"  {line}" for line in below)))


def json_escaped(text: str) -> str:
    """Return the same JSON, each of them written by its number."""
    return text if text.isascii() and "\x7f" not in text else text.translate(_ESCAPED)
