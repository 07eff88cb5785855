"""Bytes from outside as text: UTF-8, or refused, since what stood in the place of a wrong byte would be sent."""

from __future__ import annotations

import os

from arawn.errors import BadInput

__all__ = ["from_utf8", "require_utf8"]

_MARK = b"\xef\xbb\xbf"  # some editors begin a file with it


def from_utf8(data: bytes, what: str) -> str:
    """Return `data` as text, without a byte order mark at its beginning.

    Args:
        data: All of it, or a whole line.
        what: What it is, for the message.

    Raises:
        BadInput: It is not UTF-8; the message names the first wrong byte and its place, counted from 0.
    """
    try:
        return data.decode("utf-8").removeprefix(_MARK.decode())
    except UnicodeDecodeError as error:
        wrong = f"byte 0x{data[error.start]:02x} at {error.start}"
    raise BadInput(f"{what} is not UTF-8 ({wrong}); convert it first, for example with `iconv -f latin1 -t utf-8`")


def require_utf8(text: str, what: str) -> str:
    """Return text of the command line or a terminal, where Python keeps bytes that the locale lacks as lone surrogates.

    Raises:
        BadInput: It holds such bytes, and they are no UTF-8 either.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return from_utf8(os.fsencode(text), what)
    return text
