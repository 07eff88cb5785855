"""Calls to a provider over HTTP, as the tests make them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from arawn.backends.open import open_provider
from arawn.backends.protocol import Provider
from arawn.config.schema import Profile, TimeoutsConfig
from arawn.errors import (
    BackendError,
)
from arawn.messages import Begun, CompletionRequest, CompletionResponse, StreamEvent, user
from tests.fake_provider import (
    FakeProvider,
    Reply,
)

ASK = CompletionRequest(messages=(user("hi"),), model="asked")
SHORT = 0.1


@asynccontextmanager
async def opened(
    address: str, dialect: str = "openai", deadlines: dict[str, float] | None = None, **settings: Any
) -> AsyncIterator[Provider]:
    path = "/v1" if dialect == "openai" else ""
    profile = Profile(
        backend="custom",
        dialect=dialect,  # type: ignore[arg-type]  # one of two
        model="asked",
        base_url=address + path,
        timeouts=TimeoutsConfig(**(deadlines or {})),
        **settings,
    )
    async with open_provider("p", profile, environ={}) as provider:
        yield provider


async def stream(provider: Provider, sink: list[StreamEvent]) -> CompletionResponse:
    async def emit(event: StreamEvent | Begun) -> None:
        if not isinstance(event, Begun):
            sink.append(event)

    return await provider.stream(ASK, emit)


async def complete_error(reply: Reply, **settings: Any) -> BackendError:
    with FakeProvider(reply) as fake:
        async with opened(fake.address, **settings) as provider:
            with pytest.raises(BackendError) as caught:
                await provider.complete(ASK)
    return caught.value


async def stream_error(reply: Reply, **settings: Any) -> tuple[list[StreamEvent], BackendError]:
    sink: list[StreamEvent] = []
    with FakeProvider(reply) as fake:
        async with opened(fake.address, **settings) as provider:
            with pytest.raises(BackendError) as caught:
                await stream(provider, sink)
    return sink, caught.value
