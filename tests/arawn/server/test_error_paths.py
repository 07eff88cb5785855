"""Wrong requests as their senders meet them: the right status, and the envelope of the dialect that was called."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from arawn.config.schema import Config, Profile
from tests.arawn.server.test_openapi import HEADERS, whole_api
from tests.memory_runtime import MemoryRuntime
from tests.runtimes import ECHO
from tests.serving import app_of, serving

CHAT, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/responses", "/v1/messages"
PATHS = ("/chat", CHAT, RESPONSES, MESSAGES, "/v1/messages/count_tokens", "/v1/embeddings", "/workstreams")
EVERY_PATH = pytest.mark.parametrize("path", PATHS)


def told(response: httpx.Response, path: str) -> str:
    """Return the sentence of an error, which must be in the envelope that clients of `path` know."""
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-request-id"]
    body: dict[str, Any] = response.json()
    if path.startswith("/v1/messages"):
        assert set(body) == {"type", "error", "request_id"}
        assert response.headers["request-id"] == body["request_id"] == response.headers["x-request-id"]
    elif path.startswith("/v1/"):
        assert set(body["error"]) == {"message", "type", "param", "code"}
    else:
        assert set(body) == {"error"}
    return str(body["error"]["message"])


async def send(directory: Path, method: str, path: str, **more: Any) -> httpx.Response:
    async with whole_api(directory) as url, httpx.AsyncClient() as client:
        return await client.request(method, url + path, **{"headers": HEADERS, **more})


@EVERY_PATH
async def test_what_is_not_json_is_a_400(path: str, tmp_path: Path) -> None:
    """And the message says so."""
    async with whole_api(tmp_path) as url, httpx.AsyncClient(headers=HEADERS) as client:
        for body in (b"", b"{", b"9\x80", b'{"model": "\xff"}', b"nul"):
            response = await client.post(url + path, content=body)

            assert response.status_code == 400, body
            assert "is not JSON" in told(response, path)


@EVERY_PATH
async def test_what_is_nested_too_deeply_is_a_400(path: str, tmp_path: Path) -> None:
    """It may be JSON all the same."""
    response = await send(tmp_path, "POST", path, content=b"[" * 100_000 + b"]" * 100_000)

    assert response.status_code == 400
    assert "nested too deeply" in told(response, path)


@EVERY_PATH
async def test_a_packed_body_is_a_415_that_says_how_to_send_it(path: str, tmp_path: Path) -> None:
    """Bodies are read as they are."""
    packed = {**HEADERS, "content-encoding": "gzip"}
    response = await send(tmp_path, "POST", path, content=gzip.compress(b"{}"), headers=packed)

    assert (response.status_code, response.headers["accept-encoding"]) == (415, "identity")
    assert "`content-encoding` `gzip`; send it unpacked" in told(response, path)


async def test_what_is_wrong_with_a_body_is_told_apart(tmp_path: Path) -> None:
    """Nothing, half of a character, and a cut end are three things."""
    bodies = {
        b" ": "it is empty",
        rb'{"message": "\ud800"}': r"`\ud800` is half of a character",
        rb'{"message": "\ud83d\ude00': "truncated",
    }
    async with whole_api(tmp_path) as url, httpx.AsyncClient(headers=HEADERS) as client:
        for body, words in bodies.items():
            for path in ("/chat", CHAT):
                assert words in told(await client.post(url + path, content=body), path)


async def test_a_body_that_is_too_long_is_refused_in_the_words_of_the_dialect(tmp_path: Path) -> None:
    """413, announced or not, and before anything of it is read."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(33):
            yield b" " * 1024 * 1024

    async with whole_api(tmp_path) as url, httpx.AsyncClient(headers=HEADERS) as client:
        for path in ("/chat", CHAT, MESSAGES):
            announced = await client.post(url + path, content=b" " * (33 * 1024 * 1024))
            streamed = await client.post(url + path, content=chunks())

            for response in (announced, streamed):
                assert response.status_code == 413
                assert "longer than 33554432 bytes" in told(response, path)


@EVERY_PATH
async def test_json_of_another_shape_says_where_it_differs(path: str, tmp_path: Path) -> None:
    """400 in the dialects, as their own servers have it, else 422."""
    bodies: list[object] = [[], None, 5, "x", {}, {"model": 5}, {"message": 5}]
    async with whole_api(tmp_path) as url, httpx.AsyncClient(headers=HEADERS) as client:
        for body in bodies:
            response = await client.post(url + path, content=json.dumps(body).encode())

            assert response.status_code == (400 if path.startswith("/v1/") else 422), body
            assert "does not fit" in told(response, path)


CONTENTS: list[object] = [5, [5], ["x"], [None], [{}], [{"type": 5}], {"type": "text"}]


@pytest.mark.parametrize("path", [CHAT, RESPONSES, MESSAGES])
async def test_odd_messages_are_refused_in_order(path: str, tmp_path: Path) -> None:
    """However odd they are, it is the sender's fault and said so."""
    async with whole_api(tmp_path) as url, httpx.AsyncClient(headers=HEADERS) as client:
        for role in ("user", "assistant", "system", "tool", "nobody", 5):
            for content in CONTENTS:
                said = [{"role": role, "content": content}]
                body = {"model": "auto", "max_tokens": 5, "input" if path == RESPONSES else "messages": said}
                response = await client.post(url + path, json=body)

                assert response.status_code == 400, said
                assert told(response, path)


async def test_odd_results_of_tools_are_refused_in_order(tmp_path: Path) -> None:
    """In each dialect's own place for them."""
    contents: list[object] = [5, ["x"], [None], [[]], {"a": 1}]
    async with whole_api(tmp_path) as url, httpx.AsyncClient(headers=HEADERS) as client:
        for content in contents:
            result = {"type": "tool_result", "tool_use_id": "t", "content": content}
            said = {"model": "auto", "max_tokens": 5, "messages": [{"role": "user", "content": [result]}]}
            items = [{"type": "function_call_output", "call_id": "t", "output": content}]
            claude = await client.post(url + MESSAGES, json=said)
            openai = await client.post(url + RESPONSES, json={"model": "auto", "input": items})

            assert (claude.status_code, openai.status_code) == (400, 400), content


@EVERY_PATH
async def test_a_body_that_is_too_long_is_a_413(path: str, tmp_path: Path) -> None:
    """It is refused before it has been sent."""
    fields = f"host: localhost\r\nx-api-key: {HEADERS['x-api-key']}\r\ncontent-length: {33 * 2**20}"
    head = f"POST {path} HTTP/1.1\r\n{fields}\r\n\r\n"
    async with whole_api(tmp_path) as url:
        async with await trio.open_tcp_stream("127.0.0.1", int(url.rpartition(":")[2])) as socket:
            await socket.send_all(head.encode())
            answer = await socket.receive_some()

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["type"]


@EVERY_PATH
async def test_the_content_type_of_a_request_does_not_matter(path: str, tmp_path: Path) -> None:
    """`curl -d` says that it sends a form; what counts is the body."""
    form = {**HEADERS, "content-type": "application/x-www-form-urlencoded"}
    body = {"model": "auto", "message": "hi", "messages": [], "input": "hi", "name": "n"}
    content = json.dumps(body).encode()
    typed = await send(tmp_path, "POST", path, content=content, headers=form)
    plain = await send(tmp_path, "POST", path, content=content.replace(b'"n"', b'"m"'))

    assert plain.status_code == typed.status_code != 415


@EVERY_PATH
async def test_without_a_token_it_is_a_401(path: str, tmp_path: Path) -> None:
    """With what to send, whatever the method is."""
    offers: list[dict[str, str]] = [{}, {"authorization": "Bearer wrong"}, {"x-api-key": ""}]
    async with whole_api(tmp_path) as url, httpx.AsyncClient() as client:
        for headers in offers:
            response = await client.post(url + path, headers=headers)

            assert response.status_code == 401
            assert response.headers["www-authenticate"] == "Bearer"
            assert "Authorization: Bearer" in told(response, path)


@EVERY_PATH
async def test_another_method_is_a_405_with_allow(path: str, tmp_path: Path) -> None:
    """`Allow` lists what there is."""
    async with whole_api(tmp_path) as url, httpx.AsyncClient(headers=HEADERS) as client:
        for method in ("PUT", "TRACE", "OPTIONS", "BREW"):
            response = await client.request(method, url + path)

            assert response.status_code == 405
            assert "POST" in response.headers["allow"].split(", ")
            assert "it takes" in told(response, path)


async def test_a_websocket_for_responses_is_a_426_in_the_envelope(tmp_path: Path) -> None:
    """Codex tries one first and falls back to HTTP at this status alone; without the offer it is a 405."""
    offer = {"connection": "Upgrade", "upgrade": "websocket"}
    async with whole_api(tmp_path) as url, httpx.AsyncClient(headers=HEADERS) as client:
        refused = await client.get(f"{url}{RESPONSES}", headers=offer)
        plain = await client.get(f"{url}{RESPONSES}")

    assert [refused.status_code, plain.status_code] == [426, 405]
    assert (refused.headers["upgrade"], refused.headers["x-should-retry"]) == ("HTTP/1.1", "false")
    assert "HTTP `POST`" in told(refused, RESPONSES)


async def test_an_unknown_path_is_a_404_in_the_envelope(tmp_path: Path) -> None:
    """For HEAD too, without a body."""
    async with whole_api(tmp_path) as url, httpx.AsyncClient(headers=HEADERS) as client:
        for path in ("/nope", "/v1/nope", "/v1/messages/nope", "/v1/messages/batches", "//", "/v1"):
            response, head = await client.get(url + path), await client.head(url + path)

            assert (response.status_code, head.status_code, head.content) == (404, 404, b"")
            assert "there is no" in told(response, path)


async def test_a_slash_at_the_end_is_no_part_of_a_path(tmp_path: Path) -> None:
    """The 404 names the path that was meant."""
    async with whole_api(tmp_path) as url, httpx.AsyncClient(headers=HEADERS) as client:
        for path in ("/chat/", "/status/", f"{CHAT}/", f"{MESSAGES}/", "/workstreams/"):
            response = await client.get(url + path)

            assert response.status_code == 404
            assert f"did you mean `{path[:-1]}`" in told(response, path)


class WithLocalProfile(MemoryRuntime):
    """A runtime in memory whose second profile has a model server."""

    config = Config(profiles={"default": ECHO, "here": Profile(backend="local", model="m.gguf")})


async def test_a_refusal_names_what_would_be_right() -> None:
    """No profile takes the id of an earlier response; a `local` one has a model server, but not for embeddings."""
    app = app_of(WithLocalProfile())
    async with serving(app) as served, httpx.AsyncClient(base_url=served.url) as client:
        asked = {"model": "auto", "input": "hi", "previous_response_id": "r"}
        response = await client.post(RESPONSES, json=asked)
        vectors = await client.post("/v1/embeddings", json={"model": "here", "input": "hi"})

    assert (response.status_code, vectors.status_code) == (400, 404)
    assert "choose a profile" not in told(response, RESPONSES)
    assert "must hold its whole input" in told(response, RESPONSES)
    assert "its model server is started for completions alone" in told(vectors, "/v1/embeddings")


async def test_a_wrong_base_url_is_answered_with_the_path_that_was_meant(tmp_path: Path) -> None:
    """Without `/v1`, or with two of them: the two ways in which clients are set up wrongly."""
    meant = {"/chat/completions": CHAT, "/responses": RESPONSES, "/v1/v1/messages": MESSAGES, "/models": "/v1/models"}
    async with whole_api(tmp_path) as url, httpx.AsyncClient(headers=HEADERS) as client:
        for path, right in meant.items():
            response = await client.post(url + path, json={})

            assert response.status_code == 404
            assert told(response, path).endswith(f"did you mean `{right}`?")


async def test_head_is_get_without_its_body(tmp_path: Path) -> None:
    """The same status and length, on every route that GET has."""
    async with whole_api(tmp_path) as url, httpx.AsyncClient(headers=HEADERS) as client:
        for path in ("/healthz", "/readyz", "/backends", "/workstreams", "/v1/models", "/openapi.json"):
            get, head = await client.get(url + path), await client.head(url + path)

            assert (head.status_code, head.content) == (get.status_code, b"")
            assert head.headers["content-length"] == get.headers["content-length"]
