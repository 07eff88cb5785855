"""`POST /chat`, whole and as events."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import trio
import trio.testing
from trio.testing import MockClock

from arawn.errors import BackendError, ConnectionFailed, StoreFailed, UnknownProfile
from arawn.messages import Completed, StreamEvent, TextDelta
from arawn.server.auth import Door
from arawn.wire.asgi import Event
from tests.arawn.server.sdk.doors import TOKEN, open_api
from tests.memory_runtime import Events, MemoryRuntime
from tests.runtimes import records, scripted
from tests.serving import app_of, serving

OPEN = Door(token=None, hosts=())


async def post(runtime: MemoryRuntime, body: object) -> httpx.Response:
    async with serving(app_of(runtime)) as served, httpx.AsyncClient() as client:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await client.post(f"{served.url}/chat", content=content)


def events_of(text: str) -> list[tuple[str, dict[str, object]]]:
    """Parse a stream in which every event is one `event` line and one `data` line."""
    blocks = [block.split("\n") for block in text.split("\n\n") if block and not block.startswith(":")]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in blocks]


async def test_the_answer_has_everything() -> None:
    """Text, content, model, profile, usage, tool calls and the id of the record."""
    response = await post(MemoryRuntime(), {"message": "Capital of France?"})

    assert response.status_code == 200
    assert response.headers["x-request-id"] == "0190-record"
    assert response.headers["x-arawn-profile"] == "fast"
    assert response.json() == {
        "text": "Paris",
        "content": [
            {"type": "text", "text": "Paris"},
            {"type": "tool_use", "id": "t1", "name": "look", "arguments": {"at": "map"}},
        ],
        "model": "m-1",
        "profile": "fast",
        "stop_reason": "end_turn",
        "usage": {
            "input_tokens": 3,
            "output_tokens": 1,
            "cache_read_tokens": None,
            "cache_write_tokens": None,
            "reasoning_tokens": None,
        },
        "tool_calls": [{"type": "tool_use", "id": "t1", "name": "look", "arguments": {"at": "map"}}],
        "interaction_id": "0190-record",
        "workstream": None,
        "routing": {"profile": "fast", "reason": "Default", "confidence": 1.0, "features": {}},
    }


@pytest.mark.parametrize("workstream", [None, "research"])
@pytest.mark.parametrize("stream", [False, True])
async def test_the_context_reaches_the_runtime(workstream: str | None, stream: bool) -> None:
    """Session, profile and tags travel with the message, in a workstream or outside any."""
    runtime = MemoryRuntime()
    body = {"message": "hi", "session_id": "s", "routing_profile": "fast", "tags": {"a": "b"}, "stream": stream}
    if workstream:
        body["workstream"] = workstream

    response = await post(runtime, body)

    expected = {"text": "hi", "workstream": workstream, "profile": "fast", "session_id": "s", "tags": {"a": "b"}}
    assert response.status_code == 200
    assert runtime.calls == [expected]


async def test_events_are_named_after_their_tags_and_end_with_the_whole_answer() -> None:
    """Deltas come as they are; the last event holds what the plain call returns."""
    plain = await post(MemoryRuntime(), {"message": "hi"})
    streamed = await post(MemoryRuntime(), {"message": "hi", "stream": True})

    assert streamed.headers["content-type"] == "text/event-stream"
    assert "x-request-id" in streamed.headers
    assert events_of(streamed.text) == [
        ("text_delta", {"type": "text_delta", "index": 0, "text": "part 0 é\n"}),
        ("text_delta", {"type": "text_delta", "index": 0, "text": "part 1 é\n"}),
        ("completed", {"type": "completed", "response": plain.json()}),
    ]


async def test_an_error_before_the_first_event_has_its_own_status() -> None:
    """Nothing has been sent yet, so the failure is an ordinary error."""
    response = await post(MemoryRuntime(fault=ConnectionFailed("refused"), deltas=0), {"message": "hi", "stream": True})

    assert response.status_code == 502
    assert response.json()["error"]["type"] == "connection_failed"


async def test_an_error_after_the_start_is_an_event() -> None:
    """The stream ends in order, with an `error` event as the last one."""
    fault: BackendError = ConnectionFailed("cut")
    fault.profile = "fast"
    response = await post(MemoryRuntime(fault=fault), {"message": "hi", "stream": True})

    names = [name for name, _ in events_of(response.text)]
    assert response.status_code == 200
    assert names == ["text_delta", "text_delta", "error"]
    expected = {"error": {"type": "connection_failed", "message": "cut", "profile": "fast"}}
    assert events_of(response.text)[-1][1] == expected


@pytest.mark.parametrize(
    ("fault", "status"), [(UnknownProfile("x", ["fast"]), 400), (StoreFailed("the disk is full"), 503)]
)
async def test_failures_of_the_call_are_answered(fault: Exception, status: int) -> None:
    """An error of the runtime is an error of the answer, not a fault of the server."""
    response = await post(MemoryRuntime(fault=fault), {"message": "hi"})

    assert response.status_code == status
    assert response.json()["error"]["message"] == str(fault)


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        (b"", 400, "JSON"),
        (b"{", 400, "JSON"),
        (b'{"message": "\xff"}', 400, "JSON"),
        ([], 422, "object"),
        ({}, 422, "`message`"),
        ({"message": ""}, 422, "`$.message`"),
        ({"message": 3}, 422, "`$.message`"),
        ({"message": "hi", "tags": {"a": 1}}, 422, "`$.tags[...]`"),
        (
            {"message": "hi", "mesage": "hi"},
            422,
            "`mesage` (did you mean `message`?); accepted: `message`, `workstream`",
        ),
        ({"mesage": "hi", "zzz": 1}, 422, "unknown: `mesage` (did you mean `message`?), `zzz`; accepted: "),
        ({"message": "hi", "stream": "yes"}, 422, "`$.stream`"),
        ({f"k{number}": 1 for number in range(1_000)}, 422, "`k9` and 990 more; accepted: `message`"),
        ({f"k{number}": 1 for number in range(10_001)}, 400, "it has 10,001 fields; at most 10,000 are read"),
        ({"message": "hi", "tools": [""] * 100_001}, 400, "`tools` has 100,001 items; at most 100,000 are read"),
    ],
)
async def test_a_wrong_body_is_refused_by_the_name_of_its_field(body: object, status: int, named: str) -> None:
    """The message says which field does not fit and what would."""
    runtime = MemoryRuntime()
    response = await post(runtime, body)

    assert response.status_code == status
    assert response.json()["error"]["type"] == "invalid_request"
    assert named in response.json()["error"]["message"]
    assert runtime.calls == []


class Timeline:
    """Events at set times; waiting for the next one may be cancelled and begun again, as with the real runtime."""

    def __init__(self, *events: tuple[float, StreamEvent]) -> None:
        self._began = trio.current_time()
        self._left = list(events)

    def __aiter__(self) -> Timeline:
        return self

    async def __anext__(self) -> StreamEvent:
        if not self._left:
            raise StopAsyncIteration
        await trio.sleep_until(self._began + self._left[0][0])
        return self._left.pop(0)[1]


class Timed(MemoryRuntime):
    """Says a word after 20 seconds, and is done after 40."""

    @asynccontextmanager
    async def events(self) -> AsyncIterator[Events]:
        yield Events(Timeline((20, TextDelta(0, "word")), (40, Completed(await self.answer()))))


async def test_a_long_wait_is_kept_alive_by_comments(autojump_clock: MockClock) -> None:
    """A comment goes out every 15 seconds without an event, before the first one and between any two."""
    times: list[tuple[float, bytes]] = []
    requests: list[Event] = [{"type": "http.request", "body": b'{"message": "hi", "stream": true}', "more_body": False}]

    async def receive() -> Event:
        if requests:
            return requests.pop()
        await trio.sleep_forever()
        raise AssertionError

    async def send(event: Event) -> None:
        if event["type"] == "http.response.body":
            times.append((trio.current_time() - began, event["body"][:12]))

    began = trio.current_time()
    scope = {"type": "http", "method": "POST", "path": "/chat", "headers": [], "server": ("socket", None)}
    await app_of(Timed())(scope, receive, send)

    shown = [(round(time), data) for time, data in times]
    assert shown == [
        (15, b": keep-alive"),
        (20, b"event: text_"),
        (35, b": keep-alive"),
        (40, b": interactio"),
        (40, b""),
    ]


async def test_a_reader_that_is_slow_slows_the_source() -> None:
    """Events are taken from the runtime at the pace of the client."""
    taken = 0

    class Endless(MemoryRuntime):
        async def _consume(self, receiver: object) -> object:  # type: ignore[override]
            nonlocal taken
            while True:
                taken += 1
                yield TextDelta(0, "x" * 50_000)

    async with serving(app_of(Endless())) as served, await served.connect() as stream:
        body = b'{"message": "hi", "stream": true}'
        await stream.send_all(
            b"POST /chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )
        await stream.receive_some(1)
        await trio.testing.wait_all_tasks_blocked(0.1)
        reached = taken
        await trio.testing.wait_all_tasks_blocked(0.1)

    assert taken == reached


@pytest.mark.parametrize(
    "body", [b"", b"{", b"9\x80", b'"a" b', b"[" * 100_000, b'{"message": "\xff"}', b"null", b"[]", b"\xef\xbb\xbf{}"]
)
async def test_any_bytes_as_a_body_are_refused_in_order(body: bytes) -> None:
    """With 400 for what is not JSON and 422 for JSON of another shape; never with a fault of the server."""
    response = await post(MemoryRuntime(), body)

    assert response.status_code in {400, 422}
    assert response.json()["error"]["type"] == "invalid_request"


async def test_a_call_without_arguments_has_an_empty_object(tmp_path: Path) -> None:
    """In the answer, in the last event, and in the record."""
    profile = scripted(tmp_path, [{"tool_calls": [{"name": "look"}]}])
    async with (
        open_api(tmp_path, {"default": profile}) as url,
        httpx.AsyncClient(headers={"x-api-key": TOKEN}) as client,
    ):
        plain = (await client.post(f"{url}/chat", json={"message": "hi"})).json()
        streamed = (await client.post(f"{url}/chat", json={"message": "hi", "stream": True})).text

    completed = next(data["response"] for name, data in events_of(streamed) if name == "completed")
    for answer in (plain, completed):
        assert isinstance(answer, dict)
        assert answer["content"][0]["arguments"] == answer["tool_calls"][0]["arguments"] == {}
    assert [record["response_content"][0]["arguments"] for record in records(tmp_path)] == [{}, {}]
