"""Clients that leave while the log is read for them."""

from __future__ import annotations

import threading
from pathlib import Path, PosixPath
from typing import Any

import httpx
import pytest
import trio

from arawn.wire.asgi import Event, Receive, Scope, Send
from tests.memory_runtime import MemoryRuntime
from tests.serving import app_of, serving


class Awaited(PosixPath):
    """The directory of a log that is not looked at before the test says so."""

    begun = threading.Event()
    go_on = threading.Event()

    def stat(self, **options: Any) -> Any:
        self.begun.set()
        assert self.go_on.wait(5)
        return super().stat(**options)


@pytest.mark.parametrize("path", ["/interactions", "/interactions/latest"])
async def test_a_client_that_leaves_ends_the_read(tmp_path: Path, path: str) -> None:
    """The log is not read on for nobody, and who waits for the reader has it."""
    (tmp_path / "interactions-2026-01-28.jsonl").write_text("{}\n")
    Awaited.begun, Awaited.go_on = threading.Event(), threading.Event()
    runtime, sent, ended = MemoryRuntime(), list[Event](), trio.Event()
    runtime.log_path = Awaited(tmp_path)
    app = app_of(runtime)

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        async def seen(event: Event) -> None:
            sent.append(event)
            await send(event)

        try:
            await app(scope, receive, seen)
        finally:
            ended.set()

    async with serving(watched) as at:
        async with trio.open_nursery() as nursery, httpx.AsyncClient(base_url=at.url) as client:
            nursery.start_soon(client.get, path)
            await trio.to_thread.run_sync(Awaited.begun.wait, 5)
            nursery.cancel_scope.cancel()
        with trio.move_on_after(0.05):
            await ended.wait()
        Awaited.go_on.set()
        await ended.wait()

    assert sent == []
