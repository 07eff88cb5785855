"""One stream as far as it was read: bytes to deltas, and errors that carry what had arrived. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from arawn.backends.assembly import deltas_of
from arawn.backends.failures import error_text, from_reported, unreadable_event, unreadable_reply
from arawn.backends.protocol import Dialect
from arawn.backends.shape import ReportedError, WrongShapeError
from arawn.errors import BackendError, BadReply
from arawn.messages import CompletionResponse, StreamEvent
from arawn.wire.sse import SseEvent, SseParser

__all__ = ["StreamReading"]

_ERROR_LINE = re.compile(rb"(?:^|[\r\n])error: ?([^\r\n]+)\s*$")  # llama.cpp's last: a field that SSE does not know
_LONGEST_LINE = 4096


class StreamReading:
    """The reader's side of one streamed call.

    Once a delta has been handed out the call cannot be repeated, so no error of it is retryable any more.
    """

    def __init__(
        self, where: str, dialect: Dialect, *, max_bytes: int, masked: Callable[[bytes], bytes] = bytes
    ) -> None:
        """Begin before the first byte.

        Args:
            where: Which backend, as it should stand at the beginning of messages.
            dialect: How to read the events.
            max_bytes: The most that one stream may bring.
            masked: Takes secrets out of what is quoted.
        """
        self.content_type = ""
        self.request_id: str | None = None  # as the head names it
        self._where = where
        self._hint = dialect.base_url_hint
        self._parser = SseParser()
        self._assembler = dialect.assembler()
        self._nothing = self._assembler.response()
        self._max_bytes = max_bytes
        self._masked = masked
        self._bytes = 0
        self._head = b""
        self._before = self._last_chunk = b""  # joined only if it is asked how the stream has ended
        self._started = False
        self._handed_out = False
        self._whole: CompletionResponse | None = None

    @property
    def started(self) -> bool:
        """Whether something of an answer has arrived; comments and events of unknown kinds are nothing of it."""
        return self._started

    @property
    def finished(self) -> bool:
        """Whether the terminal event has arrived."""
        return self._assembler.finished

    def feed(self, chunk: bytes) -> Iterator[StreamEvent]:
        """Yield the deltas that `chunk` brings, one by one; those before a fault come before its error.

        Raises:
            BackendError: The provider reported an error.
            BadReply: The bytes are not of the dialect, or too many.
        """
        self._bytes += len(chunk)
        if self._bytes > self._max_bytes:
            raise BadReply(f"{self._where} sent a stream of more than {self._max_bytes} bytes; lower `max_tokens`")
        if len(self._head) < 400:
            self._head += chunk[:400]
        self._before, self._last_chunk = self._last_chunk, chunk
        for event in self._events(chunk):
            if self.finished:
                return
            for delta in self._deltas(event):
                self._handed_out = True
                yield delta

    def whole(self, answer: CompletionResponse) -> Iterator[StreamEvent]:
        """Yield the deltas of an answer that came whole where a stream was asked for."""
        self._whole, self._started = answer, True
        for delta in deltas_of(answer):
            self._handed_out = True
            yield delta

    def response(self) -> CompletionResponse:
        """Return the answer as far as it has arrived."""
        return self._whole or self._assembler.response()

    def end(self) -> bytes:
        """Return the terminal event to feed when the body has ended in order and only this was missing.

        Raises:
            BackendError: More was missing.
        """
        left_out = self._assembler.left_out
        if not left_out:
            raise self.cut()
        return b"\n\n" + left_out  # what is half an event is none, and an error

    def cut(self) -> BackendError:
        """Return the error for a stream that ended before its terminal event, in the provider's words if it had any."""
        said = _ERROR_LINE.search((self._before + self._last_chunk)[-_LONGEST_LINE:])
        if said is not None:
            return from_reported(self._where, error_text(said[1]), self._masked)
        if not self._started:
            return self._unreadable("it ended before an answer began")
        return BadReply(f"{self._where} cut the stream before its terminal event; what had arrived is kept as partial")

    def partial(self) -> CompletionResponse | None:
        """Return what had arrived when the stream broke; None if that is nothing at all."""
        return self.response() if self._started else None

    def spoil(self, error: BackendError) -> None:
        """Forbid a retry once a delta was handed out: the reader would see it twice."""
        if self._handed_out:
            error.retryable = False

    def _events(self, chunk: bytes) -> list[SseEvent]:
        try:
            return self._parser.feed(chunk)
        except ValueError as error:
            raise self._unreadable(str(error)) from error

    def _deltas(self, event: SseEvent) -> list[StreamEvent]:
        try:
            deltas = self._assembler.feed(event)
        except ReportedError as error:
            raise from_reported(self._where, error, self._masked) from error
        except WrongShapeError as error:
            raise self._unreadable(str(error), event.data.encode("utf-8", "replace")) from error
        self._started = self._started or bool(deltas) or self._assembler.response() != self._nothing
        return deltas

    def _unreadable(self, reason: str, body: bytes | None = None) -> BadReply:
        if self._started and body is not None:
            return unreadable_event(self._where, self._masked(body), reason)
        body = self._head if body is None else body
        return unreadable_reply(self._where, self.content_type, self._masked(body), reason, self._hint)
