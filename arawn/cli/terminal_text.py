"""What becomes of texts from outside when the stream that they go to is a terminal; piped, they stay as they are."""

from __future__ import annotations

import sys
from typing import TextIO

from arawn.unseen import json_escaped, one_line, set_off, without_unseen

__all__ = ["error_line", "json_shown", "line_shown", "printable"]


def printable(text: str, stream: TextIO | None = None) -> str:
    """Return `text` without what a terminal would take as a command; line ends and tabs stay.

    Args:
        text: A model, a provider, a tool or the name of a file may have brought any part of it.
        stream: Where it is printed; stdout if it is not said.
    """
    return without_unseen(text) if (stream or sys.stdout).isatty() else text


def line_shown(text: str, stream: TextIO) -> str:
    """Return `text`, of which no part can begin a line of its own on a terminal, nor be a command to it."""
    return one_line(text) if stream.isatty() else text


def error_line(text: str) -> str:
    """Return what goes to stderr for an error: what stands below its first line is set off, so it passes for no other.

    Also where stderr is no terminal: that of `arawn start` is a log. The last words of a program that failed are many
    lines.
    """
    lines = text.split("\n")
    return set_off(map(one_line, lines) if sys.stderr.isatty() else lines)


def json_shown(document: bytes) -> bytes:
    r"""Return the same JSON, with what a terminal would take as a command written as `\uXXXX`."""
    if not sys.stdout.isatty():
        return document
    return json_escaped(document.decode("utf-8", "replace")).encode()  # of a damaged line, which is shown as it is
