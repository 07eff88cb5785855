"""Server-sent events: bytes to events, by the WHATWG rules. Pure: no input or output of its own.

No stream is taken up again here, so `id` and `retry`, which are for that, are passed over.
"""

from __future__ import annotations

import re

import msgspec

__all__ = ["SseEvent", "SseParser"]

_BOM = b"\xef\xbb\xbf"
_ONE_EVENT = re.compile(rb"data: ([^\r\n]*)\n\n")


class SseEvent(msgspec.Struct, frozen=True, gc=False):
    """One event."""

    event: str = "message"
    data: str = ""


class SseParser:
    """Cut a byte stream, fed in pieces of any size, into events.

    Lines end in CR, LF or CRLF; lines are split before they are decoded, so a character may arrive in halves. An event
    that the end of the stream leaves without its blank line is not an event.
    """

    def __init__(self, *, max_event_bytes: int = 8 * 1024 * 1024) -> None:
        """Begin at the start of a stream.

        Args:
            max_event_bytes: Longest that the data lines of one event may be together, and any other line, in bytes.
        """
        self._max_event_bytes = max_event_bytes
        self._partial: list[bytes] = []  # pieces of the line that has not ended yet
        self._partial_bytes = 0
        self._at_start = True
        self._after_cr = False
        self._event = ""
        self._data: list[str] = []
        self._data_bytes = 0

    def feed(self, chunk: bytes) -> list[SseEvent]:
        """Return the events that `chunk` completes, in order.

        Raises:
            ValueError: If one event is longer than `max_event_bytes`; the stream cannot be read on.
        """
        if not chunk:
            return []
        one = _ONE_EVENT.fullmatch(chunk)  # as of most servers: a quarter of the general way's cost
        if one is not None and not self._is_within and len(chunk) <= self._max_event_bytes:
            return [SseEvent("message", one[1].decode("utf-8", "replace"))]
        if self._after_cr:
            chunk = chunk.removeprefix(b"\n")
        self._after_cr = chunk.endswith(b"\r")
        if b"\r" in chunk:
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = chunk.split(b"\n")
        rest = lines.pop()
        if lines:
            lines[0] = self._whole(lines[0])
        self._keep(rest)
        return self._take(lines)

    @property
    def _is_within(self) -> bool:
        """Whether something has begun that the next bytes may go on with, or may be the stream's first."""
        return bool(self._partial or self._data or self._event or self._after_cr or self._at_start)

    def _keep(self, piece: bytes) -> None:
        """Keep the beginning of a line whose end has not arrived."""
        if piece:
            self._partial.append(piece)
            self._partial_bytes += len(piece)
            self._check(self._partial_bytes)

    def _whole(self, end: bytes) -> bytes:
        """Return the line that `end` completes."""
        if self._partial:
            end = b"".join((*self._partial, end))
            self._partial.clear()
            self._partial_bytes = 0
        self._check(len(end))
        if self._at_start:
            self._at_start = False
            end = end.removeprefix(_BOM)
        return end

    def _take(self, lines: list[bytes]) -> list[SseEvent]:
        """Take in whole lines; return the events whose blank line is among them."""
        events: list[SseEvent] = []
        for line in lines:
            if line.startswith(b"data:"):  # nearly all lines of an answer
                self._add_data(line[6:] if line[5:6] == b" " else line[5:], len(line))
            elif line:
                self._take_field(line)
            elif self._data:
                events.append(SseEvent(self._event or "message", "\n".join(self._data)))
                self._start_event()
            else:
                self._start_event()
        return events

    def _add_data(self, value: bytes, line_bytes: int) -> None:
        self._data_bytes += line_bytes
        self._check(self._data_bytes)
        self._data.append(value.decode("utf-8", "replace"))

    def _take_field(self, line: bytes) -> None:
        self._check(len(line))
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"event":
            self._event = value.decode("utf-8", "replace")
        elif name == b"data":
            self._add_data(value, len(line))

    def _start_event(self) -> None:
        self._event = ""
        self._data.clear()
        self._data_bytes = 0

    def _check(self, size: int) -> None:
        if size > self._max_event_bytes:
            raise ValueError(f"a server-sent event is longer than {self._max_event_bytes} bytes")
