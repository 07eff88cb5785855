"""How a dialect says that what it was given is not a reply: the two signals, and decoding that raises them. Pure."""

from __future__ import annotations

import json
from typing import Any, TypeVar

import msgspec

from arawn.messages import CompletionResponse

__all__ = ["ReportedError", "WrongShapeError", "decode_as", "reported_error"]

T = TypeVar("T")

_STATUS_DIGITS = 3


class WrongShapeError(ValueError):
    """The text is not what the dialect allows; the message says where it differs."""


class ReportedError(Exception):
    """The provider reported an error inside an answer whose status said 200."""

    def __init__(self, message: str, *, code: str | None = None, status: int | None = None) -> None:
        """Keep what the provider said.

        Args:
            message: The provider's own sentence, "" if it gave none.
            code: The provider's own word for the error.
            status: The HTTP status that the error itself names.

        """
        super().__init__(message)
        self.message = message
        self.code = code
        self.status = status
        self.partial: CompletionResponse | None = None  # what a plain answer said before the error


def decode_as(decoder: msgspec.json.Decoder[T], text: bytes | str) -> T:
    """Return `text` decoded.

    Raises:
        WrongShapeError: If it is not JSON, not UTF-8, nested too deep, or of another shape.
    """
    try:
        return decoder.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        plain = _plain_json(text)  # a number beyond all floats is an error of shape too
        if plain is None:
            raise WrongShapeError(str(error)) from error
    return decode_as(decoder, plain)


def _plain_json(text: bytes | str) -> bytes | None:
    """Return `text` without what only lenient readers take: a BOM, numbers that are none, halves of characters."""
    try:
        said = text if isinstance(text, str) else text.decode(json.detect_encoding(text), "replace")
        value = json.loads(said.removeprefix("\ufeff"), parse_constant=lambda _: None)
        plain = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
    except (ValueError, RecursionError):
        return None
    return None if plain == text else plain


def reported_error(value: Any) -> ReportedError:
    """Return the error held in `value`: what stands under `error`, or a whole error body without such a key.

    Providers put a word or a number under `code`, a word under `type`, and their sentence under `message` or `detail`.
    """
    if not isinstance(value, dict):
        return ReportedError(value if isinstance(value, str) else "")
    names = [value.get(key) for key in ("code", "type", "status")]
    words = [name for name in names if isinstance(name, str) and name and not name.isdecimal()]
    short = [name for name in names if isinstance(name, int) or (isinstance(name, str) and len(name) == _STATUS_DIGITS)]
    numbers = [int(name) for name in short if isinstance(name, int) or name.isdecimal()]
    statuses = [number for number in numbers if 400 <= number <= 599]
    sentence = value.get("message") or value.get("detail")
    return ReportedError(
        sentence if isinstance(sentence, str) else "",
        code=words[0] if words else None,
        status=statuses[0] if statuses else None,
    )
