"""Tools that take free text: offered to every backend as functions of one text, and called back as they are. Pure.

The model writes `{"input": "…"}`; the client gets what stands in it.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

__all__ = ["InputPieces", "as_function", "input_of"]

_WHAT = "The whole text for this tool, as it is."
# How the arguments of a call begin; what begins otherwise, or with much white space, is read at its end.
_OPENING = re.compile(r'\s*\{\s*"input"\s*:\s*"')
_LONGEST_OPENING = 64
# What of a text in JSON can be read without what follows: an escape is never cut, nor a pair of surrogates.
_READABLE = re.compile(r'(?:[^"\\]+|\\u(?![dD][89abAB])[0-9a-fA-F]{4}|\\u[0-9a-fA-F]{4}\\u[0-9a-fA-F]{4}|\\[^u])*')


def as_function(tool: dict[str, Any]) -> dict[str, Any]:
    """Return the function that a custom tool is offered as.

    Its format stands with the argument: how long the description of a tool may be is limited by some providers.
    """
    what = _WHAT
    match tool.get("format"):
        case {"type": "grammar", "syntax": str(syntax), "definition": str(definition)}:
            what += f" It must match this grammar ({syntax}):\n\n{definition.strip()}"
    text = {"type": "string", "description": what}
    parameters = {"type": "object", "properties": {"input": text}, "required": ["input"], "additionalProperties": False}
    return {"type": "function", "name": tool["name"], "description": tool.get("description"), "parameters": parameters}


def input_of(arguments: str) -> str:
    """Return the text that a call of a custom tool is for.

    Arguments of another shape are handed over as they are: a tool that cannot read them says so, and the model learns
    of it; a part of them might be read as something that was not meant. No arguments are no text.
    """
    if not arguments.strip():
        return ""
    try:
        said = msgspec.json.decode(arguments)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return arguments
    match said:
        case {"input": str(text)}:
            return text
        case dict() if not said:
            return ""
    return arguments


class InputPieces:
    """Reads the text of a call while its arguments arrive; what is of another shape is not read before its end."""

    def __init__(self) -> None:
        """Begin with nothing read."""
        self._unread = ""
        self._read: list[str] = []
        self._within = False
        self._over = False

    def read(self, piece: str) -> str:
        """Return what more of the text can be read with `piece` of the arguments."""
        if self._over:
            return ""
        self._unread += piece
        if not self._within:
            self._enter()
        return self._more() if self._within else ""

    def _enter(self) -> None:
        """Go to the beginning of the text, if it is there."""
        opening = _OPENING.match(self._unread)
        if opening is not None:
            self._within, self._unread = True, self._unread[opening.end() :]
        self._over = not self._within and len(self._unread) > _LONGEST_OPENING

    def _more(self) -> str:
        readable = _READABLE.match(self._unread)
        end = readable.end() if readable else 0
        text, self._unread = self._unread[:end], self._unread[end:]
        self._over = self._unread.startswith('"')
        try:
            said: str = msgspec.json.decode(f'"{text}"')
        except msgspec.DecodeError:  # such as a bare line break, or half a pair of surrogates
            self._over = True
            return ""
        self._read.append(said)
        return said

    def rest_of(self, whole: str) -> str:
        """Return what of `whole`, the text as it is known at the end, was not read yet.

        Nothing if something else was read: the arguments began as those of the offered function, and went on otherwise.
        """
        read = "".join(self._read)
        return whole[len(read) :] if whole.startswith(read) else ""
