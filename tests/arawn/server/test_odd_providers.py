"""Providers that answer oddly, quote secrets, or say nothing at first: what reaches the client and the record."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from arawn.backends.openai import OpenAIDialect
from arawn.backends.stream_reading import StreamReading
from arawn.backends.verbatim_reply import VerbatimReading
from arawn.config.schema import Profile, RetryConfig, TimeoutsConfig
from arawn.errors import BackendError
from arawn.messages import Completed, CompletionRequest, user
from tests.arawn.server.same_dialect import CHAT, CHAT_EVENTS, MESSAGES, MESSAGES_ANSWER, MESSAGES_EVENTS, ask, streamed
from tests.arawn.server.sdk.doors import TOKEN, open_api
from tests.fake_provider import FakeProvider, Fault, Reply, openai_chunk, openai_stream, stream_reply
from tests.runtimes import configured, records, running

HELLO = CompletionRequest(messages=(user("hi"),))
BEARER = ("authorization", f"Bearer {TOKEN}")
KEY = "k-secret-123"
QUOTES = {"type": "error", "error": {"type": "api_error", "message": f"bad key {KEY}"}}
TEXT = {"type": "text", "text": ""}
THINKING = {"type": "thinking", "thinking": "", "signature": ""}


def said(**event: Any) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


def block(index: int, begin: dict[str, Any], *deltas: dict[str, Any]) -> list[bytes]:
    return [
        said(type="content_block_start", index=index, content_block=begin),
        *[said(type="content_block_delta", index=index, delta=delta) for delta in deltas],
        said(type="content_block_stop", index=index),
    ]


def message(*blocks: list[bytes]) -> list[bytes]:
    return [
        said(type="message_start", message={"id": "m", "model": "m-1", "content": [], "usage": {"input_tokens": 7}}),
        *[piece for pieces in blocks for piece in pieces],
        said(type="message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 3}),
        said(type="message_stop"),
    ]


PARIS = block(1, TEXT, {"type": "text_delta", "text": "Paris"})
SIGNED = message(block(0, THINKING, {"type": "signature_delta", "signature": "abc"}), PARIS)
REDACTED = message(block(0, {"type": "redacted_thinking", "data": "xyz"}), PARIS)
EMPTY = message(
    block(0, TEXT),
    block(
        1, {"type": "tool_use", "id": "t", "name": "f", "input": {}}, {"type": "input_json_delta", "partial_json": "{}"}
    ),
)


@pytest.mark.parametrize("pieces", [SIGNED, REDACTED, EMPTY], ids=["signed", "redacted", "empty"])
async def test_a_stream_may_begin_with_a_block_that_says_nothing(pieces: Sequence[bytes], tmp_path: Path) -> None:
    """Thinking that is hidden, or a text that stays empty before a tool call."""
    response, _ = await ask(tmp_path, "anthropic", streamed(MESSAGES), stream_reply(pieces))

    assert (response.status_code, records(tmp_path)[0]["status"]) == (200, "ok"), response.text
    assert b"message_stop" in response.content


async def test_hidden_thinking_comes_before_what_was_said(tmp_path: Path) -> None:
    """In events and in the answer, also where the dialects differ."""
    with FakeProvider(stream_reply(REDACTED)) as provider:
        profile = Profile(backend="custom", dialect="anthropic", base_url=provider.address, model="m")
        async with running(configured(tmp_path, {"default": profile})) as runtime:
            async with runtime.stream(HELLO) as stream:
                events = [event async for event in stream]

    assert isinstance(events[-1], Completed)
    assert events[-1].response.text == "Paris"
    assert [getattr(event, "index", None) for event in events[:-1]] == [0, 1]


@pytest.mark.parametrize("how", ["stream first", "stream later", "plain 200", "html 200", "not json"])
async def test_a_key_in_an_error_inside_a_200_stays_here(how: str, tmp_path: Path) -> None:
    """Wherever a provider quotes it."""
    fault = said(**QUOTES)
    reply = {
        "stream first": stream_reply([fault]),
        "stream later": stream_reply([*MESSAGES_EVENTS[:5], fault]),
        "plain 200": Reply(body=json.dumps(QUOTES).encode()),
        "html 200": Reply(body=f"<p>{KEY}".encode(), content_type="text/html"),
        "not json": stream_reply([f"data: {KEY}\n\n".encode()]),
    }[how]

    response, _ = await ask(
        tmp_path, "anthropic", MESSAGES if how == "plain 200" else streamed(MESSAGES), reply, api_key=KEY
    )

    assert KEY not in response.text
    assert KEY not in json.dumps(records(tmp_path))


async def test_a_secret_header_that_a_refusal_quotes_stays_here(tmp_path: Path) -> None:
    """The key may be in the profile's `headers`."""
    refusal = Reply(401, f'{{"error":{{"message":"wrong key {KEY}"}}}}'.encode())
    with FakeProvider(refusal) as provider:
        headers = {"authorization": KEY}
        profile = Profile(
            backend="custom", dialect="openai", base_url=f"{provider.address}/v1", model="m-1", headers=headers
        )
        async with open_api(tmp_path, {"p": profile}) as url, httpx.AsyncClient() as client:
            response = await client.post(f"{url}/v1/chat/completions", content=CHAT, headers=[BEARER])

    assert response.status_code == 401
    assert KEY not in response.text


async def test_betas_on_two_lines_pass(tmp_path: Path) -> None:
    """A header that comes twice is one list."""
    with FakeProvider(Reply(body=MESSAGES_ANSWER)) as provider:
        profile = Profile(backend="custom", dialect="anthropic", base_url=provider.address, model="m-1")
        async with open_api(tmp_path, {"p": profile}) as url, httpx.AsyncClient() as client:
            betas = [("anthropic-beta", "a-1"), ("anthropic-beta", "b-2")]
            await client.post(f"{url}/v1/messages", content=MESSAGES, headers=[BEARER, *betas])

    sent = provider.received[0].headers["anthropic-beta"]
    assert "a-1" in sent
    assert "b-2" in sent


@pytest.mark.parametrize("end", ["\n\r\n", "\r\n\n", "\r\n\r", "\r\r\n", "\n\r"])
def test_lines_may_end_in_any_mixture(end: str) -> None:
    """An event is over where the parser says so, in bytes that are passed on too."""
    data = [b"data: " + json.dumps(openai_chunk(content="x")).encode() + end.encode()] * 3
    plain = StreamReading("h", OpenAIDialect(), max_bytes=10**9)
    reading = VerbatimReading("h", OpenAIDialect(), max_bytes=10**9, drop_usage=False)

    assert sum(len(list(plain.feed(each))) for each in data) == sum(len(list(reading.feed(each))) for each in data)


NO_CHUNKS = (
    b"event: ping\ndata:\n\n",
    b'event: ping\ndata: {"type": "ping"}\n\n',
    b'data: {"object":"ping"}\n\n',
    b'data: {"id":"c","citations":["x"],"choices":null}\n\n',
)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
async def test_events_that_are_no_chunks_do_no_harm(path: str, tmp_path: Path) -> None:
    """In the same dialect they pass as they came, at the beginning too; another is not told of them."""
    first, second, *rest = openai_stream("Pa", "ris")
    with FakeProvider(stream_reply([*NO_CHUNKS, first, *NO_CHUNKS, second, *rest])) as provider:
        profile = Profile(backend="custom", dialect="openai", base_url=f"{provider.address}/v1", model="m-1")
        async with open_api(tmp_path, {"p": profile}) as url, httpx.AsyncClient() as client:
            body = {"model": "p", "max_tokens": 9, "stream": True, "messages": [{"role": "user", "content": "hi"}]}
            response = await client.post(url + path, json=body, headers=[BEARER])

    assert (response.status_code, records(tmp_path)[0]["status"]) == (200, "ok")
    assert "ping" not in response.text if path == "/v1/messages" else response.content.count(b"".join(NO_CHUNKS)) == 2
    assert records(tmp_path)[0]["response_content"] == [{"type": "text", "text": "Paris"}]


@pytest.mark.parametrize(("last", "whole"), [(None, True), (Fault.CUT, False), (Fault.END, False)])
async def test_a_stream_may_end_without_a_done(last: Fault | None, whole: bool, tmp_path: Path) -> None:
    """After the reason for the end an orderly end of the body is one; the client is told the rest of the dialect."""
    pieces: list[bytes | Fault] = [*CHAT_EVENTS[:-1], *([last] if last else [])]
    response, _ = await ask(tmp_path, "openai", streamed(CHAT), stream_reply(pieces))

    assert response.content.startswith(b"".join(CHAT_EVENTS[:-1]))
    assert response.content.endswith(b"data: [DONE]\n\n")
    assert (b"bad_reply" in response.content) is not whole
    assert records(tmp_path)[0]["status"] == ("ok" if whole else "partial")


async def embedded(directory: Path, reply: bytes) -> httpx.Response:
    with FakeProvider(Reply(body=reply)) as provider:
        retry = RetryConfig(attempts=1)
        profile = Profile(
            backend="custom", dialect="openai", base_url=f"{provider.address}/v1", model="m-1", retry=retry
        )
        async with open_api(directory, {"p": profile}) as url, httpx.AsyncClient() as client:
            asked = {"model": "p", "input": "x"}
            return await client.post(f"{url}/v1/embeddings", json=asked, headers=[BEARER])


async def test_embeddings_of_no_named_model_pass(tmp_path: Path) -> None:
    """`model: null` is what some servers say."""
    response = await embedded(tmp_path, b'{"object":"list","model":null,"data":[]}')

    assert (response.status_code, records(tmp_path)[0]["status"]) == (200, "ok")


async def test_an_error_inside_a_200_is_one_for_embeddings_too(tmp_path: Path) -> None:
    """Its record says so."""
    await embedded(tmp_path, b'{"error":{"message":"overloaded","code":503}}')

    assert records(tmp_path)[0]["status"] == "error"


async def test_slow_readers_do_not_open_the_breaker(tmp_path: Path) -> None:
    """A reader's own slowness is no fault of the provider."""
    with FakeProvider(stream_reply(openai_stream(*["w"] * 40))) as provider:
        profile = Profile(
            backend="custom",
            dialect="openai",
            base_url=f"{provider.address}/v1",
            model="m-1",
            retry=RetryConfig(attempts=1),
            timeouts=TimeoutsConfig(total_s=0.3),
        )
        async with running(configured(tmp_path, {"default": profile})) as runtime:

            async def read_slowly() -> None:
                with pytest.raises(BackendError):
                    async with runtime.stream(HELLO) as events:
                        async for _ in events:
                            await trio.sleep(0.05)

            async with trio.open_nursery() as nursery:
                for _ in range(8):
                    nursery.start_soon(read_slowly)
            health = runtime.status().backends[0].health

    assert health == "degraded"
