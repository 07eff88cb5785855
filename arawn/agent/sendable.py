"""What of a tool's answer the model is given: whole characters, text up to a limit, no odd picture. Pure."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

from arawn.messages import Image, Text

__all__ = ["Content", "sendable"]

Content = tuple[Text | Image, ...]

_PICTURES = {"image/gif", "image/jpeg", "image/png", "image/webp"}  # what every provider that takes pictures takes
_HALF = re.compile("[\ud800-\udfff]")  # Python has them for bytes that it could not read, as in names of files
_PICTURE_BYTES = 5_000_000  # of base64: no provider takes more


def sendable(content: Content, limit: int) -> Content:
    """Return an answer that can be sent to any provider and stored, with a word on what is missing.

    A history that a provider refuses would end the conversation for good.

    Args:
        content: What a tool answered.
        limit: Bytes of text, in UTF-8, that are kept; > 0. A picture has a limit of its own.
    """
    return tuple(_kept(content, limit))


def _kept(content: Content, limit: int) -> Iterator[Text | Image]:
    found = halves = 0
    for block in content:
        fault = _fault(block) if isinstance(block, Image) else None
        if isinstance(block, Image) and fault is None:
            yield block
            continue
        text = f"[a picture was left out: {fault}]" if isinstance(block, Image) else block.text
        data = text.encode("utf-8", "replace")
        halves += len(_HALF.findall(text))
        room = max(0, limit - found)
        found += len(data)
        if room or not data:
            yield Text(data[:room].decode("utf-8", "ignore"))
    if found > limit:
        yield Text(f"[cut: this answer has {found:,} bytes of text, of which you see the first {limit:,}]")
    if halves:
        yield Text(f"[changed: {halves:,} x `?` stands for half a character or a byte that is no UTF-8]")


def _fault(picture: Image) -> str | None:
    """Return why a picture cannot be sent, in words for the model; None if it can."""
    if picture.data is None:
        usable = picture.url is not None and picture.url.isascii()
        return None if usable else "it has neither data nor address"
    if picture.media_type not in _PICTURES:
        return f"its type is `{picture.media_type}`, and models take {', '.join(sorted(_PICTURES))}"
    if len(picture.data) > _PICTURE_BYTES:
        return f"it has {len(picture.data):,} bytes of base64, and models take {_PICTURE_BYTES:,}"
    try:
        base64.b64decode(picture.data, validate=True)
    except (binascii.Error, ValueError):
        return "it is no base64"
    return None
