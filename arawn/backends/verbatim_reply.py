"""An answer in the provider's own bytes, beside what they mean. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from arawn.backends.lenient import Lenient
from arawn.backends.protocol import Dialect
from arawn.backends.shape import ReportedError, decode_as, reported_error
from arawn.backends.stream_reading import StreamReading
from arawn.errors import BackendError
from arawn.messages import (
    Completed,
    CompletionResponse,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    ToolUseDelta,
    ToolUseStart,
    Usage,
)

__all__ = ["ProviderAnswer", "VerbatimReading", "VerbatimResponse", "bytes_of", "other_answer", "with_bytes"]

_END = re.compile(rb"(?>\r\n|\n|\r)(?:\r\n|\n|\r)")
_LONGEST_EVENT = 16 * 1024 * 1024
_MOST_HELD = 16 * 1024 * 1024
_NO_CHOICES = re.compile(rb'"choices"\s*:\s*\[\s*\]')
_COUNTS = re.compile(rb'"usage"\s*:\s*\{')


class _Other(msgspec.Struct):
    model: Any = None
    error: Any = None
    usage: Any = None


_OTHER = msgspec.json.Decoder(_Other)


class ProviderAnswer(Exception):
    """A refusal as the provider has sent it; the cause of the error that says what it means."""

    def __init__(self, dialect: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(f"the provider answered {status}")
        self.dialect = dialect
        self.status = status
        self.headers = headers
        self.body = body


class VerbatimResponse(CompletionResponse, frozen=True, kw_only=True):
    """An answer with the provider's bytes: the whole body, or of a stream what no delta has carried."""

    raw: bytes


class _Text(TextDelta, frozen=True):
    raw: bytes


class _Thinking(ThinkingDelta, frozen=True):
    raw: bytes


class _Start(ToolUseStart, frozen=True):
    raw: bytes


class _Arguments(ToolUseDelta, frozen=True):
    raw: bytes


def with_bytes(response: CompletionResponse, raw: bytes) -> VerbatimResponse:
    """Return `response` with the bytes that said it."""
    return VerbatimResponse(**msgspec.structs.asdict(response), raw=raw)


def other_answer(body: bytes) -> CompletionResponse:
    """Return an answer that is no completion: it says nothing, but may say what it has cost.

    Raises:
        ReportedError: It is an error.
        WrongShapeError: It is no JSON object.
    """
    said = decode_as(_OTHER, body)
    if said.error is not None:
        raise reported_error(said.error)
    lenient = Lenient()
    counts = lenient.fields(said.usage, "usage")
    return CompletionResponse(
        content=(),
        model=lenient.word(said.model, "model") or "",
        usage=Usage(lenient.count(counts.get("prompt_tokens"), "prompt_tokens")),
        warnings=tuple(lenient.warnings),
    )


def bytes_of(event: StreamEvent) -> bytes | None:
    """Return what the provider has said since the event before, ending with this; None if it is not known."""
    carrier = event.response if isinstance(event, Completed) else event
    return carrier.raw if isinstance(carrier, _Text | _Thinking | _Start | _Arguments | VerbatimResponse) else None


def _carrying(delta: StreamEvent, raw: bytes) -> StreamEvent:
    match delta:
        case TextDelta():
            return _Text(delta.index, delta.text, raw)
        case ThinkingDelta():
            return _Thinking(delta.index, delta.text, raw)
        case ToolUseStart():
            return _Start(delta.index, delta.id, delta.name, raw)
        case ToolUseDelta():
            return _Arguments(delta.index, delta.partial_json, raw)
        case Completed():
            raise TypeError("an answer is no delta")


def _nothing_after(delta: StreamEvent) -> StreamEvent:
    """Return a delta that adds nothing to the block of `delta`: it carries events that say nothing themselves."""
    match delta:
        case TextDelta():
            return TextDelta(delta.index, "")
        case ThinkingDelta():
            return ThinkingDelta(delta.index, "")
        case ToolUseStart() | ToolUseDelta():
            return ToolUseDelta(delta.index, "")
        case Completed():
            raise TypeError("an answer is no delta")


class VerbatimReading(StreamReading):
    """The reader's side of one stream whose events are passed on as they came.

    Until something has been said, which makes another attempt impossible, events wait; the terminal one waits for the
    record of the answer.
    """

    def __init__(
        self,
        where: str,
        dialect: Dialect,
        *,
        max_bytes: int,
        drop_usage: bool,
        masked: Callable[[bytes], bytes] = bytes,
    ) -> None:
        """Begin before the first byte.

        Args:
            where, dialect, max_bytes: As for `StreamReading`.
            masked: Takes secrets out of what is quoted, of an error event and of what follows it.
            drop_usage: Leave out the event that holds nothing but token counts: whoever reads on has not asked for it.
        """
        super().__init__(where, dialect, max_bytes=max_bytes, masked=masked)
        self._drop_usage = drop_usage
        self._rest = bytearray()
        self._searched = 0  # bytes of the rest in which no event ends
        self._held = bytearray()
        self._last: StreamEvent | None = None
        self._failed = False
        self._failure: list[BackendError] = []  # until it is raised: it has the frames that have this reading

    @property
    def refused_midway(self) -> bool:
        """Whether the provider has ended with an error of its own what it had begun to say."""
        return self._failed and self._last is not None

    def feed(self, chunk: bytes) -> Iterator[StreamEvent]:
        """Yield the deltas that `chunk` brings, each with the bytes up to the end of its event.

        Raises:
            BackendError: As `StreamReading.feed`; an error event of the provider has been passed on before it, with
                what came after it. Fed again, it raises only for what is too long: whatever still comes is passed on
                unread.
        """
        self._rest += chunk
        begin, at = 0, max(0, self._searched - 3)
        while (match := _END.search(self._rest, at)) is not None:
            at = match.end()
            yield from self._piece(bytes(self._rest[begin:at]))
            begin = at
        del self._rest[:begin]
        self._searched = len(self._rest)
        if self._failure:
            raise self._failure.pop()
        if self._searched > _LONGEST_EVENT:
            self._head = self._head or bytes(self._rest[:400])
            raise self._unreadable(f"one event of the stream is longer than {_LONGEST_EVENT} bytes")
        if len(self._held) > _MOST_HELD:
            raise self._unreadable(f"it says nothing in {_MOST_HELD} bytes")

    def _piece(self, piece: bytes) -> Iterator[StreamEvent]:
        """Yield what one event brings, the last of it with all bytes that have not been passed on."""
        deltas: list[StreamEvent] = []
        if not self._failed:
            try:
                deltas.extend(super().feed(piece))
            except BackendError as error:
                if not isinstance(error.__cause__, ReportedError):
                    raise
                self._failed = True
                self._failure.append(error)
        if self._failed:
            self._held += self._masked(piece)
        elif deltas or not self._drop_usage or not _is_usage(piece):
            self._held += piece
        if deltas:
            self._last = deltas[-1]
        elif self._last is not None and not self.finished:
            deltas = [_nothing_after(self._last)]
        if self.finished:  # the terminal event waits for the record
            for delta in deltas:
                yield _carrying(delta, b"")
        elif deltas and self._held:
            raw, self._held = bytes(self._held), bytearray()
            for delta in deltas[:-1]:
                yield _carrying(delta, b"")
            yield _carrying(deltas[-1], raw)

    def response(self) -> CompletionResponse:
        """Return the answer, with the bytes that no delta has carried."""
        line_ends = b"" if self._rest.strip(b"\r\n") else self._rest  # such as the LF of a CRLF that was cut in two
        return with_bytes(super().response(), bytes(self._held + line_ends))

    def cut(self) -> BackendError:
        """Return the error for a stream that ended before its terminal event."""
        self._head = self._head or bytes(self._rest[:400])
        self._last_chunk += self._rest
        return super().cut()


def _is_usage(piece: bytes) -> bool:
    return _NO_CHOICES.search(piece) is not None and _COUNTS.search(piece) is not None
