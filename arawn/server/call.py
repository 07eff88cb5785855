"""One HTTP call as the routes see it: read the request, answer whole or as events, notice that the client left."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import TypeVar
from urllib.parse import parse_qsl

import msgspec
import trio

from arawn.beside import open_beside
from arawn.config.describe import ticked
from arawn.server.json_body import decoded, fitted
from arawn.server.reply import Headers, Refused, Reply, refusal
from arawn.wire.asgi import LEAVING_CANCELS, ClientLeft, LeavingCancels, Receive, Scope, Send, by_name

__all__ = ["BODY_BYTES", "Call", "Route", "came_through_socket"]

BODY_BYTES = 32 * 1024 * 1024

B = TypeVar("B", bound=msgspec.Struct)

_EVENT_STREAM = ((b"content-type", b"text/event-stream"), (b"cache-control", b"no-store"))


def came_through_socket(scope: Scope) -> bool:
    """Say whether a request came through the Unix socket, whose file mode has decided who may."""
    server = scope.get("server")
    return server is not None and server[1] is None


class Call:
    """One request and the answer to it."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers = by_name(scope["headers"])
        self.query: bytes = scope.get("query_string", b"")
        self.streaming = False
        self._scope = scope
        self._receive = receive
        self._send = send

    @property
    def through_socket(self) -> bool:
        """As `came_through_socket`."""
        return came_through_socket(self._scope)

    @cached_property
    def request_id(self) -> str:
        """Of the answer, unless a log record answers for it."""
        return secrets.token_hex(16)

    async def read_json(self, kind: type[B]) -> B:
        """Return the request's body, decoded and checked.

        Raises:
            Refused: As `read_body`; or the body is not JSON (400), or of another shape (422, naming the field).
            ClientLeft: The client went away before its end.

        Checkpoint: when the body has not arrived yet. If cancelled: the rest of the body stays unread.
        """
        return fitted(decoded(await self.read_body()), kind)

    async def read_body(self) -> bytes:
        """Return the request's body as it came.

        Raises:
            Refused: The body is packed (415), or too long (413).
            ClientLeft: The client went away before its end.

        Checkpoint: when the body has not arrived yet. If cancelled: the rest of the body stays unread.
        """
        coding = self.headers.get(b"content-encoding")
        if coding is not None and coding.strip().lower() not in {b"", b"identity"}:
            raise _packed(coding.strip().lower().decode("latin-1"))
        if int(self.headers.get(b"content-length", b"0")) > BODY_BYTES:
            raise _too_long()
        pieces: list[bytes] = []
        left = BODY_BYTES
        more = True
        while more:
            event = await self._receive()
            if event["type"] == "http.disconnect":
                raise ClientLeft("the client left before the end of its request")
            piece = event.get("body", b"")
            more = event.get("more_body", False)
            left -= len(piece)
            if left < 0:
                raise _too_long()
            pieces.append(piece)
        return b"".join(pieces)

    async def beside_client(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work` until it has ended or the client has left, which ends this call. Only after the body was read,
        or where nobody looks at it.

        Raises:
            Exception: What `work` raises, as it is, not inside a group.

        Checkpoint: as `work` has them. If cancelled, or left by the client: `work` is cancelled.
        """
        leaving_cancels: LeavingCancels | None = (self._scope.get("extensions") or {}).get(LEAVING_CANCELS)
        if leaving_cancels is None:
            async with open_beside() as nursery:  # the server tells only who waits for it
                nursery.start_soon(self._cancel_when_client_leaves, nursery.cancel_scope)
                await work()
            return
        with leaving_cancels():
            await work()

    async def _cancel_when_client_leaves(self, scope: trio.CancelScope) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        scope.cancel(reason="the client left")

    def query_items(self) -> list[tuple[str, str]]:
        """Return the names and values of the query in their order.

        Raises:
            Refused: It is no query (400).
        """
        try:
            return parse_qsl(self.query.decode("ascii"), keep_blank_values=True, errors="strict")
        except ValueError as error:
            message = f"the query of this request cannot be read: {error}; write it as `?name=value&name=value`"
            raise Refused(refusal(400, "invalid_request", message)) from error

    async def respond(self, reply: Reply) -> None:
        """Send a whole answer.

        Raises:
            ClientLeft: There is nobody to send it to.

        Checkpoint: always. If cancelled: a part may have been sent.
        """
        body = reply.body
        headers = [
            (b"content-type", reply.content_type),
            (b"content-length", b"%d" % len(body)),
            *reply.headers,
            (b"x-request-id", (reply.request_id or self.request_id).encode()),
        ]
        await self._send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    async def send_events(self, data: bytes, headers: Headers = ()) -> None:
        """Send encoded server-sent events; the first ones begin the response, and `headers` go with its head.

        Raises:
            ClientLeft: There is nobody to send them to.

        Checkpoint: unless the task has slept since it was called last. If cancelled: a part may have been sent.
        """
        if not self.streaming:
            self.streaming = True
            headers = [*_EVENT_STREAM, *headers, (b"x-request-id", self.request_id.encode())]
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end_events(self) -> None:
        """End the response that `send_events` began.

        Checkpoint: always. If cancelled: the client sees a response that was cut.
        """
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})


def _too_long() -> Refused:
    return Refused(refusal(413, "invalid_request", f"the request body is longer than {BODY_BYTES} bytes"))


def _packed(coding: str) -> Refused:
    message = f"the request body has the `content-encoding` {ticked(coding)}; send it unpacked, without this header"
    return Refused(refusal(415, "invalid_request", message, headers=[(b"accept-encoding", b"identity")]))


Route = Callable[[Call], Awaitable[None]]
"""Answers one call."""
