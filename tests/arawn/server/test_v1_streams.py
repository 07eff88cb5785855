"""Streams under `/v1`: at once, kept alive, ended in order, and given up when nobody reads; real sockets throughout."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from arawn.server import streaming
from tests.arawn.server.sdk.doors import TOKEN, open_api
from tests.arawn.server.sdk.upstreams import KINDS, Answer, Refusal, upstream
from tests.fake_provider import FakeProvider, Fault, openai_chunk, stream_reply
from tests.fake_provider import events as sse
from tests.runtimes import ECHO, custom, records, scripted

PATHS = ("/v1/chat/completions", "/v1/messages")
HEADERS = {"authorization": f"Bearer {TOKEN}"}


def body(**more: Any) -> dict[str, Any]:
    return {"model": "auto", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], **more}


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what another thread or the log does."""
    with trio.fail_after(2):
        while not holds():  # noqa: ASYNC110
            await trio.sleep(0.002)


async def read_until(url: str, path: str, needle: bytes) -> bytes:
    """Ask for a stream on a bare socket, read until `needle` has come, and hang up."""
    content = json.dumps(body(stream=True)).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nx-api-key: {TOKEN}\r\ncontent-length: {len(content)}\r\n\r\n"
    async with await trio.open_tcp_stream("127.0.0.1", int(url.rpartition(":")[2])) as socket:
        await socket.send_all(head.encode() + content)
        seen = b""
        while needle not in seen and (more := await socket.receive_some()):
            seen += more
        return seen


@pytest.mark.parametrize("path", PATHS)
async def test_words_are_passed_on_as_they_come(tmp_path: Path, path: str) -> None:
    """The first word is there while the provider is still to say the second."""
    pieces: list[bytes | Fault] = [
        *sse(openai_chunk(role="assistant", content=""), openai_chunk(content="first")),
        Fault.STALL,
    ]
    with FakeProvider(stream_reply(pieces)) as provider:
        async with open_api(tmp_path, {"default": custom(provider.address)}) as url:
            seen = await read_until(url, path, b"first")

    assert b"first" in seen


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_cancels_the_provider_call(tmp_path: Path, path: str, stream: bool) -> None:
    """Within 100 ms the connection to the provider is closed, and the record says that the call was cancelled."""
    stall = stream_reply([Fault.STALL])
    with FakeProvider(stall) as provider:
        async with open_api(tmp_path, {"default": custom(provider.address)}) as url:
            async with httpx.AsyncClient() as client, trio.open_nursery() as nursery:
                nursery.start_soon(
                    lambda: client.post(url + path, json=body(stream=stream), headers=HEADERS, timeout=None)
                )
                await until(lambda: bool(provider.received))
                nursery.cancel_scope.cancel(reason="the client leaves")
            left_at = trio.current_time()
            await until(provider.hung_up.is_set)
            took = trio.current_time() - left_at

    assert took < 0.1
    assert [record["status"] for record in records(tmp_path)] == ["cancelled"]


@pytest.mark.parametrize("path", PATHS)
async def test_a_scripted_model_has_one_name(tmp_path: Path, path: str) -> None:
    """Streamed and not, as in the record."""
    async with open_api(tmp_path, {"demo": ECHO}) as url, httpx.AsyncClient() as client:
        asked = [body(model="demo"), body(model="demo", stream=True)]
        plain, streamed = [await client.post(url + path, json=each, headers=HEADERS) for each in asked]

    assert plain.json()["model"] == "scripted"
    assert '"model":"scripted"' in streamed.text
    assert {record["model_used"] for record in records(tmp_path)} == {"scripted"}


@pytest.mark.parametrize("path", PATHS)
async def test_a_client_that_leaves_in_the_middle_cancels_its_call(tmp_path: Path, path: str) -> None:
    """What had arrived is in the record."""
    profile = scripted(tmp_path, [{"text": "first second", "cut_after": 1, "hang": True}])
    async with open_api(tmp_path, {"default": profile}) as url:
        await read_until(url, path, b"first")
        await until(lambda: bool(records(tmp_path)))

    assert [record["status"] for record in records(tmp_path)] == ["cancelled"]


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        ("/v1/chat/completions", ": keep-alive\n\n", ": keep-alive\n\n"),
        ("/v1/messages", ": keep-alive\n\n", 'event: ping\ndata: {"type":"ping"}\n\n'),
    ],
)
async def test_a_long_wait_is_kept_alive(
    tmp_path: Path, path: str, before: str, after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Something that clients pass over goes out before the first word, and between any two."""
    monkeypatch.setattr(streaming, "KEEP_ALIVE_SECONDS", 0.05)
    profile = scripted(tmp_path, [{"text": "first second", "delay_s": 0.12, "token_delay_s": 0.12}])
    async with open_api(tmp_path, {"default": profile}) as url, httpx.AsyncClient() as client:
        response = await client.post(url + path, json=body(stream=True), headers=HEADERS)

    early, _, late = response.text.partition("first")
    assert early.startswith(before)
    assert after in late
    assert late.rstrip().endswith("[DONE]" if "chat" in path else 'data: {"type":"message_stop"}')


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", PATHS)
async def test_a_stream_that_breaks_says_so_and_ends(tmp_path: Path, path: str, kind: str) -> None:
    """An error in the dialect's own form, no word of success, and an orderly end of the response."""
    with upstream(kind, tmp_path, Answer("one two three"), stream=True, cut=True) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url, httpx.AsyncClient() as client:
            response = await client.post(url + path, json=body(stream=True), headers=HEADERS)

    assert response.status_code == 200
    blocks = [block for block in response.text.split("\n\n") if block]
    if "chat" in path:
        assert blocks[-1] == "data: [DONE]"
        assert json.loads(blocks[-2].removeprefix("data: "))["error"]["code"] == "bad_reply"
        assert '"finish_reason":"' not in response.text
    else:
        assert blocks[-1].startswith('event: error\ndata: {"type":"error","error":{"type":"api_error"')
        assert "message_stop" not in response.text
    assert [record["status"] for record in records(tmp_path)] == ["partial"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", PATHS)
async def test_a_refusal_before_the_first_word_has_its_own_status(tmp_path: Path, path: str, kind: str) -> None:
    """Nothing has been sent yet, so it is an ordinary error; the wait that the provider asked for is passed on."""
    with upstream(kind, tmp_path, Refusal(429, "slow down", retry_after=7), stream=True) as up:
        async with open_api(tmp_path, {"default": up.profile}) as url, httpx.AsyncClient() as client:
            response = await client.post(url + path, json=body(stream=True), headers=HEADERS)

    assert response.status_code == 429
    assert response.headers["retry-after"] == "7"
    assert response.headers["x-request-id"] == records(tmp_path)[0]["id"]
    own = (path == "/v1/messages" and kind == "anthropic") or ("chat" in path and kind == "openai")
    assert response.json()["error"]["type"] == ("some_error" if own else "rate_limit_error")
    assert "slow down" in response.json()["error"]["message"]
