"""Where a request body ends: by its length or by the chunked coding. Pure.

A body takes its own bytes from the front of a connection's buffer and leaves what follows it untouched.
"""

from __future__ import annotations

import re
from typing import Literal, assert_never

from arawn.wire.request import BARE_LF, FIELD_LINE, RequestError

__all__ = ["ChunkedBody", "LengthBody"]

_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;[\t\x20-\x7e\x80-\xff]*+)?")
_SIZE_LINE_BYTES = 256
_PLAIN_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})\r\n")
_PLAIN_SIZE_BYTES = 16  # what the size line of an honest chunk needs at most
_EXCESS_BYTES = 16 * 1024
_TRAILERS = re.compile(rb"(?:" + FIELD_LINE + rb")*+\r\n")
_TRAILER_BYTES = 8 * 1024


class LengthBody:
    """A body of exactly `length` bytes; `done` says that all of it has been taken."""

    def __init__(self, length: int) -> None:
        self._left = length
        self.done = length == 0

    def ends_within(self, buffer: bytearray) -> bool:
        """Whether all that is missing is in `buffer`."""
        return len(buffer) >= self._left

    def take(self, buffer: bytearray) -> bytes:
        """Remove from `buffer` what belongs to this body and return it."""
        left = self._left
        piece = bytes(buffer[:left])
        del buffer[:left]
        self._left = left - len(piece)
        self.done = self._left == 0
        return piece


class ChunkedBody:
    """A body in the chunked coding; sizes, line ends and trailers are held to the letter, trailers are dropped.

    `done` says that the last chunk and the trailers have been taken.
    """

    def __init__(self) -> None:
        """Begin before the first chunk."""
        self.done = False
        self._left = 0
        self._excess = 0  # bytes of size lines beyond what the data justifies
        self._next: Literal["size", "data", "data end", "trailers", "nothing"] = "size"

    def ends_within(self, _buffer: bytearray) -> bool:
        """Whether all that is missing is known to be in the buffer: the coding tells only by decoding it."""
        return self.done

    def take(self, buffer: bytearray) -> bytes:
        """Remove from `buffer` what belongs to this body and return the decoded bytes.

        Raises:
            RequestError: The coding is broken; the connection must be closed.
        """
        pieces: list[bytes] = []
        while buffer and (self._take_whole(buffer, pieces) or self._step(buffer, pieces)):
            pass
        return b"".join(pieces)

    def _take_whole(self, buffer: bytearray, pieces: list[bytes]) -> bool:
        """Take a plain chunk that is all there, as most are: a sixth of what its elements cost one by one."""
        head = None if self._excess or self._next != "size" else _PLAIN_SIZE.match(buffer)
        if head is None:
            return False
        begin, size = head.end(), int(head[1], 16)
        end = begin + size
        if not size or buffer[end : end + 2] != b"\r\n":
            return False
        pieces.append(bytes(buffer[begin:end]))
        del buffer[: end + 2]
        return True

    def _step(self, buffer: bytearray, pieces: list[bytes]) -> bool:
        """Take one element; False when `buffer` holds no whole one."""
        match self._next:
            case "size":
                return self._take_size(buffer)
            case "data":
                return self._take_data(buffer, pieces)
            case "data end":
                return self._take_data_end(buffer)
            case "trailers":
                return self._take_trailers(buffer)
            case "nothing":
                return False
            case _:
                assert_never(self._next)

    def _take_size(self, buffer: bytearray) -> bool:
        end = buffer.find(b"\r\n", 0, _SIZE_LINE_BYTES)
        if end < 0:
            if len(buffer) >= _SIZE_LINE_BYTES or b"\n" in buffer:
                raise RequestError(400, "a chunk size line is too long or does not end in CRLF")
            return False
        line = _SIZE_LINE.fullmatch(bytes(buffer[:end]))
        if line is None:
            raise RequestError(400, "a chunk size is not a hexadecimal number")
        self._left = int(line[1], 16)
        self._excess = max(0, self._excess + end - _PLAIN_SIZE_BYTES - 2 * self._left)
        if self._excess > _EXCESS_BYTES:
            raise RequestError(400, "the chunk extensions are longer than the data they come with")
        self._next = "data" if self._left else "trailers"
        del buffer[: end + 2]
        return True

    def _take_data(self, buffer: bytearray, pieces: list[bytes]) -> bool:
        piece = bytes(buffer[: self._left])
        del buffer[: self._left]
        pieces.append(piece)
        self._left -= len(piece)
        if self._left == 0:
            self._next = "data end"
        return self._left == 0

    def _take_data_end(self, buffer: bytearray) -> bool:
        if not b"\r\n".startswith(buffer[:2]):
            raise RequestError(400, "the data of a chunk does not end where its size says")
        if len(buffer) < 2:
            return False
        del buffer[:2]
        self._next = "size"
        return True

    def _take_trailers(self, buffer: bytearray) -> bool:
        end = 0 if buffer.startswith(b"\r\n") else buffer.find(b"\r\n\r\n", 0, _TRAILER_BYTES) + 2
        if end == 1:  # not found
            if BARE_LF.search(buffer, 0, _TRAILER_BYTES):
                raise RequestError(400, "a trailer line ends in LF; lines must end in CRLF")
            if len(buffer) >= _TRAILER_BYTES:
                raise RequestError(431, f"trailers are longer than {_TRAILER_BYTES} bytes")
            return False
        if not _TRAILERS.fullmatch(bytes(buffer[: end + 2])):
            raise RequestError(400, "a trailer line is malformed")
        del buffer[: end + 2]
        self._next = "nothing"
        self.done = True
        return True
