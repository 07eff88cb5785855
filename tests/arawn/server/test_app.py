"""The routes and what every answer has in common, over a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import trio

from arawn.errors import RateLimited
from arawn.server.auth import Door
from arawn.wire.asgi import Event
from arawn.wire.limits import Limits
from tests.memory_runtime import MemoryRuntime
from tests.serving import OPEN, app_of, serving


@asynccontextmanager
async def client_of(
    runtime: MemoryRuntime, door: Door = OPEN, reason: str | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    """Serve the application for `runtime` and yield a client of it."""
    runtime.database_fault = reason
    async with serving(app_of(runtime, door)) as served, httpx.AsyncClient(base_url=served.url) as client:
        yield client


async def test_the_probes_and_the_status_answer() -> None:
    """Alive, ready, and the runtime's own report."""
    runtime = MemoryRuntime()
    async with client_of(runtime) as client:
        alive, ready, status = [await client.get(path) for path in ("/healthz", "/readyz", "/status")]

    assert (alive.status_code, ready.status_code) == (200, 200)
    assert status.text == runtime.status().to_json()
    assert status.headers["content-type"] == "application/json"


async def test_the_root_says_that_somebody_is_there() -> None:
    """To programs that ask for its head without a token before they begin; there is no body then."""
    async with client_of(MemoryRuntime(), Door(token="secret", hosts=())) as client:
        head, whole, status = await client.head("/"), await client.get("/"), await client.get("/status")

    assert (head.status_code, head.content) == (200, b"")
    assert (whole.status_code, whole.json()) == (200, {"status": "ok"})
    assert status.status_code == 401


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_websocket_is_refused_at_once_with_what_is_served(method: str) -> None:
    """Clients that try one first fall back to HTTP at a 426, and try a 405 again and again."""
    asked = {"connection": "Upgrade", "upgrade": "WebSocket", "sec-websocket-version": "13"}
    async with client_of(MemoryRuntime()) as client:
        refused = await client.request(method, "/chat", headers=asked)
        served = await client.request(method, "/status", headers=asked)
        missing = await client.request(method, "/nope", headers=asked)

    assert (refused.status_code, refused.headers["upgrade"], refused.headers["connection"]) == (
        426,
        "HTTP/1.1",
        "upgrade",
    )
    assert method == "HEAD" or "HTTP `POST`" in refused.json()["error"]["message"]
    assert [served.status_code, missing.status_code] == [200, 404]  # a client may offer what nobody takes up


async def test_not_ready_says_why_and_stays_alive() -> None:
    """Readiness is 503 with the reason; liveness is not touched by it."""
    async with client_of(MemoryRuntime(), reason="draining") as client:
        ready, alive = await client.get("/readyz"), await client.get("/healthz")

    assert (ready.status_code, alive.status_code) == (503, 200)
    assert ready.json()["error"] == {"type": "not_ready", "message": "draining"}


async def test_a_foreign_host_is_told_that_it_is_not_ready_and_not_why() -> None:
    """A balancer that probes by address needs the status alone; a reason may name files and providers."""
    async with client_of(MemoryRuntime(), reason="`/home/me/x.db` is gone") as client:
        told = await client.get("/readyz", headers={"host": "10.1.2.3"})

    assert (told.status_code, told.json()["error"]["type"]) == (503, "not_ready")
    assert "/home" not in told.text


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("/nope", ""),
        ("/chatt", "; did you mean `/chat`?"),
        ("/healthy", "; did you mean `/healthz` or `/chat`?"),
        ("/chat/", "; did you mean `/chat`?"),
        ("/readyz//", "; did you mean `/readyz`?"),
    ],
)
async def test_an_unknown_path_is_a_404_that_says_where_the_paths_are(path: str, more: str) -> None:
    """And which is like it, if one is."""
    async with client_of(MemoryRuntime()) as client:
        response = await client.get(path)

    assert (response.status_code, response.json()["error"]["type"]) == (404, "not_found")
    assert response.json()["error"]["message"] == f"there is no `{path}` here; the routes are in `/openapi.json`{more}"


async def test_a_wrong_method_is_a_405_that_says_what_is_allowed() -> None:
    """`Allow` lists the methods."""
    async with client_of(MemoryRuntime()) as client:
        chat, status = await client.get("/chat"), await client.delete("/status")

    assert (chat.status_code, chat.headers["allow"]) == (405, "POST")
    assert (status.status_code, status.headers["allow"]) == (405, "GET, HEAD")


async def test_head_works_where_get_does() -> None:
    """HEAD has the headers of GET."""
    async with client_of(MemoryRuntime()) as client:
        head, whole = await client.head("/status"), await client.get("/status")

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.content))


async def test_every_answer_has_a_request_id() -> None:
    """Answers can be told apart; an error of a backend has the id of its record."""
    fault = RateLimited("slow down", retry_after_s=1.2)
    fault.interaction_id = "0190-failed"
    async with client_of(MemoryRuntime(fault=fault)) as client:
        ids = [(await client.get(path)).headers["x-request-id"] for path in ("/healthz", "/healthz", "/nope")]
        failed = await client.post("/chat", json={"message": "hi"})

    assert len(set(ids)) == 3
    assert failed.headers["x-request-id"] == "0190-failed"
    assert failed.headers["retry-after"] == "2"
    assert failed.status_code == 429


async def test_a_refused_request_reaches_no_route() -> None:
    """Without the token nothing is asked of the runtime."""
    runtime = MemoryRuntime()
    async with client_of(runtime, Door(token="secret", hosts=())) as client:
        without = await client.post("/chat", json={"message": "hi"})
        with_it = await client.post("/chat", json={"message": "hi"}, headers={"x-api-key": "secret"})

    assert (without.status_code, with_it.status_code) == (401, 200)
    assert len(runtime.calls) == 1


async def test_a_body_above_the_limit_is_refused_on_any_server() -> None:
    """The application counts too, so that a server without a limit of its own does no harm."""
    sent: list[Event] = []
    piece = bytes(8 * 2**20)

    async def receive() -> Event:
        return {"type": "http.request", "body": piece, "more_body": True}

    async def send(event: Event) -> None:
        sent.append(event)

    scope = {"type": "http", "method": "POST", "path": "/chat", "headers": [], "server": ("socket", None)}
    await app_of(MemoryRuntime())(scope, receive, send)

    assert sent[0]["status"] == 413


async def test_the_limits_of_the_server_hold_for_the_application() -> None:
    """A body that never arrives in time is answered 408 and asks nothing of the runtime."""
    runtime = MemoryRuntime()
    limits = Limits(body_seconds=0.02, linger_seconds=0.01)
    app = app_of(runtime)
    async with serving(app, limits) as served, await served.connect() as stream:
        await stream.send_all(b"POST /chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{")
        answer = await stream.receive_some()

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert runtime.calls == []


@asynccontextmanager
async def no_leavers() -> AsyncIterator[None]:
    yield None


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("told", [True, False], ids=["told by the server", "asked of the server"])
async def test_a_client_that_leaves_cancels_the_call(stream: bool, told: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model is not asked to go on for nobody: the call is cancelled within 100 ms, without `epoll` too."""
    runtime = MemoryRuntime(delay=100.0)
    if not told:
        monkeypatch.setattr("arawn.wire.server.open_leavers", no_leavers)
    async with serving(app_of(runtime)) as served:
        async with httpx.AsyncClient(base_url=served.url) as client:
            with trio.move_on_after(0.1):
                await client.post("/chat", json={"message": "hi", "stream": stream})
        with trio.fail_after(0.1):
            await runtime.cancelled.wait()

    assert len(runtime.calls) == 1
