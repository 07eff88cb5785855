"""Finds text in the lines of a log: a quick look at the bytes first, then at every text in the line. Pure."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from arawn.errors import BadInput
from arawn.interactions import memmem
from arawn.interactions.encode import encode_line
from arawn.interactions.required_text import required_text

__all__ = ["Place", "Query"]

# Below these keys the keys themselves were written by callers, models or tools.
_FREE_KEYS = frozenset({"arguments", "extra", "parameters", "tags"})
# What the log or a protocol says of a text, and not the text: its type, number, hash. Below free keys all is text.
_NOT_SAID = frozenset(
    {"kind", "id", "writer", "timestamp", "call_id", "tool_call_id", "interaction_id"}
    | {"type", "role", "media_type", "data", "sha256", "where", "redactions", "tool_choice"}
)
# What the log says of a call as a whole in words of its own; of `params`, `stop` and `extra` are a caller's.
_ABOUT_THE_CALL = frozenset({"provider", "status", "stop_reason", "stop_reason_raw", "routing"})
_FIRST_PIECE = 1 << 10  # what is sought may stand in every line: a look that soon ends must be cheap
_PIECE = 1 << 18
_SHORT = 32  # characters, which are searched as fast as they are looked up
_REMEMBERED = 1 << 22  # characters of texts that are remembered: of four bytes each, if they are odd
_AROUND = 80  # characters shown on either side of a match
_LONGEST_MATCH = 200
_OTHER_CASES = frozenset("kKsSiI")  # letters that have an upper or lower case outside of ASCII
_CLEAN = re.compile(r"[ !#-\[\]-~]+")  # ASCII that JSON writes as it is


class Place(msgspec.Struct, frozen=True):
    """Where a text was found: the path to it, the match, and what stands around it in its line, all cut to a width."""

    where: str
    before: str
    match: str
    after: str


class Query:
    """One text or regular expression that is looked for; `width` is the bytes of the longest thing `find_in` seeks."""

    def __init__(self, text: str, *, regex: bool = False, ignore_case: bool = False) -> None:
        """Prepare the search.

        Args:
            text: What is looked for; a regular expression (as of the `re` module, `^` and `$` at each line) if `regex`.
            regex: Whether it is one.
            ignore_case: Whether upper and lower case are the same.

        Raises:
            BadInput: `text` is empty, or no regular expression.
        """
        if not text:
            raise BadInput("nothing to search for: give a text that is not empty")
        flags = re.MULTILINE | (re.IGNORECASE if ignore_case else 0)
        try:
            with warnings.catch_warnings(action="ignore", category=FutureWarning):  # `[[` is read as it always was
                self._pattern = re.compile(text if regex else re.escape(text), flags)
        except (re.error, RecursionError, OverflowError) as error:
            raise BadInput(f"`{text}` is no regular expression: {error}; without `--regex` it is plain text") from error
        self._search = _Remembering(self._pattern.search)
        self._ignore_case = ignore_case
        sure = required_text(text) if regex else text
        self._always = not sure
        self._needles = _needles(sure)
        self._folded = sure.lower().encode() if sure.isascii() and _CLEAN.fullmatch(sure) else b""
        self._safe = _longest_safe_run(sure)
        self.width = max(map(len, (*self._needles, self._folded, self._safe)))

    @property
    def rules_out(self) -> bool:
        """Whether `find_in` can rule anything out: not where a regular expression requires no plain text."""
        return not self._always

    def may_be_in(self, line: bytes) -> bool:
        """Say whether a line of the log can hold the text; False is certain."""
        return self._always or self.find_in(line, 0, len(line)) >= 0

    def find_in(self, data: bytes | bytearray, start: int, end: int) -> int:
        """Return where in `data[start:end]` lines of the log first seem to hold the text; -1 is certain."""
        if len(self._needles) == 1 and not self._ignore_case:
            return memmem.find(self._needles[0], data, start, end)
        size = _FIRST_PIECE
        while start < end:
            place = self._find_in_piece(data, start, min(end, start + size + self.width))
            if place >= 0:
                return place
            start += size
            size = min(2 * size, _PIECE)
        return -1

    def _find_in_piece(self, data: bytes | bytearray, start: int, end: int) -> int:
        if not self._ignore_case:
            places = [data.find(needle, start, end) for needle in self._needles]
            return min((place for place in places if place >= 0), default=-1)
        part = data[start:end]  # a copy of each piece, never of a whole line
        needle = self._folded if self._folded and self._is_plain(part) else self._safe
        place = part.lower().find(needle)
        return start + place if place >= 0 else -1

    def _is_plain(self, part: bytes | bytearray) -> bool:
        """Say whether no letter of the text can stand in `part` as one outside of ASCII, not by its number either."""
        return part.isascii() and (self._safe == self._folded or b"\\u" not in part)

    def places(self, line: bytes) -> Iterator[Place]:
        """Return every text said or given in a line of the log that holds a match, with the first match in it.

        Raises:
            msgspec.DecodeError: The line is no JSON.
        """
        found: list[tuple[str, str, re.Match[str]]] = []
        _collect(msgspec.json.decode(line), "", self._search, found, free=False)
        return (_place(*match) for match in found)


class _Remembering:
    """A search that looks through a text once: each call of a conversation repeats what was said before."""

    def __init__(self, search: Callable[[str], re.Match[str] | None]) -> None:
        self._search = search
        self._without: set[str] = set()  # texts in which there is nothing
        self._characters = 0

    def __call__(self, text: str) -> re.Match[str] | None:
        if text in self._without:
            return None
        found = self._search(text)
        if found is None and _SHORT < len(text) <= _REMEMBERED:
            self._characters += len(text)
            if self._characters > _REMEMBERED:
                self._without.clear()
                self._characters = len(text)
            self._without.add(text)
        return found


def _needles(text: str) -> tuple[bytes, ...]:
    """Return the forms in which JSON can write `text`: as the log does, and with all but ASCII escaped."""
    return tuple(dict.fromkeys((encode_line(text)[1:-2], json.dumps(text)[1:-1].encode())))


def _longest_safe_run(text: str) -> bytes:
    """Return the longest part of `text` that looks alike in bytes whatever its case, once ASCII is lowered."""
    runs = "".join(char if _CLEAN.match(char) and char not in _OTHER_CASES else "\n" for char in text).split("\n")
    return max(runs, key=len).lower().encode()


def _collect(
    value: Any,
    where: str,
    search: Callable[[str], re.Match[str] | None],
    found: list[tuple[str, str, re.Match[str]]],
    *,
    free: bool,
) -> None:
    """Add every text below `value` that matches, with the path to it; keys too, where they are not the log's own.

    Paths are made for what holds texts, not for each text: that is what takes the time in a long conversation.
    """
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        if not where and key in _ABOUT_THE_CALL:
            continue
        if free and isinstance(key, str) and (match := search(key)) is not None:
            found.append((_below(where, key), key, match))
        kind = type(item)
        if kind is str:
            if (free or key not in _NOT_SAID or where == "error") and (match := search(item)) is not None:
                found.append((_below(where, key), item, match))
        elif (kind is dict or kind is list) and item:
            _collect(item, _below(where, key), search, found, free=free or key in _FREE_KEYS)


def _below(where: str, key: str | int) -> str:
    if isinstance(key, int):
        return f"{where}[{key}]"
    return f"{where}.{key}" if where else key


def _place(where: str, text: str, found: re.Match[str]) -> Place:
    start, end = found.span()
    before = text[max(0, start - _AROUND) : start].rpartition("\n")[2]
    after = text[end : end + _AROUND].partition("\n")[0]
    return Place(where, before, text[start : min(end, start + _LONGEST_MATCH)], after)
