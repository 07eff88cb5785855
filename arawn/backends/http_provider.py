"""A provider over HTTP: one call is one request on the backend's own client, within the profile's four deadlines."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import httpx
import msgspec
import trio

from arawn.backends.announced import announced
from arawn.backends.connection_failures import from_httpx, timed_out
from arawn.backends.endpoint import Carrier, Endpoint, sender
from arawn.backends.failures import from_reported, from_status, request_id, unreadable_reply
from arawn.backends.http_request import Asked, RequestWriter
from arawn.backends.masking import Masking
from arawn.backends.protocol import Dialect, Emit
from arawn.backends.response_body import close, content_at_hand, content_of, content_type_of, next_piece, read_all
from arawn.backends.shape import ReportedError, WrongShapeError
from arawn.backends.stream_deadline import StreamDeadline
from arawn.backends.stream_reading import StreamReading
from arawn.backends.verbatim import asks_for_usage
from arawn.backends.verbatim_reply import ProviderAnswer, VerbatimReading, other_answer, with_bytes
from arawn.config.hidden import is_secret
from arawn.config.schema import Profile
from arawn.errors import BackendError
from arawn.messages import Begun, CompletionRequest, CompletionResponse, StreamEvent

__all__ = ["Carrier", "Endpoint", "HttpProvider"]

_MAX_BODY_BYTES = 64 * 1024 * 1024
_SSE_FIELDS = (b"data:", b"event:", b"id:", b"retry:", b":")
_DRAIN_S = 0.1  # the end of the body comes with the terminal event; read, it lets the connection serve again


class HttpProvider:
    """Answers requests by asking an HTTP server in one dialect."""

    def __init__(
        self, profile_name: str, profile: Profile, dialect: Dialect, endpoint: Endpoint, carrier: Carrier
    ) -> None:
        """Keep what every call needs.

        Args:
            profile_name: For messages and for `CompletionResponse.profile`.
            profile: Headers and deadlines, and what `defaults` says.
            dialect: The pure half.
            endpoint: Where to ask.
            carrier: Belongs to the caller, who closes it. A transport is called directly, without a client's cost.
        """
        base = httpx.URL(endpoint.base_url)
        place = base.netloc.decode()  # without user and password
        self.defaults = profile
        self.secrets: tuple[str, ...] = (endpoint.key,) if endpoint.key else ()
        headers = (value for name, value in profile.headers.items() if is_secret(("llm", "headers", name)))
        self._masking = Masking((endpoint.key, base.password, *headers))
        self._where = f"profile `{profile_name}` ({endpoint.kind} at {place})"
        self._profile_name = profile_name
        self._profile = profile
        self._dialect = dialect
        self._proxy = endpoint.proxy
        self._writer = RequestWriter(self._where, profile, dialect, endpoint)
        self._carry = sender(carrier)

    async def complete(self, request: CompletionRequest) -> CompletionResponse:
        """Return the whole answer; `connect_s` and `total_s` apply.

        Raises:
            BackendError: The call failed.
            BadInput: The request cannot be sent as it stands.

        Checkpoint: always.
        If cancelled: the connection is closed.
        """
        call = self._writer.asked(request, stream=False)
        try:
            with trio.move_on_after(self._profile.timeouts.total_s):
                return await self._complete(call)
            raise timed_out(self._where, self._profile.timeouts, "total")
        except BackendError as error:
            self._masking.of_error(error)
            raise

    async def _complete(self, call: Asked) -> CompletionResponse:
        response = await self._send(call)
        body = content_at_hand(response)
        if body is None:
            chunks = content_of(response)
            try:
                body = await read_all(self._where, chunks, _MAX_BODY_BYTES)
            finally:
                await close(response, chunks, drain_s=0)  # noqa: ASYNC102  # shielded, with a deadline, inside
        if not response.is_success:
            raise self._refusal(response, body, call)
        try:
            answer = self._decode(response, body, call)
        except BackendError as error:
            error.request_id = request_id(response.headers)
            raise
        answer = with_bytes(answer, body) if call.verbatim else answer
        return self._completed(answer, call, request_id(response.headers))

    async def stream(self, request: CompletionRequest, emit: Emit) -> CompletionResponse:
        """Call `emit` for every delta, then return the assembled answer; all four deadlines apply.

        Raises:
            BackendError: The call failed; `partial` holds what had arrived.
            BadInput: The request cannot be sent as it stands.

        Checkpoint: always.
        If cancelled: the connection is closed.
        """
        call = self._writer.asked(request, stream=True)
        reading = self._reading(call)
        emit = announced(emit, lambda: self._begun(call, reading))
        try:
            with trio.move_on_after(self._profile.timeouts.total_s):
                return await self._stream(call, reading, emit)
            raise timed_out(self._where, self._profile.timeouts, "total")
        except BackendError as error:
            partial = reading.partial()
            if partial is not None:
                error.partial = self._completed(partial, call, reading.request_id)
            error.request_id = error.request_id or reading.request_id
            reading.spoil(error)
            self._masking.of_error(error)
            raise

    def _reading(self, call: Asked) -> StreamReading:
        if call.verbatim is None:
            return StreamReading(self._where, self._dialect, max_bytes=_MAX_BODY_BYTES, masked=self._masking.of_bytes)
        unasked = not asks_for_usage(call.verbatim)
        return VerbatimReading(
            self._where, self._dialect, max_bytes=_MAX_BODY_BYTES, drop_usage=unasked, masked=self._masking.of_bytes
        )

    async def _stream(self, call: Asked, reading: StreamReading, emit: Emit) -> CompletionResponse:
        deadline = StreamDeadline(self._profile.timeouts)
        with deadline.scope:
            response = await self._send(call)
            chunks = content_of(response)
            try:
                reading.content_type, reading.request_id = content_type_of(response), request_id(response.headers)
                head = await self._head_of_stream(response, chunks, call)
                if isinstance(head, CompletionResponse):
                    await _pass_on(reading.whole(head), emit, deadline)
                    return self._completed(head, call, reading.request_id)
                while not reading.finished:
                    chunk, head = head or await next_piece(self._where, chunks), b""
                    if chunk is None:
                        chunk = reading.end()
                    try:
                        await _pass_on(reading.feed(chunk), emit, deadline)
                    except BackendError:
                        deadline.suspend()  # `_pass_rest` has a limit of its own
                        await self._pass_rest(chunks, reading, emit)  # noqa: ASYNC120  # cancelled: nobody to tell
                        raise
                    deadline.piece_came(started=reading.started)
            finally:
                await close(  # noqa: ASYNC102  # shielded, with a deadline, inside
                    response, chunks, drain_s=_DRAIN_S if reading.finished else 0
                )
            return self._completed(reading.response(), call, reading.request_id)
        raise timed_out(self._where, self._profile.timeouts, deadline.which)

    async def _pass_rest(self, chunks: AsyncIterator[bytes], reading: StreamReading, emit: Emit) -> None:
        """Pass on what the provider says right after an error event, such as the end; faults change nothing by now."""
        if isinstance(reading, VerbatimReading) and reading.refused_midway:
            with trio.move_on_after(_DRAIN_S), contextlib.suppress(BackendError):
                while (chunk := await next_piece(self._where, chunks)) is not None:
                    for event in reading.feed(chunk):
                        if (waiting := emit(event)) is not None:
                            await waiting

    async def _send(self, call: Asked) -> httpx.Response:
        """Return the answer's head; its body is still to be read and closed."""
        try:
            return await self._carry(call.http)
        except httpx.HTTPError as error:
            connect_s = self._profile.timeouts.connect_s
            raise from_httpx(self._where, error, connect_s=connect_s, proxy=self._proxy) from error

    async def _head_of_stream(
        self, response: httpx.Response, chunks: AsyncIterator[bytes], call: Asked
    ) -> bytes | CompletionResponse:
        """Return what was read of a stream to know that it is one, or an answer that came whole."""
        content_type = content_type_of(response)
        if response.is_success and not ("json" in content_type or "html" in content_type):
            return b""
        first = await next_piece(self._where, chunks) or b""
        if response.is_success and first.startswith(_SSE_FIELDS):  # some servers name it wrongly
            return first
        body = first + await read_all(self._where, chunks, _MAX_BODY_BYTES)
        if not response.is_success:
            raise self._refusal(response, body, call)
        answer = self._decode(response, body, call)  # of an error inside a 200, or another shape, it says more
        if call.verbatim is None:
            return answer
        reason = "a whole reply where a stream was asked for"
        shown = self._masking.of_bytes(body)
        raise unreadable_reply(self._where, content_type, shown, reason, "the server must support `stream`")

    def _decode(self, response: httpx.Response, body: bytes, call: Asked) -> CompletionResponse:
        try:
            return other_answer(body) if call.verbatim and call.verbatim.path else self._dialect.decode(body)
        except ReportedError as error:
            partial = error.partial and self._completed(error.partial, call, request_id(response.headers))
            place, masked = self._place(call), self._masking.of_bytes
            raise from_reported(self._where, error, masked, place=place, partial=partial) from error
        except WrongShapeError as error:
            hint = self._dialect.base_url_hint
            shown = self._masking.of_bytes(body)
            raise unreadable_reply(self._where, content_type_of(response), shown, str(error), hint) from error

    def _refusal(self, response: httpx.Response, body: bytes, call: Asked) -> BackendError:
        body = self._masking.of_bytes(body)
        now, place = datetime.now(UTC), self._place(call)
        error = from_status(self._where, response.status_code, response.headers, body, now=now, place=place)
        if response.status_code in {400, 422}:
            said = call.verbatim.body if call.verbatim else None
            error.retryable = self._dialect.learns_from(call.content, body, said) or error.retryable
        if response.is_error:
            error.__cause__ = ProviderAnswer(self._dialect.name, response.status_code, response.headers, body)
        return error

    def _place(self, call: Asked) -> str:
        return f"`{call.http.url.path}` was asked; {self._dialect.base_url_hint}"

    def _begun(self, call: Asked, reading: StreamReading) -> Begun:
        """Return what is known of an answer right before its first delta."""
        known = self._completed(reading.response(), call, reading.request_id)
        return Begun(known.model, known.left_out, usage=known.usage, request_id=known.request_id)

    def _completed(self, answer: CompletionResponse, call: Asked, sent_id: str | None) -> CompletionResponse:
        """Return `answer` with what the dialect could not know; `sent_id` is that of the head, if it had one."""
        return msgspec.structs.replace(
            answer,
            model=answer.model or call.model,
            request_id=sent_id or answer.request_id,
            profile=self._profile_name,
            warnings=call.warnings + answer.warnings,
            left_out=call.left_out,
        )


async def _pass_on(events: Iterator[StreamEvent], emit: Emit, deadline: StreamDeadline) -> None:
    """Hand the events on; the time that their reader takes counts for no limit."""
    for event in events:
        if (waiting := emit(event)) is not None:
            deadline.suspend()
            await waiting
