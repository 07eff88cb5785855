"""What can still be decoded of a compressed file that is no part of the log any more, or not yet."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from arawn.interactions.sealed import BadFrame, load_frame, stream, table

__all__ = ["texts_of"]


def texts_of(path: Path) -> Iterator[bytes | None]:
    """Yield the text of every frame, None for one that cannot be decoded.

    Without a table it is the beginning, as far as it can be decoded.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        read = partial(os.pread, file.fileno())
        frames = table(read, path.stat().st_size)
        if frames is None:
            yield from _beginning(stream(read))
            return
        for frame in frames:
            try:
                yield load_frame(read, frame)
            except BadFrame:
                yield None


def _beginning(pieces: Iterator[bytes]) -> Iterator[bytes | None]:
    """Yield pieces joined over a little of what came before, so that an id is whole in one of them."""
    before = b""
    try:
        for piece in pieces:
            yield before + piece
            before = piece[-300:]
    except BadFrame:
        yield None
