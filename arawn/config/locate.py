"""Find the line of every key of a TOML text. Pure: `tomllib` reads the values, this only says where they stand."""

from __future__ import annotations

import re
import tomllib

from arawn.config.keypath import KeyPath

__all__ = ["key_lines"]

_PART = r"""(?: [A-Za-z0-9_-]+ | "(?:\\.|[^"\\\n])*" | '[^'\n]*' )"""
_BLANK = re.compile(r"(?: [ \t\r\n] | \#[^\n]* )+", re.VERBOSE)
_KEY = re.compile(rf"{_PART} (?: [ \t]*\.[ \t]* {_PART} )*", re.VERBOSE)
_KEY_PART = re.compile(_PART, re.VERBOSE)
_HEADER = re.compile(rf"(?P<open>\[\[?) [ \t]* (?P<key>{_KEY.pattern}) [ \t]* \]\]?", re.VERBOSE)
# A multi-line string may end in up to two quotes of its own before the three that close it.
_VALUE_TOKEN = re.compile(
    r'''
      """ (?:\\.|[^\\])*? """ "{0,2}
    | \'\'\' .*? \'\'\' \'{0,2}
    | "(?:\\.|[^"\\\n])*" | '[^'\n]*'
    | \#[^\n]*
    | [^"'\#\[\]{}\n]+
    | .
    ''',
    re.VERBOSE | re.DOTALL,
)


def key_lines(text: str) -> dict[KeyPath, int]:
    """Map every key path of `text` to its line, counted from 1.

    Keys inside an inline table or an array have no entry of their own: they stand where the key does that holds them.

    Args:
        text: A TOML document that `tomllib` accepts.

    Raises:
        ValueError: It is no such document.
    """
    lines: dict[KeyPath, int] = {}
    table: KeyPath = ()
    lengths: dict[KeyPath, int] = {}  # of each array of tables met so far
    position = _after_blank(text, 0)
    while position < len(text):
        line = text.count("\n", 0, position) + 1
        if header := _HEADER.match(text, position):
            table = _header_path(header, lengths)
            _note(lines, table, line)
            position = header.end()
        elif key := _KEY.match(text, position):
            _note(lines, (*table, *_parts(key.group())), line)
            position = _after_value(text, key.end())
        else:
            raise ValueError(f"cannot find the keys of a TOML text: line {line} starts neither a table nor a key")
        position = _after_blank(text, position)
    return lines


def _note(lines: dict[KeyPath, int], path: KeyPath, line: int) -> None:
    for length in range(1, len(path)):
        lines.setdefault(path[:length], line)
    lines[path] = line


def _header_path(header: re.Match[str], lengths: dict[KeyPath, int]) -> KeyPath:
    """Return the path of a `[table]` or `[[array of tables]]`: inside the last item of any array on its way."""
    *parents, last = _parts(header["key"])
    path: KeyPath = ()
    for part in parents:
        path = (*path, part)
        if path in lengths:
            path = (*path, lengths[path] - 1)
    path = (*path, last)
    if header["open"] == "[":
        return path
    lengths[path] = lengths.get(path, 0) + 1
    return (*path, lengths[path] - 1)


def _parts(key: str) -> list[str]:
    return [_unquoted(part) for part in _KEY_PART.findall(key)]


def _unquoted(part: str) -> str:
    if part[0] not in "\"'":
        return part
    return str(tomllib.loads(f"key = {part}")["key"])


def _after_blank(text: str, position: int) -> int:
    blank = _BLANK.match(text, position)
    return blank.end() if blank else position


def _after_value(text: str, position: int) -> int:
    """Return where the statement that goes on at `position` ends: a line end outside strings and brackets."""
    depth = 0
    for token in _VALUE_TOKEN.finditer(text, position):
        if token.group() in ("[", "{"):
            depth += 1
        elif token.group() in ("]", "}"):
            depth -= 1
        elif token.group() == "\n" and depth == 0:
            return token.end()
    return len(text)
