"""What the two halves of a backend promise: a `Provider` acts, a `Dialect` decides. No behaviour."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import msgspec

from arawn.config.schema import Profile
from arawn.messages import Begun, CompletionRequest, CompletionResponse, StreamEvent
from arawn.wire.sse import SseEvent

__all__ = ["Assembler", "Dialect", "Emit", "EncodedRequest", "Provider"]

Emit = Callable[[StreamEvent | Begun], Awaitable[None] | None]
"""Hands an event on. It returns None if its reader has it at once, else what is to be awaited until then."""


class Provider(Protocol):
    """One backend that answers completion requests, many at a time."""

    @property
    def defaults(self) -> Profile:
        """Whoever asks takes from here what a request leaves open: the profile, less what is for the provider alone."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """Texts that must never reach the log, such as the key."""

    async def complete(self, request: CompletionRequest) -> CompletionResponse:
        """Return the whole answer.

        Raises:
            BackendError: The call failed; the type and `retryable` say what the caller may do.
            BadInput: The request can never be sent as it stands; nothing was sent.

        Checkpoint: always.
        If cancelled: the connection is closed; the provider may have worked for nothing.
        """

    async def stream(self, request: CompletionRequest, emit: Emit) -> CompletionResponse:
        """Call `emit` for every delta in order (never with `Completed`), then return the assembled answer.

        Right before the first delta it is called with a `Begun`, whose `interaction_id` and `routing` are not for a
        provider to know.

        The next bytes are read only once `emit` is done, so the reader's pace is the provider's pace.

        Raises:
            BackendError: As for `complete`; `partial` holds what had arrived. Never retryable after the first `emit`.
            BadInput: The request can never be sent as it stands; nothing was sent.

        Checkpoint: always.
        If cancelled: the connection is closed; what was emitted stays emitted.
        """


class EncodedRequest(msgspec.Struct, frozen=True, gc=False):
    """A request body, one warning for each kind of thing that the dialect could not say, and the names of these."""

    body: dict[str, Any]
    warnings: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


class Assembler(Protocol):
    """Build one answer from the events of one stream."""

    @property
    def finished(self) -> bool:
        """Whether the dialect's terminal event has arrived."""

    @property
    def left_out(self) -> bytes:
        """The terminal event, where only this is missing and a server may leave it out; empty otherwise."""

    def feed(self, event: SseEvent) -> list[StreamEvent]:
        """Take in one event and return the deltas it carries.

        Raises:
            ReportedError: The event is an error of the provider.
            WrongShapeError: The event is not of this dialect.
        """

    def response(self) -> CompletionResponse:
        """Return the answer as far as it has arrived."""


class Dialect(Protocol):
    """The pure half of a provider: what to send and how to read what comes back."""

    @property
    def name(self) -> str:
        """The dialect's name in the configuration."""

    @property
    def path(self) -> str:
        """The path of the completion endpoint below `base_url`."""

    @property
    def base_url_hint(self) -> str:
        """What a right `base_url` looks like, for error messages."""

    def headers(self, key: str | None, *, bearer: bool) -> Mapping[str, str]:
        """Return the dialect's own headers, with `key` as a Bearer token or in the dialect's own way."""

    def encode(self, request: CompletionRequest, *, stream: bool) -> EncodedRequest:
        """Return the body to send; `request.extra` goes into it as it is.

        Raises:
            BadInput: A message holds a block that its role can never hold.
        """

    def decode(self, body: bytes) -> CompletionResponse:
        """Return the answer held in the body of a plain reply.

        Raises:
            ReportedError: The body is an error of the provider.
            WrongShapeError: The body is not of this dialect.
        """

    def assembler(self) -> Assembler:
        """Return an assembler for one stream."""

    def learns_from(self, sent: bytes, refusal: bytes, said: bytes | None = None) -> bool:
        """Say whether the refusal of the body `sent` told something of the server, to be written otherwise.

        `said` is what of it came from a client in its own words, which stay as they are; None if all words are ours.
        """
