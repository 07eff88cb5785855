"""A model on this machine: the provider over HTTP, in front of a server that is our own child."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

import msgspec
import trio

from arawn.backends.http_provider import Endpoint, HttpProvider
from arawn.backends.local_model import find_model, read_settings
from arawn.backends.local_server import LocalServer, open_server
from arawn.backends.local_silence import begun_without_tools, require_no_call, without_prefill, without_tools
from arawn.backends.openai import OpenAIDialect
from arawn.backends.protocol import Emit
from arawn.config.schema import Profile
from arawn.errors import BackendError, BadReply, ConnectionFailed, Unavailable
from arawn.messages import Begun, CompletionRequest, CompletionResponse, StreamEvent
from arawn.wire.transport import Transport, TransportLimits

__all__ = ["LocalProvider", "ModelServerDied", "open_local"]

_DEATH_NOTICE_S = 0.5  # a connection breaks a moment before its process is known to be dead


# The workers bound the calls; and none serves twice: llama.cpp closes it a moment after the end of a stream.
_LIMITS = TransportLimits(connections=None, idle_seconds=0)


class ModelServerDied(Exception):
    """The child that serves a local model has ended; the backend starts it again."""

    def __repr__(self) -> str:
        """Return plain words, on one line: as the last crash of a backend they are shown to people."""
        return " ".join(str(self).split())


class LocalProvider:
    """Answers from the child; when the child dies, every call under way fails with what is known of its end."""

    def __init__(self, where: str, http: HttpProvider, server: LocalServer) -> None:
        self.defaults = http.defaults
        self.secrets = http.secrets
        self._where = where
        self._http = http
        self._server = server

    async def complete(self, request: CompletionRequest) -> CompletionResponse:
        """Return the whole answer.

        Raises:
            Unavailable: The model server has died; open the backend anew.
            BackendError: The call failed.
            BadInput: The request cannot be sent as it stands.

        Checkpoint: always.
        If cancelled: the server stops generating.
        """
        untold = self._leaves_out_tools(request)
        try:
            response = without_prefill(await self._http.complete(request), request)
        except BackendError as error:
            raise await self._explained(error) from error
        return without_tools(response) if untold else response

    async def stream(self, request: CompletionRequest, emit: Emit) -> CompletionResponse:
        """Call `emit` for every delta, then return the assembled answer.

        Raises:
            Unavailable: The model server has died; `partial` holds what had arrived. Open the backend anew.
            BackendError: The call failed; `partial` holds what had arrived.
            BadInput: The request cannot be sent as it stands.

        Checkpoint: always.
        If cancelled: the server stops generating.
        """
        untold = self._leaves_out_tools(request)

        def telling(event: StreamEvent | Begun) -> Awaitable[None] | None:
            return emit(begun_without_tools(event) if isinstance(event, Begun) else event)

        try:
            response = await self._http.stream(request, telling if untold else emit)
        except BackendError as error:
            raise await self._explained(error) from error
        return without_tools(response) if untold else response

    async def wait_died(self) -> str:
        """Wait until the model server has ended and return how; the backend must then be opened anew.

        Checkpoint: always.
        If cancelled: nothing has happened.
        """
        return await self._server.wait_died()

    def _leaves_out_tools(self, request: CompletionRequest) -> bool:
        """Say whether the model is not told of the tools of a request; raise `BadInput` if it must call one."""
        if not request.tools or self._server.tells_tools:
            return False
        require_no_call(self._where, request)
        return True

    async def _explained(self, error: BackendError) -> BackendError:
        """Return the error that says why, if the reason is the death of the child."""
        if not isinstance(error, ConnectionFailed | BadReply):
            return error
        with trio.move_on_after(_DEATH_NOTICE_S):
            story = await self._server.wait_died()
            return Unavailable(story, retryable=error.retryable, partial=error.partial)
        return error


@asynccontextmanager
async def open_local(profile_name: str, profile: Profile) -> AsyncIterator[LocalProvider]:
    """Serve the profile's model from a child process for as long as the block lasts.

    Raises:
        ConfigError: The model or a setting of the server is wrong.
        Unavailable: The server cannot be started, or the file is no model.

    Checkpoint: always.
    If cancelled: the child is stopped and reaped.
    """
    model = find_model(profile_name, profile.model)
    settings, rest = read_settings(profile_name, profile)
    asked = msgspec.structs.replace(rest, model=model.alias)
    where = f"profile `{profile_name}` (local)"
    async with (
        open_server(where, model, settings) as server,
        Transport(_LIMITS) as transport,
    ):
        endpoint = Endpoint("local", f"{server.address}/v1", server.key)
        yield LocalProvider(where, HttpProvider(profile_name, asked, OpenAIDialect(), endpoint, transport), server)
