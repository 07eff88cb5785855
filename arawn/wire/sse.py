"""Server-sent events: bytes to events and back, by the WHATWG rules. Pure: no input or output of its own."""

from __future__ import annotations

import msgspec

__all__ = ["SseEvent", "SseParser", "encode_event"]

_BOM = b"\xef\xbb\xbf"


class SseEvent(msgspec.Struct, frozen=True):
    """One event; `id` is the last event id the stream has set, "" before the first."""

    event: str = "message"
    data: str = ""
    id: str = ""


class SseParser:
    """Cut a byte stream, fed in pieces of any size, into events.

    Lines end in CR, LF or CRLF; lines are split before they are decoded, so a character may arrive in halves. An event
    that the end of the stream leaves without its blank line is not an event.
    """

    def __init__(self, *, max_event_bytes: int = 8 * 1024 * 1024) -> None:
        """Begin at the start of a stream.

        Args:
            max_event_bytes: Longest data of one event, and longest single line, in bytes.
        """
        self._max_event_bytes = max_event_bytes
        self._partial: list[bytes] = []  # pieces of the line that has not ended yet
        self._partial_bytes = 0
        self._at_start = True
        self._after_cr = False
        self._event = ""
        self._data: list[str] = []
        self._data_bytes = 0
        self._id = ""

    def feed(self, chunk: bytes) -> list[SseEvent]:
        """Return the events that `chunk` completes, in order.

        Raises:
            ValueError: If one event is longer than `max_event_bytes`; the stream cannot be read on.
        """
        if self._after_cr and chunk:
            self._after_cr = False
            chunk = chunk.removeprefix(b"\n")
        events: list[SseEvent] = []
        for line in chunk.splitlines(keepends=True):
            self._after_cr = line.endswith(b"\r")
            if not line.endswith((b"\n", b"\r")):
                self._keep(line)
                continue
            event = self._line(self._whole(line.rstrip(b"\r\n")))
            if event is not None:
                events.append(event)
        return events

    def _keep(self, piece: bytes) -> None:
        """Keep the beginning of a line whose end has not arrived."""
        self._partial.append(piece)
        self._partial_bytes += len(piece)
        self._check(self._partial_bytes)

    def _whole(self, end: bytes) -> bytes:
        """Return the line that `end` completes."""
        if self._partial:
            end = b"".join((*self._partial, end))
            self._partial.clear()
            self._partial_bytes = 0
        if self._at_start:
            self._at_start = False
            end = end.removeprefix(_BOM)
        return end

    def _line(self, line: bytes) -> SseEvent | None:
        """Take in one whole line; a blank one returns the event it ends."""
        if not line:
            return self._dispatch()
        self._check(len(line))
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data_bytes += len(value) + 1
            self._check(self._data_bytes)
            self._data.append(value.decode("utf-8", "replace"))
        elif name == b"event":
            self._event = value.decode("utf-8", "replace")
        elif name == b"id" and b"\0" not in value:
            self._id = value.decode("utf-8", "replace")
        return None

    def _dispatch(self) -> SseEvent | None:
        """Return the event gathered so far, if it has data, and start the next one."""
        event = SseEvent(self._event or "message", "\n".join(self._data), self._id) if self._data else None
        self._event = ""
        self._data.clear()
        self._data_bytes = 0
        return event

    def _check(self, size: int) -> None:
        if size > self._max_event_bytes:
            raise ValueError(f"a server-sent event is longer than {self._max_event_bytes} bytes")


def encode_event(data: str, *, event: str | None = None, event_id: str | None = None) -> bytes:
    """Return one event as bytes. Every line break inside `data` arrives as LF.

    Raises:
        ValueError: If `event` or `event_id` holds a line break, or `event_id` a NUL: the format cannot carry it.
    """
    lines = []
    for name, value in (("event", event), ("id", event_id)):
        if value is None:
            continue
        if any(character in value for character in "\r\n\0"):
            raise ValueError(f"`{name}` of a server-sent event cannot hold a line break or NUL: {value!r}")
        lines.append(f"{name}: {value}")
    unified = data.replace("\r\n", "\n").replace("\r", "\n")
    lines.extend(f"data: {line}" for line in unified.split("\n"))
    return ("\n".join(lines) + "\n\n").encode("utf-8", "replace")
